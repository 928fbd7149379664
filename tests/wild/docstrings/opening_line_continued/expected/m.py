"""A module."""


def first(a, b):
    """\
    Say it.

    Args:
        a: Here is how to make one: \"\"\"
        b: What it is.
    """


def second(a, b):
    '''Say """it""".

    Args:
        a: One.
        b: What it is.'''


def third(a, b):
    r"""Match \d.

    Args:
        a: One \
            and the same.
        b: What it is."""
