def first(x):
    """The first."""
    return x


def func(x):
    """Double a number."""
    return 2 * x
