"""Cuts a document into passages that can be cited, and passages into chunks that fit a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from nano_lsp.summarize.loaders import Block
from nano_lsp.summarize.segmentation import cut, sentences

_SHORT, _LONG = 240, 900  # characters: shorter blocks are joined, longer ones cut at a sentence's end


@dataclass(frozen=True)
class Passage:
    """A part of a document with a citation.

    Attributes:
        text: Text of the passage.
        place: Place of its beginning, as `p. 12` or `line 340`.
        heading: Heading above it; empty for none.
    """

    text: str
    place: str
    heading: str = ""

    @property
    def source(self) -> str:
        """The citation."""
        return f"{self.place}, {self.heading}" if self.heading else self.place


def cut_passages(blocks: Iterable[Block]) -> list[Passage]:
    """Cut blocks into passages of a few sentences; a passage has one heading and begins on one page."""
    found: list[Passage] = []
    for block in blocks:
        for part in _cut(block.text):
            last = found[-1] if found else None
            joins = last is not None and last.heading == block.heading and len(last.text) + len(part) < _SHORT
            if last is not None and joins and (not last.place.startswith("p.") or last.place == block.place):
                found[-1] = replace(last, text=f"{last.text} {part}")
            else:
                found.append(Passage(part, block.place, block.heading))
    return found


def cut_chunks(
    passages: Sequence[Passage], count: Callable[[str], int], max_tokens: int
) -> list[tuple[Passage, ...]]:
    """Group passages into chunks; a chunk that is half full ends before a new heading.

    Args:
        passages: Passages of a document.
        count: Counts the tokens of a text.
        max_tokens: Maximum number of tokens of a chunk, including its numbering; no single passage is longer.
    """
    chunks: list[tuple[Passage, ...]] = []
    current: list[Passage] = []
    size = 0
    for passage in passages:
        n = count(passage.text) + 8  # its number, and line breaks
        new_heading = bool(current) and passage.heading != current[-1].heading
        if current and (size + n > max_tokens or (new_heading and size > max_tokens // 2)):
            chunks.append(tuple(current))
            current, size = [], 0
        current.append(passage)
        size += n
    return [*chunks, tuple(current)] if current else chunks


def _cut(text: str) -> list[str]:
    parts: list[str] = []
    for sentence in sentences(text):
        for piece in cut(sentence, _LONG):
            if parts and len(parts[-1]) + len(piece) <= _LONG:
                parts[-1] += piece
            else:
                parts.append(piece)
    return [part.strip() for part in parts if part.strip()]
