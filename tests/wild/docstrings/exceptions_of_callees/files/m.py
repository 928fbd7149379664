"""A module."""


def read(path, encoding):
    """Read a file.

    Args:
        path: Where it is.

    Raises:
        FileNotFoundError: There is no such file.
        ~codecs.Error: It is not in this encoding.
    """
    try:
        open(path)
    except OSError:
        print(path)
