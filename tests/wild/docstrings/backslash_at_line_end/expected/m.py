"""A module."""


def solve(x, y):
    """Solve it.

    total       = xx - (1 + x)
    total_of_xx = xx - (1 + x) - (y - 1) \
                = xx - (x + y)

    Args:
        x: One.
        y: What it is.
    """
