"""A choice, and how probable each is: the model is made to say every one, and what it thinks of that decides.

A choice stands in quotes, so that one that begins with another is told from it by the quote behind. Probabilities are
the softmax of the sums of log-probabilities over a temperature (Guo et al. 2017, arXiv 1706.04599), which
`tests/bench/bench_tasks.py --fit` has fitted. What the model says at once and what it says after reasoning err in
other places, so both count (a logarithmic opinion pool: Genest and Zidek 1986, doi 10.1214/ss/1177013825).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from nano_lsp.errors import SchemaError

TEMPERATURE = 1.2
"""Of choices at once."""
THINK_TEMPERATURE = 4.65
"""Of choices after reasoning."""
AT_ONCE_WEIGHT = 2.0
"""Of what is said at once, beside what is said after reasoning, which is too sure of itself."""
MAX_CHOICES = 64


def check_choices(choices: Sequence[str]) -> None:
    """Refuse choices that cannot be told apart.

    Raises:
        SchemaError: fewer than two, too many, an empty one, or two alike.
    """
    if len(choices) < 2:
        raise SchemaError("There are fewer than two choices.", "For example: yes,no")
    if len(choices) > MAX_CHOICES:
        raise SchemaError(f"There are {len(choices)} choices.", f"At most {MAX_CHOICES} can be told apart.")
    if len({choice.strip() for choice in choices}) < len(choices) or not all(choice.strip() for choice in choices):
        raise SchemaError("Two choices are alike, or one is empty.", "Give each a text of its own.")


def quote(choice: str) -> str:
    """A choice as the model says it."""
    return json.dumps(choice, ensure_ascii=False)


def ask_for(choices: Sequence[str]) -> str:
    """The sentence that asks for one of some choices."""
    return f"Answer with one of: {', '.join(map(quote, choices))}."


def probabilities(scores: Sequence[float], temperature: float) -> list[float]:
    """Softmax of log-probabilities over a temperature.

    Args:
        scores: natural logarithms, one a choice.
        temperature: above 1 makes them less sure.
    """
    best = max(scores)
    weights = [math.exp((score - best) / temperature) for score in scores]
    return [weight / sum(weights) for weight in weights]
