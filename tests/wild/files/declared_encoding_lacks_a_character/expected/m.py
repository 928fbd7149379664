# coding: latin-1
"""Café."""


def read():
    pass
