"""A module."""


def call(function, *args, **kwargs):
    """Call it.

    :param function: What it is.
    :param \\*args: Positional args.
    :param \\**kwargs: Keyword args.
    """
