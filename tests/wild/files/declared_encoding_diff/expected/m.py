# coding: latin-1
"""Café."""


def read():
    """Do what the name says."""
    pass
