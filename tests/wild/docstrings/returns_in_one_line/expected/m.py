"""A module."""


def f(x, y):
    """Do f.

    Args:
        x: the value
        y: What it is.

    Returns: the value
    """
    return x
