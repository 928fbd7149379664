"""Read."""


def read():
    pass
