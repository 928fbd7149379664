"""Größe → 大"""


def read():
    pass
