"""Chain of thought: the prompt texts that begin and end the reasoning, and few-shot examples.

Without the given beginning, nano answers first and gives reasons afterwards (Kojima et al. 2022, arXiv 2205.11916).
The examples show steps that lead to a choice (Wei et al. 2022, arXiv 2201.11903).
"""

from __future__ import annotations

from collections.abc import Iterator

from nano_lsp.assistant.prompts import Message
from nano_lsp.tasks.classification import choice_instruction, quote

BEGIN = "Let's think step by step.\n\n1."
CONCLUDE = "Therefore, the answer is"

_EXAMPLES = (
    (
        "Does `[].pop()` in Python work without an error?",
        ("yes", "no"),
        (
            "`list.pop()` takes the last element off a list.",
            "`[]` has no element.",
            "Taking an element off an empty list raises an IndexError, so it does not work without an error.",
        ),
        "no",
    ),
    (
        "What does this print?\n\nn = 1\nfor i in range(3):\n    n += i\nprint(n)",
        ("3", "4", "7"),
        (
            "n is 1 at first.",
            "range(3) gives 0, 1, 2.",
            "n becomes 1 + 0 = 1, then 1 + 1 = 2, then 2 + 2 = 4.",
            "The program prints n, which is 4.",
        ),
        "4",
    ),
    (
        "All roses need water. The plant on the desk needs water. Must it be a rose?",
        ("yes", "no"),
        (
            "The rule says what roses need. It does not say that only roses need water.",
            "A tulip could need water, too.",
            "So the plant need not be a rose.",
        ),
        "no",
    ),
    (
        "def count(text, letter):\n    n = 0\n    for c in text:\n        if c == letter:\n            n += 1\n"
        "    return n\n\nDoes count('noon', 'o') return 2?",
        ("yes", "no"),
        (
            "The function counts the characters of text that are equal to letter.",
            "The characters of 'noon' are n, o, o, n.",
            "Two of them are o, so it returns 2.",
        ),
        "yes",
    ),
)


def worked_examples() -> Iterator[Message]:
    """Few-shot examples for a choice, as turns of a conversation: question, reasoning steps, choice."""
    for question, choices, steps, answer in _EXAMPLES:
        yield Message("user", f"{question}\n\n{choice_instruction(choices)}")
        reasoned = BEGIN.removesuffix("1.") + "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1))
        # No full stop: with one the model prefers the token `".`, and gives the quote alone a low probability.
        yield Message("assistant", f"{reasoned}\n\n{CONCLUDE} {quote(answer)}")
