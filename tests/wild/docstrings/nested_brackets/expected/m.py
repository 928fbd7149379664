"""A module."""


def place(box, size, sheet, *args, **kwargs):
    """Place a box.

    Args:
        box (tuple(int, int) or (float, float)): Corner, the author's words.
        size (str | list(str)): The content to append.
        sheet: What it is.
        *args, **kwargs: Passed on.
    """
