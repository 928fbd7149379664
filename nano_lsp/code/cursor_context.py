"""Syntactic context of the cursor: decides whether to complete, and whether over several lines.

Code is incomplete while it is typed, so the text of the line decides first and the syntax tree where the line alone
does not suffice: strings over several lines, brackets opened in a line above.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum

from tree_sitter import Node

from nano_lsp.code.document import indent_of
from nano_lsp.code.languages import PYTHON, Language
from nano_lsp.code.lexis import Blocks
from nano_lsp.code.queries import captures_around
from nano_lsp.code.syntax_tree import SyntaxTree, ancestors
from nano_lsp.lines import line_end, line_start


class CursorKind(StrEnum):
    """Kind of code at the cursor."""

    STATEMENT_START = "statement start"
    EMPTY_BLOCK = "empty block"
    EXPRESSION = "expression"
    CALL_ARGUMENTS = "call arguments"
    ATTRIBUTE = "attribute"
    IMPORT = "import"
    DECORATOR = "decorator"
    PARAMETERS = "parameter list"
    STRING = "string"
    DOCSTRING = "docstring"
    COMMENT = "comment"


LITERAL_KINDS = frozenset({CursorKind.STRING, CursorKind.DOCSTRING, CursorKind.COMMENT})
"""Text rather than code."""


class TextAfterCursor(StrEnum):
    """Kind of text after the cursor in its line."""

    EMPTY = "nothing"
    CLOSERS = "only closers"
    CODE = "code"


_CLOSERS = re.compile(r"[\s)\]}'\"`:;,]*")
_WORD_END = re.compile(r"\w$")
_DECORATOR = re.compile(r"^\s*@")
_ATTRIBUTE = re.compile(r"(?:[^\W\d]\w*|[)\]}'\"])\s*\.\s*\w*$")
_DEFINITION = re.compile(r"\s*(async\s+)?(def|function|func|fn)\s+\w+\s*\(")
_BEFORE_BLOCK = re.compile(r"(?:\)|=>|->|\b(?:else|do|try|finally|loop|unsafe))\s*$")
_MAX_LITERAL_CHARS = 1 << 16  # before the cursor, that are searched for an open string where there is no tree: 5 ms
_MAX_LINE_CHARS = 20_000  # before the cursor in its line, that are searched for brackets
_MULTI_LINE = {CursorKind.STATEMENT_START, CursorKind.EMPTY_BLOCK}


class AtCursor:
    """Base class of a text with a cursor in it, at an offset in code points."""

    text: str
    offset: int

    @property
    def prefix(self) -> str:
        """The text before the cursor."""
        return self.text[: self.offset]

    @property
    def suffix(self) -> str:
        """The text after the cursor."""
        return self.text[self.offset :]


@dataclass(frozen=True)
class CompletionInput(AtCursor):
    """Input of a code completion: a document and the cursor in it.

    Attributes:
        name: Name of the document; it identifies the document's prompt in the KV cache.
        text: Text of the document.
        offset: Offset of the cursor, in code points.
        language: LSP language id of the document; empty to derive it from the name.
        context: Code from outside the document that the client provides, such as a kernel's variables; comes first.
    """

    name: str
    text: str
    offset: int
    language: str = ""
    context: str = ""

    def after(self, typed: str) -> CompletionInput:
        """Return the input after text has been typed at the cursor."""
        return self.replaced(0, 0, typed)

    def replaced(self, n_before: int, n_behind: int, text: str) -> CompletionInput:
        """The input after a text has replaced characters around the cursor, with the cursor after that text."""
        start = self.offset - n_before
        behind = self.text[self.offset + n_behind :]
        return replace(self, text=self.text[:start] + text + behind, offset=start + len(text))


@dataclass(frozen=True)
class CursorContext(AtCursor):
    """Syntactic context of the cursor in a document.

    Attributes:
        text: Text of the document.
        offset: Offset of the cursor, in code points.
        language: Language of the document.
        tree: Syntax tree of the document; None if it cannot be parsed.
        kind: Kind of code at the cursor.
        text_after_cursor: Kind of text after the cursor in its line.
        in_word: Whether the character before the cursor belongs to a word.
    """

    text: str
    offset: int
    language: Language
    tree: SyntaxTree | None
    kind: CursorKind
    text_after_cursor: TextAfterCursor
    in_word: bool

    @property
    def typed(self) -> str:
        """The part of the cursor's line before the cursor."""
        return self.text[line_start(self.text, self.offset) : self.offset]

    @property
    def rest(self) -> str:
        """The part of the cursor's line after the cursor, without the line end."""
        return self.text[self.offset : line_end(self.text, self.offset)]

    @property
    def multi_line(self) -> bool:
        """Whether more than one statement may be suggested."""
        return self.kind in _MULTI_LINE and self.text_after_cursor is TextAfterCursor.EMPTY

    @property
    def wants_completion(self) -> bool:
        """Whether an editor should show an automatic suggestion here."""
        return wants_completion(self.text, self.offset)


def wants_completion(text: str, offset: int) -> bool:
    """Whether an editor should show an automatic suggestion at a cursor, whose offset is in code points."""
    rest = text[offset : line_end(text, offset)]
    inside_word = _WORD_END.search(text[max(0, offset - 1) : offset]) and re.match(r"\w", rest)
    return _text_after_cursor(rest) is not TextAfterCursor.CODE and not inside_word


def _text_after_cursor(rest: str) -> TextAfterCursor:
    if not rest.strip():
        return TextAfterCursor.EMPTY
    return TextAfterCursor.CLOSERS if _CLOSERS.fullmatch(rest) else TextAfterCursor.CODE


def find_cursor_context(text: str, offset: int, language: Language, tree: SyntaxTree | None) -> CursorContext:
    """Determine the syntactic context of a cursor, whose offset is in code points."""
    typed = text[line_start(text, offset) : offset]
    kind = _kind(text, offset, typed, language, tree)
    return CursorContext(
        text=text,
        offset=offset,
        language=language,
        tree=tree,
        kind=kind,
        text_after_cursor=_text_after_cursor(text[offset : line_end(text, offset)]),
        in_word=bool(_WORD_END.search(typed)),
    )


def _kind(text: str, offset: int, typed: str, language: Language, tree: SyntaxTree | None) -> CursorKind:
    """The first matching kind, from the most specific one on."""
    kind = _literal_kind(offset, tree) if tree else _open_literal(text[:offset], language)
    if kind is None and tree and tree.root.has_error and language is not PYTHON:  # an unclosed one is an error
        kind = _open_literal(typed, language)
    if kind is None:
        kind = _form(typed[-_MAX_LINE_CHARS:], language)
    if kind is None:
        opener = _innermost_opener(text, offset, language, tree)
        kind = _bracket_kind(*opener, tree) if opener else None
    if kind is None and _opens_block(text, offset, language):
        kind = CursorKind.EMPTY_BLOCK
    return kind or (CursorKind.EXPRESSION if typed.strip() else CursorKind.STATEMENT_START)


def _form(typed: str, language: Language) -> CursorKind | None:
    """The kind of a line by what it begins with, or by the text before the cursor."""
    if re.match(rf"\s*(?:{language.imports})", typed):
        return CursorKind.IMPORT
    if _DECORATOR.match(typed) and language.lexis.blocks is not Blocks.WORDS:  # `@name` is a variable of Ruby
        return CursorKind.DECORATOR
    return CursorKind.ATTRIBUTE if _ATTRIBUTE.search(typed) else None


def _open_literal(before: str, language: Language) -> CursorKind | None:
    """The kind of a comment or string that the text before the cursor leaves open; None for none."""
    literals = language.lexis.literals(before[-_MAX_LITERAL_CHARS:])
    last = next(iter(deque(literals, maxlen=1)), None)
    if last is None or not last.is_open:
        return None
    return CursorKind.COMMENT if last.kind == "comment" else CursorKind.STRING


def _literal_kind(offset: int, tree: SyntaxTree) -> CursorKind | None:
    """The kind of a comment or string around the cursor, according to the syntax tree; None outside of them."""
    if offset == 0:
        return None
    at = tree.byte_offset(offset)
    captured = captures_around(tree, "literals", at - 1, at)
    for node in ancestors(tree.node_at(offset - 1)):
        what = captured.get(node.id)
        if what == "code":
            return None
        if what == "comment":
            return CursorKind.COMMENT if _is_in_comment(node, offset, tree) else None
        if what == "string" and node.start_byte < at < node.end_byte:
            is_docstring = tree.language is PYTHON and _is_docstring(node)
            return CursorKind.DOCSTRING if is_docstring else CursorKind.STRING
    return None


def _is_in_comment(comment: Node, offset: int, tree: SyntaxTree) -> bool:
    """Whether the cursor is in a comment: up to its line's end, or before the end of a block comment."""
    start = tree.offset(comment.start_byte)
    before = tree.text[start:offset]
    for opening, closing in tree.language.lexis.block_comments:
        if before.startswith(opening):
            return not (before.endswith(closing) and len(before) >= len(opening) + len(closing))
    return offset > start and "\n" not in before  # some grammars count the line break as well


def _is_docstring(string: Node) -> bool:
    statement = string.parent
    body = statement.parent if statement is not None and statement.type == "expression_statement" else None
    return body is not None and body.named_child(0) == statement


def _bracket_kind(bracket: str, before: str, opener: int, tree: SyntaxTree | None) -> CursorKind:
    """The kind of code within an open bracket, from the bracket, the text before it in its line, and its offset."""
    if bracket == "(" and (_DEFINITION.match(before + bracket) or _lists_parameters(opener, tree)):
        return CursorKind.PARAMETERS
    if bracket == "(" and re.search(r"[\w)\]]$", before):
        return CursorKind.CALL_ARGUMENTS
    return CursorKind.EXPRESSION


def _lists_parameters(opener: int, tree: SyntaxTree | None) -> bool:
    """Whether the parameters of a definition begin at an offset, according to the syntax tree."""
    if tree is None:
        return False
    at = tree.byte_offset(opener)
    lists = captures_around(tree, "definitions", at, at + 1)
    return any(
        lists.get(node.id) == "parameters" for node in ancestors(tree.node_at(opener)) if node.start_byte == at
    )


def _innermost_opener(
    text: str, offset: int, language: Language, tree: SyntaxTree | None
) -> tuple[str, str, int] | None:
    """The innermost open bracket, the text before it in its line, and its offset.

    From the cursor's line, else from the tree. A brace that begins a block of statements is none.
    """
    start = line_start(text, offset)
    stack: list[int] = []
    for i in range(max(start, offset - _MAX_LINE_CHARS), offset):
        if text[i] in "([{":
            stack.append(i)
        elif text[i] in ")]}" and stack:
            stack.pop()
    if stack:
        opener = stack[-1]
        if text[opener] == "{" and _begins_block(text, opener, language, tree):
            return None
        return text[opener], text[start:opener], opener
    if tree is None or start == 0:
        return None
    at = tree.byte_offset(offset)
    blocks = captures_around(tree, "blocks", at - 1, at)
    for node in ancestors(tree.node_at(offset - 1)):
        if node.id in blocks:
            return None
        first = node.child(0) if node.child_count else None
        if first is not None and first.type in {"(", "[", "{"} and node.start_byte < at:
            last = node.child(node.child_count - 1)
            if last is not None and last.type in {")", "]", "}"} and last.end_byte <= at and not last.is_missing:
                continue
            opener = tree.offset(first.start_byte)
            return text[opener], text[line_start(text, opener) : opener], opener
    return None


def _begins_block(text: str, brace: int, language: Language, tree: SyntaxTree | None) -> bool:
    """Whether a brace begins a block of statements: according to the tree, else to the text before it in its line."""
    if language.lexis.blocks is Blocks.INDENTATION:
        return False
    if tree is not None:
        at = tree.byte_offset(brace)
        blocks = captures_around(tree, "blocks", at, at + 1)
        if any(node.id in blocks for node in ancestors(tree.node_at(brace)) if node.start_byte == at):
            return True
    return bool(_BEFORE_BLOCK.search(text[line_start(text, brace) : brace]))


def _opens_block(text: str, offset: int, language: Language) -> bool:
    """Whether the code before the cursor opens a block that is still empty."""
    start = max(line_start(text, max(0, offset - 4096)), offset - _MAX_LINE_CHARS)
    *others, typed = text[start:offset].split("\n")
    if typed.strip():
        others.append(typed)
    above = next((line for line in reversed(others) if line.strip()), "")
    code = re.sub(r"\s+(#|//).*$", "", above).rstrip()
    if not code.endswith((":", "{", "=>", "->")) and not (
        language.lexis.blocks is Blocks.WORDS and language.lexis.leaves_open(above)
    ):
        return False
    below = next((line for line in text[offset : offset + 4096].split("\n")[1:] if line.strip()), "")
    return indent_of(below) <= indent_of(above)
