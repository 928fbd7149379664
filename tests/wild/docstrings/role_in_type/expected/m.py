"""A module."""


def hull(points, box, depth):
    """Find the hull.

    Args:
        points (:math:`(N, 3)` :class:`numpy.ndarray`): The points to test.
        box (:class:`Box`):
            The box around them: (left, [top)
        depth: What it is.
    """
