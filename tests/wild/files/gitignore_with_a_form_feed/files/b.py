"""Read."""


def read():
    pass
