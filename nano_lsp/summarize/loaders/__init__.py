"""Documents to summarize: text, Markdown, CSV, HTML, PDF, DOCX as paragraphs, and an account of what was not read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders.blocks import Block, LoadedDocument, Note
from nano_lsp.summarize.loaders.files import kind_of, refuse

__all__ = ["Block", "LoadedDocument", "Note", "load_document_blocks"]


def load_document_blocks(path: Path) -> LoadedDocument:
    """The paragraphs of a document in order, and notes on what was not read.

    Args:
        path: The file. Its first bytes say what it is, otherwise its suffix; plain text is the rest.

    Raises:
        DocumentError: it cannot be read, needs a password, is of a format that is not read, or has no text.
    """
    kind = kind_of(path)
    refuse(path, kind)
    document = _loader(kind)(path)
    if not document.blocks:
        told = " ".join(note.text for note in document.notes)
        raise DocumentError(
            f"{path} has no text.{' ' * bool(told)}{told}",
            "" if "ocrmypdf" in told else "If it is a scan, run OCR on it first, for instance with ocrmypdf.",
        )
    return document


def _loader(kind: str) -> Callable[[Path], LoadedDocument]:
    """The function that reads a format; its parser is imported only where it is needed."""
    if kind == "pdf":
        from nano_lsp.summarize.loaders.pdf import load_pdf  # noqa: PLC0415

        return load_pdf
    if kind in {"docx", "docm", "dotx", "dotm"}:
        from nano_lsp.summarize.loaders.docx import load_docx  # noqa: PLC0415

        return load_docx
    if kind in {"html", "htm", "xhtml"}:
        from nano_lsp.summarize.loaders.html import load_html  # noqa: PLC0415

        return load_html
    from nano_lsp.summarize.loaders.text import load_markdown, load_table, load_text  # noqa: PLC0415

    return {"md": load_markdown, "markdown": load_markdown, "csv": load_table, "tsv": load_table}.get(kind, load_text)
