"""A module."""


def draw(shape, *, colour, width, **options):
    """Draw a shape.

    Args:
        shape: The author's words.

    Keyword Arguments:
        colour: A name.
        dash: Passed to the pen.

    Other Parameters:
        width (int): In points.

    Warns:
        UserWarning: On a wet canvas.
    """


def fill(shape, pattern, *, colour):
    """Fill a shape.

    Parameters
    ----------
    shape : Shape
        The author's words.
    pattern
        What it is.

    Other Parameters
    ----------------
    colour : str, optional
        A name.

    See Also
    --------
    draw : Draws the outline.
    """
