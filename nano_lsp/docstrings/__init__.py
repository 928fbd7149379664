"""Writes and updates docstrings: the model supplies the wording, the code determines what is described.

`literal` maps a docstring's value to its source, `sections` parses an existing docstring, `layout` lays out new
entries, `revision` finds missing and obsolete entries, `template` combines both, `placing` makes the edit, `check`
verifies it, `writer` queries the model, `project` handles whole files.
"""

from nano_lsp.docstrings.layout import Style
from nano_lsp.docstrings.writer import Docstring, DocstringWriter, WriteDocstrings, is_outdated

__all__ = ["Docstring", "DocstringWriter", "Style", "WriteDocstrings", "is_outdated"]
