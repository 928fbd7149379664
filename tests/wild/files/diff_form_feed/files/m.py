"""Read."""


def read():
    pass
