"""Read."""


def read():
    x = 'a bcd'
