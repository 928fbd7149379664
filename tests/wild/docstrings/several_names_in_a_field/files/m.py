"""A module."""


def line(x, y, width, style):
    """Draw a line.

    :param x, y: The author's words.
    :param int,None style: A name.
    """


def mesh(x1, x2, width):
    """Draw a mesh.

    Parameters
    ----------
    x1, x2 : array_like
        The author's words.
    """
