"""Read."""


def read():
    """Do what the name says."""
    pass
