"""A module."""


def scale(shape, factor, centre):
    """Scale a shape.

    @param shape: The author's words.
    @type shape: L{Shape}
    @param factor: How much.
    @raise OSError: The disk is full.
    @note: Slow.
    """
