"""Grammars (GBNF) of numbers within bounds, digit by digit."""

from __future__ import annotations

from collections.abc import Iterator


def number_range(low: int, high: int, decimals: int = 0) -> str:
    """GBNF of the decimal numbers from low to high.

    Args:
        low: Minimum, in units of the last decimal.
        high: Maximum, in the same units; at least `low`.
        decimals: Number of digits after the decimal point, all of which are written; 0 for integers.
    """
    found: list[str] = []
    if low < 0:
        found += [f'"-" {each}' for each in _magnitudes(max(1, -high), -low, decimals)]
    if high >= 0:
        found += _magnitudes(max(0, low), high, decimals)
    return " | ".join(found)


def _magnitudes(low: int, high: int, decimals: int) -> Iterator[str]:
    """Alternatives by number of digits, without leading zeros except for the one before the point."""
    shortest = decimals + 1
    for length in range(shortest, max(shortest, len(str(high))) + 1):
        first = max(low, 10 ** (length - 1) if length > shortest else 0)
        last = min(high, 10**length - 1)
        if first <= last:
            yield from _between(f"{first:0{length}}", f"{last:0{length}}", decimals)


def _between(low: str, high: str, decimals: int) -> Iterator[str]:
    """Alternatives for the numerals between two of the same length."""
    point = '"." ' if len(low) == decimals else ""
    rest = len(low) - 1
    if not rest:
        yield f"{point}[{low}-{high}]"
        return
    if low[0] == high[0]:
        yield f'{point}"{low[0]}" ({" | ".join(_between(low[1:], high[1:], decimals))})'
        return
    first, last = int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        yield f'{point}"{first}" ({" | ".join(_between(low[1:], "9" * rest, decimals))})'
        first += 1
    if high[1:] != "9" * rest:
        yield f'{point}"{last}" ({" | ".join(_between("0" * rest, high[1:], decimals))})'
        last -= 1
    if first <= last:
        yield f"{point}[{first}-{last}] {_any_digits(rest, decimals)}"


def _any_digits(n: int, decimals: int) -> str:
    if not 0 < decimals <= n:
        return f"[0-9]{{{n}}}"
    whole = f"[0-9]{{{n - decimals}}} " if n > decimals else ""
    return f'{whole}"." [0-9]{{{decimals}}}'
