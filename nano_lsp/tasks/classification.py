"""Zero-shot classification: the model scores every choice, and calibrated probabilities decide.

Choices are scored with their closing quote, which distinguishes a choice from one that begins with it. Probabilities
are the softmax of summed log-probabilities with temperature scaling (Guo et al. 2017, arXiv 1706.04599), fitted by
`tests/bench/bench_tasks.py --fit`. Direct answers and answers after reasoning make different errors, so both are
combined (logarithmic opinion pool: Genest and Zidek 1986, doi 10.1214/ss/1177013825).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from nano_lsp.errors import SchemaError

TEMPERATURE = 1.2
"""Calibration temperature of direct answers."""
THINK_TEMPERATURE = 4.65
"""Calibration temperature of answers after reasoning."""
DIRECT_WEIGHT = 2.0
"""Weight of the direct answer, relative to the answer after reasoning, which is overconfident."""
MAX_CHOICES = 64


def check_choices(choices: Sequence[str]) -> None:
    """Check that choices can be distinguished.

    Raises:
        SchemaError: There are fewer than two choices, too many, an empty one, two equal ones, or one
            with a lone surrogate.
    """
    if len(choices) < 2:
        raise SchemaError("There are fewer than two choices.", "For example: yes,no")
    if len(choices) > MAX_CHOICES:
        raise SchemaError(f"There are {len(choices)} choices.", f"At most {MAX_CHOICES} are allowed.")
    if len({choice.strip() for choice in choices}) < len(choices) or not all(choice.strip() for choice in choices):
        raise SchemaError("Two choices are equal, or one is empty.", "Give each a different text.")
    if any(0xD800 <= ord(char) < 0xE000 for char in "".join(choices)):
        raise SchemaError("A choice is not valid Unicode.", "Write it in UTF-8.")


def quote(choice: str) -> str:
    """A choice as the model writes it: a JSON string."""
    return json.dumps(choice, ensure_ascii=False)


def choice_instruction(choices: Sequence[str]) -> str:
    """The sentence of a prompt that asks for one of the choices."""
    return f"Answer with one of: {', '.join(map(quote, choices))}."


def softmax(scores: Sequence[float], temperature: float) -> list[float]:
    """Softmax of log-probabilities with a temperature.

    Args:
        scores: Natural logarithm of each choice's probability.
        temperature: Divisor of the scores; values above 1 make the distribution flatter.
    """
    best = max(scores)
    weights = [math.exp((score - best) / temperature) for score in scores]
    return [weight / sum(weights) for weight in weights]
