"""Read."""


def read():
    """Do what the name says."""
    return 'a bcd'
