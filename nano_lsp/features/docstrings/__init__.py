"""Docstrings: the model finds the words, the code says what there is to describe.

`layout` is the form, `check` the proof, `writer` asks the model.
"""

from nano_lsp.features.docstrings.layout import Style
from nano_lsp.features.docstrings.writer import Docstring, DocstringWriter

__all__ = ["Docstring", "DocstringWriter", "Style"]
