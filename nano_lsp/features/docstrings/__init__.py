"""Docstrings: the model finds the words, the code says what there is to describe.

`layout` is the form, `check` the proof, `writer` asks the model, `project` finds what files lack.
"""

from nano_lsp.features.docstrings.layout import Style
from nano_lsp.features.docstrings.writer import Docstring, DocstringWriter, is_outdated

__all__ = ["Docstring", "DocstringWriter", "Style", "is_outdated"]
