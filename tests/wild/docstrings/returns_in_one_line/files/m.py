"""A module."""


def f(x, y):
    """Do f.

    Args:
        x: the value

    Returns: the value
    """
    return x
