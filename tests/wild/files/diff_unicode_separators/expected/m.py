"""Read."""


def read():
    """Do what the name says."""
    x = 'a bcd'
