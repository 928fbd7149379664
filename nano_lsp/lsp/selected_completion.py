"""The entry that is selected in an editor's completion list, which a suggestion has to continue (LSP 3.18).

While its list is open, an editor shows only what replaces the same range and begins with the same text as that entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lsprotocol import types

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.lsp.documents import TextDocument

_PLACEHOLDER = re.compile(r"\$(\d|\{\d)")  # LSP 3.17, "Snippet Syntax"
_LINE_BREAK = re.compile(r"[\r\n]")


@dataclass(frozen=True)
class SelectedEntry:
    """An entry of a completion list.

    Attributes:
        text: what it inserts.
        range: what it replaces, as the editor sent it.
        start: offset where that range begins, in code points.
        n_before: number of characters that it replaces before the cursor.
        n_behind: number of characters that it replaces behind the cursor.
    """

    text: str
    range: types.Range
    start: int
    n_before: int
    n_behind: int

    @property
    def has_blanks(self) -> bool:
        """Whether the user has yet to fill the entry in: snippets have several lines or placeholders."""
        return bool(_LINE_BREAK.search(self.text) or _PLACEHOLDER.search(self.text))

    def insert(self, task: CompletionInput) -> CompletionInput:
        """The task once the entry has been chosen."""
        return task.replaced(self.n_before, self.n_behind, self.text)


def from_lsp(document: TextDocument, params: types.InlineCompletionParams) -> SelectedEntry | None:
    """The selected entry; None where there is none, or it replaces something else than a place around the cursor."""
    info = params.context.selected_completion_info
    if info is None or not info.text:
        return None
    cursor = document.offset(params.position)
    start, end = document.offset(info.range.start), document.offset(info.range.end)
    if not start <= cursor <= end or _LINE_BREAK.search(document.text[start:end]):
        return None
    return SelectedEntry(info.text, info.range, start, cursor - start, end - cursor)
