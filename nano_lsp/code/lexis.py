"""Comments, strings and blocks of a language, read from its text alone.

For text without a syntax tree, and for a few lines that are still being written: what is a comment or a string, which
brackets are open, where a block ends.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from nano_lsp.lines import line_start

_WORD = re.compile(r"\w+")
_NEAR_CHARS = 80  # before a word, that tell whether a statement begins with it
_STATEMENT_START = re.compile(r"(?:^|[;=({|&!,]|\b(?:then|do|else|return))\s*$")


class Blocks(StrEnum):
    """What a block of statements ends with."""

    INDENTATION = "indentation"
    BRACKETS = "brackets"
    WORDS = "words"


@dataclass(frozen=True)
class Quote:
    r"""A kind of string.

    Attributes:
        opening: What it begins with.
        escape: Character that takes the meaning from the one after it; empty for none.
        multi_line: Whether it may extend over several lines.
        closing: What it ends with; empty for the same as `opening`.
    """

    opening: str
    escape: str = "\\"
    multi_line: bool = False
    closing: str = ""


@dataclass(frozen=True)
class BlockWords:
    """Words that begin and end blocks.

    Attributes:
        openers: Words that begin a block, wherever they stand.
        starters: Words that begin one only at the beginning of a statement, such as Ruby's `if`.
        closers: Words that end one.
        middles: Words that end one part of a block and begin the next.
        loops: Starters whose `do` in the same line belongs to them.
    """

    openers: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    closers: frozenset[str] = frozenset()
    middles: frozenset[str] = frozenset()
    loops: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Lexis:
    """Comments, strings and blocks of a language.

    Attributes:
        line_comments: What begins a comment that extends to the end of the line.
        block_comments: Beginning and end of other comments.
        quotes: Kinds of strings, the longer ones first.
        blocks: What a block of statements ends with.
        words: Words around blocks.
        character: Expression for other literals in quotes, such as a character of Rust.
        comment_at_word: Whether a comment begins only where a word could, as in shells.
    """

    line_comments: tuple[str, ...] = ("#",)
    block_comments: tuple[tuple[str, str], ...] = ()
    quotes: tuple[Quote, ...] = (Quote('"'), Quote("'"))
    blocks: Blocks = Blocks.INDENTATION
    words: BlockWords = BlockWords()
    character: str = ""
    comment_at_word: bool = False

    def tokens(self, code: str) -> Iterator[Token]:
        """Yield the comments, strings, brackets and words of code, in order."""
        return _tokens(_expression(self), code)

    def literals(self, code: str) -> Iterator[Token]:
        """Yield the comments and strings of code, in order."""
        return _tokens(_expression(self, only_literals=True), code)

    def is_open(self, code: str) -> bool:
        """Whether a bracket, a string of several lines or a block comment is still open at the end of code."""
        depth, last = 0, Token("", "", 0)
        for last in self.tokens(code):
            if last.kind == "bracket":
                depth += 1 if last.text in "([{" else -1
                if self.blocks is not Blocks.INDENTATION:
                    depth = max(0, depth)  # in `} else {` a brace is open
        return depth > 0 or (last.is_open and last.text.startswith(self._over_lines))

    def block_changes(self, code: str) -> Iterator[tuple[int, int]]:
        """Yield the offsets in code where a block begins (1) or ends (-1), by its braces and words."""
        line = last = (
            0  # start of the token's line, found from the last token on: a line may have a million characters
        )
        for token in self.tokens(code):
            line, last = (
                last + start if (start := line_start(code[last : token.start], len(code))) else line,
                token.start,
            )
            if token.kind == "bracket" and token.text in "{}":
                yield token.start, 1 if token.text == "{" else -1
            elif token.kind == "word" and self.blocks is Blocks.WORDS:
                change = self._change(token, code, line)
                if change:
                    yield token.start, change

    def block_depth(self, code: str) -> int:
        """Number of blocks that code begins less those that it ends."""
        return sum(change for _, change in self.block_changes(code))

    def open_blocks(self, code: str) -> list[Token]:
        """The brackets and words that are open at the end of code, if a block or a brace is the innermost of them."""
        changes, found = dict(self.block_changes(code)), list[Token]()
        token = None
        for token in self.tokens(code):
            change = changes.get(token.start, 0)
            if token.kind == "bracket":
                change = 1 if token.text in "([{" else -1
            if change > 0:
                found.append(token)
            elif change and found:
                found.pop()
        begins_block = bool(found) and found[-1].text not in "(["
        return found if begins_block and token is not None and not token.is_open else []

    def leaves_open(self, line: str) -> bool:
        """Whether a line begins a block, or the next part of one, that the lines below it belong to."""
        first = _WORD.match(line.strip())
        return self.block_depth(line) > 0 or bool(first and first[0] in self.words.middles)

    def _change(self, word: Token, code: str, line: int) -> int:
        """Whether a word begins a block or ends one, by the text before it in its line, which begins at an offset."""
        words = self.words
        before = code[max(line, word.start - _NEAR_CHARS) : word.start]
        if before.endswith((".", ":", "$", "@")):  # a method, a symbol or a variable of that name
            return 0
        if word.text in words.closers:
            return -1
        first = _WORD.search(code, line, word.start)
        if word.text == "do" and first and first[0] in words.loops:
            return 0
        if word.text in words.openers or (word.text in words.starters and _STATEMENT_START.search(before)):
            return 1
        return 0

    @functools.cached_property
    def _over_lines(self) -> tuple[str, ...]:
        """Beginnings of the strings and comments that may extend over several lines."""
        quotes = (quote.opening for quote in self.quotes if quote.multi_line)
        return (*quotes, *(opening for opening, _ in self.block_comments))


@dataclass(frozen=True)
class Token:
    """A token of code.

    Attributes:
        kind: `comment`, `string`, `bracket` or `word`.
        text: Its text.
        start: Its offset.
        is_open: Whether it is a comment or a string that the end of the code cuts off.
    """

    kind: str
    text: str
    start: int
    is_open: bool = False

    @property
    def end(self) -> int:
        """Offset of its end."""
        return self.start + len(self.text)


def _tokens(expression: re.Pattern[str], code: str) -> Iterator[Token]:
    for found in expression.finditer(code):
        kind, _, end = str(found.lastgroup).partition("_")
        yield Token(kind.rstrip("0123456789"), found[0], found.start(), is_open=bool(end))


@functools.cache
def _expression(lexis: Lexis, *, only_literals: bool = False) -> re.Pattern[str]:
    """Expression for one token: a group for each kind, and `open` in its name where the code ends within it."""
    escape = re.escape
    parts = [
        f"(?P<comment{i}>{escape(opening)}(?:(?!{escape(closing)}).)*)(?:{escape(closing)}|(?P<comment{i}_open>\\Z))"
        for i, (opening, closing) in enumerate(lexis.block_comments)
    ]
    if lexis.line_comments:
        before = r"(?<![^\s;&|(])" if lexis.comment_at_word else ""
        begins = "|".join(map(escape, lexis.line_comments))
        parts.append(f"(?P<comment>{before}(?:{begins})[^\r\n]*)(?:(?P<comment_open>\\Z)|)")
    if lexis.character:
        parts.append(f"(?P<string>{lexis.character})")
    for i, quote in enumerate(lexis.quotes):
        closing, any_char = escape(quote.closing or quote.opening), "." if quote.multi_line else r"[^\r\n]"
        escaped = f"{escape(quote.escape)}.|" if quote.escape else ""
        cut_off = f"(?P<string{i}_open>{f'(?:{escape(quote.escape)})?' if quote.escape else ''}\\Z)"
        ends = f"{closing}|{cut_off}" + ("" if quote.multi_line else r"|(?=[\r\n])")
        stop = f"(?!{closing}{'|' + escape(quote.escape) if quote.escape else ''})"
        parts.append(f"(?P<string{i}>{escape(quote.opening)}(?:{escaped}{stop}{any_char})*)(?:{ends})")
    if not only_literals:
        parts += [r"(?P<bracket>[()\[\]{}])", r"(?P<word>\w+)"]
    return re.compile("|".join(parts) or "(?!)", re.DOTALL)


C_LIKE = Lexis(("//",), (("/*", "*/"),), (Quote('R"(', "", True, ')"'), Quote('"'), Quote("'")), Blocks.BRACKETS)
HASH = Lexis()
