"""A module."""


def call(function, *args, **kwargs):
    """Call it.

    :param \\*args: Positional args.
    :param \\**kwargs: Keyword args.
    """
