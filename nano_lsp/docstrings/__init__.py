"""Docstrings: the model finds the words, the code says what there is to describe.

`literal` is the docstring as Python reads it, `sections` the parser of what its author wrote, `layout` the form of
new entries, `revision` what a docstring lacks and what its code refutes, `placing` the edit, `check` the proof,
`writer` asks the model, `project` finds what files lack.
"""

from nano_lsp.docstrings.layout import Style
from nano_lsp.docstrings.writer import Docstring, DocstringWriter, WriteDocstrings, is_outdated

__all__ = ["Docstring", "DocstringWriter", "Style", "WriteDocstrings", "is_outdated"]
