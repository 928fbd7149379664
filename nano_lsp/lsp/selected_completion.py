"""The entry selected in the editor's completion list, which an inline suggestion must continue (LSP 3.18).

While the list is open, an editor shows only suggestions that replace the same range and begin with the same text.
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
    """The selected entry of a completion list.

    Attributes:
        text: Text that the entry inserts.
        range: Range that the entry replaces, as sent by the editor.
        start: Offset of the range's start, in code points.
        n_before: Number of characters that the entry replaces before the cursor.
        n_after: Number of characters that the entry replaces after the cursor.
    """

    text: str
    range: types.Range
    start: int
    n_before: int
    n_after: int

    @property
    def is_snippet(self) -> bool:
        """Whether the entry looks like a snippet: several lines, or placeholders for the user to fill in."""
        return bool(_LINE_BREAK.search(self.text) or _PLACEHOLDER.search(self.text))

    def insert(self, document: CompletionInput) -> CompletionInput:
        """The completion input after the entry has been accepted."""
        return document.replaced(self.n_before, self.n_after, self.text)


def from_lsp(document: TextDocument, params: types.InlineCompletionParams) -> SelectedEntry | None:
    """The selected entry; None where there is none, or its range is not on one line around the cursor."""
    info = params.context.selected_completion_info
    if info is None or not info.text:
        return None
    cursor = document.offset(params.position)
    start, end = document.offset(info.range.start), document.offset(info.range.end)
    if not start <= cursor <= end or _LINE_BREAK.search(document.text[start:end]):
        return None
    return SelectedEntry(info.text, info.range, start, cursor - start, end - cursor)
