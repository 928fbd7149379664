# coding: klingon
"""Read."""


def read():
    pass
