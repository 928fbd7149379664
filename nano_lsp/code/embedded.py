"""Code of one language within a document of another: scripts in HTML, Vue and Svelte, and cells with a cell magic."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nano_lsp.code.languages import HTML, JAVASCRIPT, PYTHON, Language, language_of

_TAG = re.compile(r"<(script|style)\b([^>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b(lang|type)\s*=\s*["']?(?:text/|application/|x-)*([\w.+-]+)""", re.IGNORECASE)
_MAGIC = re.compile(r"\s*%%[^\r\n]*(?:\r\n?|\n)")
_LANGUAGE_OF_ATTRIBUTE = {
    **dict.fromkeys(("module", "js", "jsx", "ecmascript", "babel"), "javascript"),
    **dict.fromkeys(("ts", "typescript"), "typescript"),
    **dict.fromkeys(("json", "ld+json", "importmap", "speculationrules"), "json"),
}


@dataclass(frozen=True)
class Part:
    """A part of a document that is code of one language. Offsets are in code points.

    Attributes:
        language: The language.
        start: Start of the part.
        end: End of the part.
    """

    language: Language
    start: int
    end: int

    def range_in(self, text: str) -> tuple[int, int] | None:
        """Start and end of the part, as `SyntaxTree.parse` takes them; None if it is the whole text."""
        return None if (self.start, self.end) == (0, len(text)) else (self.start, self.end)


def find_part(text: str, offset: int, language: Language) -> Part:
    """Find the part of a document that a cursor is in: the whole document where no other language is in it.

    Args:
        text: Text of the document.
        offset: Offset of the cursor, in code points.
        language: Language of the document.
    """
    whole = Part(language, 0, len(text))
    if language is HTML:
        return _find_element(text, offset) or whole
    magic = _MAGIC.match(text) if language is not PYTHON else None
    return Part(language, magic.end(), len(text)) if magic and magic.end() <= offset else whole


def _find_element(text: str, offset: int) -> Part | None:
    """The script or style element of HTML that a cursor is in; None outside of all."""
    start = max(text.rfind(f"<{name}", 0, offset) for name in ("script", "style", "SCRIPT", "STYLE"))
    tag = _TAG.match(text, start) if start >= 0 else None
    if tag is None or tag.end() > offset or tag[2].endswith("/"):
        return None
    closing = re.compile(rf"</{tag[1]}\b", re.IGNORECASE).search(text, tag.end())
    end = closing.start() if closing else len(text)
    return Part(_language_of_element(tag[1].lower(), tag[2]), tag.end(), end) if offset <= end else None


def _language_of_element(name: str, attributes: str) -> Language:
    said = _ATTRIBUTE.search(attributes)
    if said is None:
        return JAVASCRIPT if name == "script" else language_of("", "css")
    word = said[2].lower()
    return language_of("", _LANGUAGE_OF_ATTRIBUTE.get(word, word))
