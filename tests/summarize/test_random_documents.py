"""Random DOCX, HTML and PDF files with known words: each that a reader sees is read, or a note says so.

`NANO_LSP_DOCUMENTS=500` makes 500 files of each format.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    Image,
    KeepTogether,
    ListFlowable,
    PageBreak,
    PageTemplate,
    Paragraph,
    Preformatted,
    Table,
)

from nano_lsp.summarize.loaders import load_document_blocks
from tests.documents import write_docx
from tests.summarize.test_docx import cell, field, paragraph, run

EXAMPLES = int(os.environ.get("NANO_LSP_DOCUMENTS", "40"))


class Words:
    """Words that occur once, and what becomes of each.

    Args:
        seed: Seed of all choices.
        starts: What words may begin with: the scripts that the format's fonts have.
    """

    def __init__(self, seed: int, starts: Sequence[str] = ("", "É", "語", "हि")) -> None:
        self.source = random.Random(seed)  # noqa: S311 - repeatable, no secret
        self.starts = starts
        self.seen: set[str] = set()
        self.hidden: set[str] = set()
        self.told: dict[str, str] = {}  # words that are not read, by the note that says so
        self._n = 0

    def _new(self) -> str:
        self._n += 1
        letters = "".join(self.source.choice("bdfgklmnprst") + self.source.choice("aeiou") for _ in range(3))
        return self.source.choice(self.starts) + letters + str(self._n) + "x"

    def show(self) -> str:
        self.seen.add(word := self._new())
        return word

    def hide(self) -> str:
        self.hidden.add(word := self._new())
        return word

    def tell(self, kind: str) -> str:
        self.told[word := self._new()] = kind
        return word

    def pick(self, *ways: Callable[[], str]) -> str:
        return self.source.choice(ways)()

    def some(self, way: Callable[[], str], most: int = 3) -> Iterator[str]:
        return (way() for _ in range(self.source.randint(1, most)))


def docx_inline(w: Words, depth: int = 2) -> str:
    def box() -> str:
        content = f"<w:txbxContent>{docx_block(w, depth - 1)}</w:txbxContent>"
        old = f"<mc:Fallback><w:pict><v:textbox>{content}</v:textbox></w:pict></mc:Fallback>"
        new = f"<w:drawing><wps:txbx>{content}</wps:txbx></w:drawing>"
        both = f'<mc:AlternateContent><mc:Choice Requires="wps">{new}</mc:Choice>{old}</mc:AlternateContent>'
        return f"<w:r>{w.source.choice([both, new, f'<w:pict><v:textbox>{content}</v:textbox></w:pict>'])}</w:r>"

    plain: tuple[Callable[[], str], ...] = (
        lambda: run(f" {w.show()} "),
        lambda: run(f" {w.show()}", "<w:b/>"),
        lambda: f"<w:ins>{run(f' {w.show()} ')}</w:ins>",
        lambda: f"<w:moveTo>{run(f' {w.show()} ')}</w:moveTo>",
        lambda: f"<w:del><w:r><w:delText> {w.tell('deletions')} </w:delText></w:r></w:del>",
        lambda: "<w:moveFrom>" + run(f" {w.tell('deletions')} ") + "</w:moveFrom>",
        lambda: run(f" {w.hide()} ", "<w:vanish/>"),
        lambda: run(f" {w.tell('struck_out')} ", "<w:strike/>"),
        lambda: f'<w:hyperlink r:id="x">{run(f" {w.show()} ")}</w:hyperlink>',
        lambda: f"<w:smartTag><w:smartTag>{run(f' {w.show()} ')}</w:smartTag></w:smartTag>",
        lambda: f"<w:sdt><w:sdtPr/><w:sdtContent>{run(f' {w.show()} ')}</w:sdtContent></w:sdt>",
        lambda: field(w.hide(), run(f" {w.show()} ")),
        lambda: f'<w:fldSimple w:instr="{w.hide()}">{run(f" {w.show()} ")}</w:fldSimple>',
        lambda: f"<m:oMath><m:r><m:t> {w.tell('equations')} </m:t></m:r></m:oMath>",
        lambda: "<w:r><w:tab/></w:r><w:proofErr/>",
    )
    return w.pick(*plain, *((box,) if depth > 0 else ()))


def docx_block(w: Words, depth: int = 2) -> str:
    def text() -> str:
        style = w.source.choice(["", '<w:pStyle w:val="berschrift1"/>', '<w:outlineLvl w:val="2"/>'])
        return paragraph("".join(w.some(lambda: docx_inline(w, depth))), style)

    def table() -> str:
        rows = "".join(
            "<w:tr>"
            + "".join(
                w.source.choice(["{}", "<w:sdt><w:sdtContent>{}</w:sdtContent></w:sdt>"]).format(
                    cell(w.show(), w.source.choice(["", '<w:gridSpan w:val="2"/>', "<w:vMerge/>", RESTART]))
                    if w.source.random() < 0.7
                    else f"<w:tc><w:tcPr/>{docx_block(w, depth - 1)}{paragraph('')}</w:tc>"
                )
                for _ in range(w.source.randint(1, 3))
            )
            + "</w:tr>"
            for _ in range(w.source.randint(1, 3))
        )
        return f"<w:tbl><w:tblPr/><w:tblGrid/>{rows}</w:tbl>"

    def deleted_row() -> str:
        return f"<w:tbl><w:tr><w:trPr><w:del/></w:trPr>{cell(w.tell('deletions'))}</w:tr></w:tbl>"

    def control() -> str:
        return f"<w:sdt><w:sdtPr/><w:sdtContent>{docx_block(w, depth - 1)}</w:sdtContent></w:sdt>"

    def inserted() -> str:
        return f"<w:ins>{docx_block(w, depth - 1)}</w:ins>"

    return w.pick(text, text, *((table, deleted_row, control, inserted) if depth > 0 else ()))


RESTART = '<w:vMerge w:val="restart"/>'


def html_inline(w: Words, depth: int = 2) -> str:
    return w.pick(
        lambda: f" {w.show()} ",
        lambda: f"<b>{w.show()}</b> <i>{w.show()}</b></i> ",
        lambda: f" <span hidden>{w.hide()}</span> ",
        lambda: f" <span style='display:none'>{w.hide()}</span> ",
        lambda: f" <s>{w.tell('struck_out')}</s> ",
        lambda: f" <img alt='{w.show()}'> ",
        lambda: f" <a href={w.hide()}>{w.show()}</a> ",
        lambda: f" <input value='{w.show()}'> ",
        lambda: f"<!-- {w.hide()} --> &nbsp;{w.show()}&nbsp; ",
        lambda: f"<script>var {w.hide()};</script><br>",
        lambda: f" <em class=gone>{w.tell('hidden_by_style')}</em> ",
        lambda: f" <ruby>{w.show()}<rt>{w.show()}</ruby> ",
    )


def html_block(w: Words, depth: int = 3) -> str:
    def inner() -> str:
        return "".join(w.some(lambda: html_inline(w)))

    flat = (
        lambda: f"<p>{inner()}",
        lambda: f"<p>{inner()}</p>",
        lambda: f"<h{w.source.randint(1, 6)}>{inner()}</h2>",
        lambda: f"<ul><li>{inner()}<li>{inner()}</ul>",
        lambda: f"<dl><dt>{inner()}<dd>{inner()}</dl>",
        lambda: f"<table><tr><th>{inner()}<td>{inner()}<tr><td colspan=2>{inner()}</table>",
        lambda: f"<table>{w.show()}<tr><td>{inner()}</table>",  # the parser puts it before the table
        lambda: f"<nav>{w.tell('navigation')}</nav>",
        lambda: f"<noscript>{w.tell('without_scripts')}</noscript>",
        lambda: f"<template>{w.hide()}</template>",
        lambda: f"<pre>{inner()}\n{inner()}</pre>",
        lambda: f"<select><option>{w.show()}<option>{w.show()}</select>",
        lambda: f"<textarea>{w.show()}</textarea>",
        lambda: f"{inner()}<hr>",
    )
    nested = (
        lambda: f"<div>{html_block(w, depth - 1)}{html_block(w, depth - 1)}",
        lambda: f"<section><details><summary>{inner()}</summary>{html_block(w, depth - 1)}</details></section>",
        lambda: f"<table><tr><td>{html_block(w, depth - 1)}</table>",
        lambda: f"<blockquote>{html_block(w, depth - 1)}",
    )
    return w.pick(*flat, *(nested if depth else ()))


registerFont(TTFont("Vera", "Vera.ttf"))  # comes with reportlab; embedded as a subset with glyph numbers
FONTS = ("Helvetica", "Times-Italic", "Courier", "Vera")


class Drawn(Flowable):
    """Something that is put on a page by the canvas itself."""

    def __init__(self, draw: Callable[[Canvas], object]) -> None:
        super().__init__()
        self.width, self.height, self.drawing = 100, 20, draw

    def draw(self) -> None:
        self.drawing(self.canv)


def pdf_block(w: Words) -> Flowable:
    def style() -> ParagraphStyle:
        return ParagraphStyle("any", fontName=w.source.choice(FONTS), alignment=w.source.choice([0, 1, 2, 4]))

    def words() -> str:
        return " ".join(w.some(w.show, 40))

    def rotated(canvas: Canvas) -> None:
        canvas.rotate(90)
        canvas.drawString(0, -10, w.show())

    def comment(canvas: Canvas) -> None:
        canvas.textAnnotation(w.tell("comments"), (0, 0, 20, 20))

    def form(canvas: Canvas) -> None:
        canvas.acroForm.textfield(name=w.hide(), tooltip=w.show(), value=w.show(), relative=True)

    def picture() -> Flowable:
        w.told[w.hide()] = "pictures"
        Picture.new("RGB", (4, 4)).save(data := BytesIO(), "PNG")
        return KeepTogether([Image(data, 20, 20), Paragraph(" ".join(w.show() for _ in range(25)), style())])

    blocks: tuple[Callable[[], Flowable], ...] = (
        lambda: Paragraph(words(), style()),
        lambda: Paragraph(f"<b>{words()}</b> <i>{w.show()}</i> <super>{w.show()}</super>", style()),
        lambda: Table([[w.show(), w.show(), Paragraph(words(), style())] for _ in range(3)], hAlign="LEFT"),
        lambda: ListFlowable([Paragraph(words(), style()) for _ in range(3)]),
        lambda: Preformatted(f"{w.show()}   {w.show()}\n  {w.show()}", style()),
        lambda: Drawn(rotated),
        lambda: Drawn(comment),
        lambda: Drawn(form),
        picture,
        PageBreak,
    )
    return w.source.choice(blocks)()


def check(w: Words, file: Path, at_most_once: bool) -> None:
    document = load_document_blocks(file)
    text = "\n".join(block.text for block in document.blocks) + "\n"
    text += "\n".join(dict.fromkeys(block.heading for block in document.blocks))
    found = set(re.findall(r"\w+", text)) | set(re.split(r"\s+|[()|]", text))
    told = {note.kind for note in document.notes}
    assert w.seen <= found, w.seen - found
    assert not w.hidden & found
    for word, kind in w.told.items():
        assert word not in found
        assert kind in told, kind
    if at_most_once:
        lines = [block.text for block in document.blocks]
        assert all(sum(line.count(word) for line in lines) <= 1 for word in w.seen)


RANDOM = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@RANDOM
@given(seed=st.integers(0, 1 << 40))
def test_docx(seed: int) -> None:
    w = Words(seed)
    body = "".join(w.some(lambda: docx_block(w), 6)) + paragraph(run(w.show()))
    with tempfile.TemporaryDirectory() as folder:
        write_docx(Path(folder) / "a.docx", body)
        check(w, Path(folder) / "a.docx", at_most_once="vMerge" not in body)


@RANDOM
@given(seed=st.integers(0, 1 << 40))
def test_html(seed: int) -> None:
    w = Words(seed)
    head = w.pick(
        lambda: f"<!doctype html><html><head><title>{w.show()}</title></head><body>",
        lambda: f"<title>{w.show()}</title>",
        lambda: "<html><head><meta charset=utf-8>",
        str,
    )
    body = "".join(w.some(lambda: html_block(w), 6))
    end = f"<p>{w.show()}" + w.source.choice(["", "</body></html>", "</p>\n"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.html"
        file.write_text(
            f"{head}<style>.gone {{ display: none }}</style><p>{w.show()}</p>{body}{end}", encoding="utf-8"
        )
        check(w, file, at_most_once=True)


@RANDOM
@given(seed=st.integers(0, 1 << 40))
def test_pdf(seed: int) -> None:
    w = Words(seed, ("", "É", "ß"))
    header, n_columns = w.show(), w.source.choice([1, 2])

    def draw_header(canvas: Canvas, page: BaseDocTemplate) -> None:
        canvas.drawString(40, 810, f"{header} {page.page}")

    frames = [Frame(40 + 260 * n, 40, 520 / n_columns - 10, 740) for n in range(n_columns)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.pdf"
        template = BaseDocTemplate(str(file), pageCompression=w.source.choice([0, 1]))
        template.addPageTemplates(PageTemplate("page", frames, draw_header))
        blocks = [pdf_block(w) for _ in range(w.source.randint(1, 12))]
        template.build([*blocks, Paragraph(w.show(), ParagraphStyle("last"))])
        check(w, file, at_most_once=False)
