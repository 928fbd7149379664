"""Read."""


def read():
    pass  # one    # two
