"""A module."""


def set_terms(n_terms, scale):
    """Set the number of terms.

    Parameters
    ----------
    n_terms: int, default: 3
        How many,

        more than one.
    scale
        What it is.

    Raises
    ------
    ValueError :
        If n_terms is even.
    """
    if n_terms % 2 == 0:
        raise ValueError("n_terms must be odd")
