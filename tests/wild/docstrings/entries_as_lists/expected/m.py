"""A module."""


def draw(shape, colour, width):
    """Draw a shape.

    Args:
      * shape: The author's words.
      * `colour` (str): A name, such as
        - red: Loud.
      * width: What it is.

    Raises:
      - ValueError: The author's words.
    """
    if not width:
        raise ValueError


def fetch(address, timeout, n, size):
    """Fetch a page.

    Args:
        address: One of these:
        https://example.com: The author's words.
        'timeout': In seconds.
        int n: How many.
        size=3: How large.
    """
