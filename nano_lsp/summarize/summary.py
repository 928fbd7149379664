"""A summary in two steps: statements from each chunk of a document, then the most important of all.

Both steps are tasks. A statement comes with the number of its passage and is kept only if that passage, or another
one of the chunk, supports it. The second step selects statements without rewriting them, so citations stay valid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nano_lsp.config import DRIFT_TOKENS
from nano_lsp.summarize.chunking import Passage
from nano_lsp.summarize.grounding import is_redundant, is_supported
from nano_lsp.summarize.loaders import Note
from nano_lsp.summarize.segmentation import with_full_stop
from nano_lsp.tasks import Task

_MAX_CHUNK_TOKENS = 2400
_MAX_FACTS = 8  # per chunk
_FACT_CHARS = 240
_TYPICAL_FACT_CHARS = 160
_MIN_FACT_TOKENS, _MAX_FACT_TOKENS = 80, 300  # English needs the minimum, Hindi three times as many
_MAX_CHOSEN_FROM = 40  # statements in one prompt


class Length(StrEnum):
    """Length of a summary."""

    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"


class Form(StrEnum):
    """Format of a summary."""

    BULLETS = "bullets"
    PROSE = "prose"
    OUTLINE = "outline"


N_STATEMENTS = {Length.SHORT: 5, Length.MEDIUM: 12, Length.LONG: 25}
"""Maximum number of statements by length."""


@dataclass(frozen=True)
class Statement:
    """A sentence of a summary, and the passage that supports it."""

    text: str
    passage: Passage


@dataclass(frozen=True)
class Summary:
    """A summary with an account of its limits."""

    statements: tuple[Statement, ...]
    n_unsupported: int = 0
    notes: tuple[Note, ...] = ()


def fact_tokens(tokens_per_char: float, n_ctx: int) -> int:
    """Maximum tokens of a statement, by the text's tokens per character; a chunk's fit a sixth of the context."""
    needed = min(_MAX_FACT_TOKENS, round(_TYPICAL_FACT_CHARS * tokens_per_char) + 20)
    return max(_MIN_FACT_TOKENS, min(needed, n_ctx // (6 * _MAX_FACTS)))


def chunk_tokens(n_ctx: int, tokens_per_fact: int) -> int:
    """Maximum tokens of a chunk: the context without the answer, well below the length at which answers drift."""
    return max(128, min(_MAX_CHUNK_TOKENS, n_ctx - _MAX_FACTS * tokens_per_fact - 400, DRIFT_TOKENS // 2))


def facts_task(passages: Sequence[Passage], n: int, tokens_per_fact: int) -> Task:
    """The task that extracts at most n statements from the passages of a chunk."""
    n = min(n, _MAX_FACTS)
    schema = {
        "type": "array",
        "minItems": 1,
        "maxItems": n,
        "items": {
            "type": "object",
            "properties": {
                "passage": {"type": "integer", "minimum": 1, "maximum": len(passages)},
                "fact": {"type": "string", "minLength": 6, "maxLength": _FACT_CHARS},
            },
            "required": ["passage", "fact"],
        },
    }
    heading = next((passage.heading for passage in passages if passage.heading), "")
    about = f", of the section {heading!r}" if heading else ""
    lines: list[str] = []
    for i, passage in enumerate(passages, 1):
        if passage.heading != heading:
            heading = passage.heading
            lines += [f"## {heading}"] if heading else []
        lines.append(f"[{i}] {passage.text}")
    numbered = "\n\n".join(lines)
    prompt = (
        f"Below are numbered passages of a document{about}. List the {n} most important facts that they state. Each "
        "fact is one whole sentence in the words of its passage, with its names and numbers, and comes with the "
        "number of its passage. Take them from different passages."
    )
    return Task(prompt, numbered, schema=json.dumps(schema), max_tokens=n * tokens_per_fact)


def read_facts(value: Sequence[Mapping[str, Any]], passages: Sequence[Passage]) -> tuple[list[Statement], int]:
    """The statements of an answer to `facts_task` that the passages support, and the number of those they do not."""
    found: list[Statement] = []
    dropped = 0
    for each in value:
        text = " ".join(str(each["fact"]).split())
        named = passages[each["passage"] - 1]
        complete = len(each["fact"]) < _FACT_CHARS  # a longer one was truncated by the grammar
        passage = next(
            (p for p in (named, *passages) if complete and is_supported(f"{p.heading}\n{p.text}", text)), None
        )
        if passage is None:
            dropped += 1
        elif not any(is_redundant(text, other.text) for other in found):
            found.append(Statement(with_full_stop(text), passage))
    return found, dropped


def deduplicate(statements: Sequence[Statement]) -> list[Statement]:
    """The statements without those that repeat an earlier one."""
    kept: list[Statement] = []
    for statement in statements:
        if not any(is_redundant(statement.text, other.text) for other in kept):
            kept.append(statement)
    return kept


def split_into_groups(statements: Sequence[Statement], n: int) -> list[tuple[list[Statement], int]]:
    """Groups of statements that fit one prompt, each with the number to select, n in total."""
    n_groups = -(-len(statements) // _MAX_CHOSEN_FROM)
    size = -(-len(statements) // n_groups)
    groups = [list(statements[i : i + size]) for i in range(0, len(statements), size)]
    shares = [n * (i + 1) // len(groups) - n * i // len(groups) for i in range(len(groups))]
    return list(zip(groups, shares, strict=True))


def choice_task(statements: Sequence[Statement], n: int) -> Task:
    """The task that selects the n most important statements."""
    numbered = "\n".join(f"[{i}] {statement.text}" for i, statement in enumerate(statements, 1))
    one = {"type": "integer", "minimum": 1, "maximum": len(statements)}
    schema = {"type": "array", "items": one, "minItems": n, "maxItems": n}
    prompt = (
        f"Below are numbered statements from a document, in its order. Choose the {n} that matter most to somebody "
        "who reads nothing else of it: results, decisions, causes, numbers, from all of its parts. Reply with their "
        "numbers, each once."
    )
    return Task(prompt, numbered, schema=json.dumps(schema), max_tokens=8 * n + 16)


def read_choice(value: Sequence[int], statements: Sequence[Statement], n: int) -> list[Statement]:
    """The selected statements, in the document's order; duplicate numbers are replaced by evenly spread others."""
    chosen = set(value[:n])
    spread = [i * len(statements) // n + 1 for i in range(n)]
    for number in [*spread, *range(1, len(statements) + 1)]:
        if len(chosen) >= min(n, len(statements)):
            break
        chosen.add(number)
    return [statement for i, statement in enumerate(statements, 1) if i in chosen]


def render(statements: Sequence[Statement], form: Form) -> str:
    """A summary in Markdown, with a citation after each statement."""
    cited = [f"{statement.text} [{statement.passage.source}]" for statement in statements]
    if form is Form.PROSE:
        return " ".join(cited) + "\n"
    if form is Form.BULLETS:
        return "".join(f"- {text}\n" for text in cited)
    lines: list[str] = []
    last: str | None = None
    for statement in statements:
        if statement.passage.heading != last:
            last = statement.passage.heading
            lines += ["", f"## {last or 'Without a heading'}", ""]
        lines.append(f"- {statement.text} [{statement.passage.place}]")
    return "\n".join(lines).lstrip("\n") + "\n"
