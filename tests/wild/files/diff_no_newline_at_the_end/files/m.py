"""Read."""


def read():
    pass