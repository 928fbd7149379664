"""A module."""


def insert(document, check, session):
    """Insert a document.

    :Parameters:
      - `document`: The author's words.
      - `check` (optional): The author's words.

    .. versionadded:: 3.0
    """


def dense(units, activation):
    """Add a layer.

    # Arguments
        units: The author's words.

    # Returns
        The author's words.
    """
    return units


def mean(values, axis):
    """Compute the mean.

    Parameters
    ----------
    values : array_like
        The author's words.
    %(axis)s
    """


class Options:
    """Options.

    Attributes:
        level: The author's words.
    """

    level: int
    path: str
    """The author's words."""
    #: The author's words.
    mode: str


class Box:
    """A box."""

    @property
    def width(self):
        """The width.

        :param value: The author's words about the setter.
        """
        return 1

    @width.setter
    def width(self, value):
        print(value)
