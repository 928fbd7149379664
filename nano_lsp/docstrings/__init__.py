"""Writes and updates docstrings and documentation comments.

The model supplies the wording, the code determines what is described. For docstrings, `literal` maps the value to its
source, `sections` parses an existing one, `layout` lays out new entries, `revision` finds missing and obsolete
entries, `template` combines both, `placing` makes the edit, `check` verifies it; `comments` does the same for other
languages. `wording` queries the model, `writer` ties both together, `project` handles whole files.
"""

from nano_lsp.docstrings.layout import Style
from nano_lsp.docstrings.writer import Docstring, DocstringWriter, WriteDocstrings, is_outdated

__all__ = ["Docstring", "DocstringWriter", "Style", "WriteDocstrings", "is_outdated"]
