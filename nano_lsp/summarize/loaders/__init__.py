"""Document loaders: text, Markdown, CSV, HTML, PDF, DOCX as paragraphs, with notes on content that was not read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders.blocks import Block, LoadedDocument, Note
from nano_lsp.summarize.loaders.files import kind_of, refuse

__all__ = ["Block", "LoadedDocument", "Note", "load_document_blocks"]


def load_document_blocks(path: Path) -> LoadedDocument:
    """Load the paragraphs of a document in order, with notes on content that was not read.

    Args:
        path: Path of the file. Its format is detected by its first bytes, then by its suffix; others are plain text.

    Raises:
        DocumentError: The file cannot be read, needs a password, is of an unsupported format, or has no text.
    """
    kind = kind_of(path)
    refuse(path, kind)
    document = _loader(kind)(path)
    if not document.blocks:
        notes = " ".join(note.text for note in document.notes)
        raise DocumentError(
            f"{path} has no text.{' ' * bool(notes)}{notes}",
            "" if "ocrmypdf" in notes else "If it is a scan, run OCR on it first, for instance with ocrmypdf.",
        )
    return document


def _loader(kind: str) -> Callable[[Path], LoadedDocument]:
    """The loader of a format; its parser is imported only when needed."""
    if kind == "pdf":
        from nano_lsp.summarize.loaders.pdf import load_pdf  # noqa: PLC0415

        return load_pdf
    if kind in {"docx", "docm", "dotx", "dotm"}:
        from nano_lsp.summarize.loaders.docx import load_docx  # noqa: PLC0415

        return load_docx
    if kind in {"html", "htm", "xhtml", "xht", "shtml"}:
        from nano_lsp.summarize.loaders.html import load_html  # noqa: PLC0415

        return load_html
    from nano_lsp.summarize.loaders.text import load_markdown, load_table, load_text  # noqa: PLC0415

    if kind in {"md", "markdown", "mkd", "mdown", "qmd", "rmd"}:
        return load_markdown
    return load_table if kind in {"csv", "tsv", "tab"} else load_text
