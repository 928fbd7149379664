"""How the model reasons before it answers: how that begins and ends, and worked examples of it.

Without the beginning, said for it, nano answers at once and gives reasons afterwards (Kojima et al. 2022, arXiv
2205.11916). The examples show steps that lead to a choice (Wei et al. 2022, arXiv 2201.11903).
"""

from __future__ import annotations

from collections.abc import Iterator

from nano_lsp.features.prompts import Message
from nano_lsp.features.tasks.choosing import ask_for, quote

BEGIN = "Let's think step by step.\n\n1."
CONCLUDE = "Therefore, the answer is"

_EXAMPLES = (
    (
        "def half(n):\n    if n % 2 == 0:\n        return n // 2\n\nDoes half(3) return a number?",
        ("yes", "no"),
        (
            "half(3) runs with n = 3.",
            "n % 2 is 3 % 2 = 1, and 1 == 0 is false, so the line `return n // 2` is not run.",
            "The function ends without a return, so half(3) returns None.",
            "None is not a number, so half(3) does not return a number.",
        ),
        "no",
    ),
    (
        "What does this print?\n\ns = 'hello'\nprint(s[1:3])",
        ("he", "el", "ell", "hel"),
        (
            "The indexes of 'hello' are h = 0, e = 1, l = 2, l = 3, o = 4.",
            "s[1:3] takes index 1 and 2; index 3 is left out.",
            "That is e and l, so it prints el.",
        ),
        "el",
    ),
    (
        "A tank holds 90 litres and loses 4 litres an hour. Are more than 60 litres left after 8 hours?",
        ("yes", "no"),
        (
            "In 8 hours it loses 8 * 4 = 32 litres.",
            "90 - 32 = 58 litres are left.",
            "58 is less than 60, so there are not more than 60 litres left.",
        ),
        "no",
    ),
    (
        "Is this sentence a question?\n\nWhere is the key?",
        ("yes", "no"),
        (
            "The sentence begins with `Where` and ends with a question mark.",
            "It asks for a place, so it is a question.",
        ),
        "yes",
    ),
)


def worked_examples() -> Iterator[Message]:
    """Turns before a choice: a question, the steps, the choice they lead to."""
    for question, choices, steps, answer in _EXAMPLES:
        yield Message("user", f"{question}\n\n{ask_for(choices)}")
        reasoned = BEGIN.removesuffix("1.") + "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1))
        yield Message("assistant", f"{reasoned}\n\n{CONCLUDE} {quote(answer)}.")
