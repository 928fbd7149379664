"""Read."""


def read():
    return 'a bcd'
