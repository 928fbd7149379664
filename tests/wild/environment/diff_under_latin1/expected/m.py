"""Größe → 大"""


def read():
    """Do what the name says."""
    pass
