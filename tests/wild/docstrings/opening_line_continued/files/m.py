"""A module."""


def first(a, b):
    """\
    Say it.

    Args:
        a: Here is how to make one: \"\"\"
    """


def second(a, b):
    '''Say """it""".

    Args:
        a: One.'''


def third(a, b):
    r"""Match \d.

    Args:
        a: One \
            and the same."""
