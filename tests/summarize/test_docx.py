"""DOCX files as Word, Google Docs and generators write them: what a reader sees is read, or a note names it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders import LoadedDocument, blocks, load_document_blocks
from tests.documents import write_docx


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(content: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{content}</w:p>"


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(run(text))}</w:tc>"


def field(instruction: str, *result: str) -> str:
    separated = f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{"".join(result)}' if result else ""
    return (
        f'<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>{instruction}</w:instrText></w:r>{separated}'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )


BOX = f"<w:txbxContent>{paragraph(run('In the box.'))}</w:txbxContent>"


def load(folder: Path, body: str, **parts: str) -> LoadedDocument:
    write_docx(folder / "a.docx", body, parts)
    return load_document_blocks(folder / "a.docx")


def texts(document: LoadedDocument) -> list[str]:
    return [block.text for block in document.blocks]


def kinds(document: LoadedDocument) -> set[str]:
    return {note.kind for note in document.notes}


@pytest.mark.parametrize(
    ("body", "expected", "told"),
    [
        (
            paragraph(run("The rent is ") + f"<w:ins>{run('1,200 euros from May')}</w:ins>" + run("."))
            + f"<w:ins>{paragraph(run('An inserted paragraph.'))}</w:ins>",
            ["The rent is 1,200 euros from May.", "An inserted paragraph."],
            set(),
        ),
        (
            paragraph(run("It is ") + "<w:del><w:r><w:delText>not </w:delText></w:r></w:del>" + run("so.")),
            ["It is so."],
            {"deletions"},
        ),
        (
            paragraph(f"<w:moveFrom>{run('Moved.')}</w:moveFrom>")
            + paragraph(f"<w:moveTo>{run('Moved.')}</w:moveTo>"),
            ["Moved."],
            {"deletions"},
        ),
        (
            paragraph(run("Ends "), "<w:rPr><w:del/></w:rPr>") + paragraph(run("later.")),
            ["Ends later."],
            set(),
        ),
        (
            f"<w:tbl><w:tr>{cell('Oslo')}{cell('5')}{cell('5')}{cell('7')}</w:tr></w:tbl>",
            ["Oslo | 5 | 5 | 7"],
            set(),
        ),
        (
            f"<w:tbl><w:tr>{cell('', '<w:vMerge/>')}{cell('a')}</w:tr></w:tbl>"
            f"<w:tbl><w:tr>{cell('lost?', '<w:vMerge/>')}</w:tr></w:tbl>",
            ["| a", "lost?"],
            set(),
        ),
        (
            f"""<w:tbl><w:tr>{cell("Oslo", '<w:vMerge w:val="restart"/>')}{cell("May")}</w:tr>
            <w:tr>{cell("", "<w:vMerge/>")}{cell("June")}</w:tr>
            <w:tr>{cell("wide", '<w:gridSpan w:val="2"/>')}</w:tr></w:tbl>""",
            ["Oslo | May", "Oslo | June", "wide"],
            set(),
        ),
        (
            f"<w:tbl><w:tr><w:sdt><w:sdtContent>{cell('1.2.2015')}</w:sdtContent></w:sdt>{cell('1')}</w:tr></w:tbl>",
            ["1.2.2015 | 1"],
            set(),
        ),
        (
            f"<w:tbl><w:tr><w:tc>{paragraph(run('outer'))}<w:tbl><w:tr>{cell('in')}{cell('ner')}</w:tr></w:tbl></w:tc>"
            "</w:tr></w:tbl>",
            ["outer in | ner"],
            set(),
        ),
        (
            f"<w:tbl><w:tr><w:trPr><w:del/></w:trPr>{cell('gone')}</w:tr><w:tr>{cell('stays')}</w:tr></w:tbl>",
            ["stays"],
            {"deletions"},
        ),
        (
            f"<w:sdt><w:sdtContent>{paragraph(run('Within a control.'))}</w:sdtContent></w:sdt>",
            ["Within a control."],
            set(),
        ),
        (
            paragraph(
                f'<w:hyperlink r:id="x">{run("a link")}</w:hyperlink><w:smartTag>{run(" and a tag")}</w:smartTag>'
            ),
            ["a link and a tag"],
            set(),
        ),
        (paragraph(run("Page ") + field("REF x", run("seven")) + run(".")), ["Page seven."], set()),
        (paragraph(run("Page ") + field("REF x") + run(".")), ["Page ."], {"fields"}),
        (paragraph(field(f"IF {field('X', run('inner'))} = 1", run("shown"))), ["shown"], set()),
        (paragraph(f'<w:fldSimple w:instr="DATE">{run("today")}</w:fldSimple>'), ["today"], set()),
        (
            paragraph(run("E is ") + "<m:oMath><m:r><m:t>mc2</m:t></m:r></m:oMath>"),
            ["E is (equation)"],
            {"equations"},
        ),
        (
            paragraph(
                run("Anchor.") + "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wps:txbx>"
                f"{BOX}</wps:txbx></w:drawing></mc:Choice><mc:Fallback><w:pict><v:textbox>{BOX}</v:textbox></w:pict>"
                "</mc:Fallback></mc:AlternateContent></w:r>"
            ),
            ["Anchor.", "In the box."],
            set(),
        ),
        (paragraph(f"<w:r><w:pict><v:textbox>{BOX}</v:textbox></w:pict></w:r>"), ["In the box."], set()),
        (
            paragraph(run("A sketch") + "<w:r><w:drawing><wp:docPr descr='of a cat'/><a:blip/></w:drawing></w:r>"),
            ["A sketch (of a cat)"],
            {"pictures"},
        ),
        (
            paragraph(run("seen") + run("hidden", "<w:vanish/>") + run(" too", '<w:vanish w:val="0"/>')),
            ["seen too"],
            set(),
        ),
        (paragraph(run("hidden"), '<w:pStyle w:val="Hidden"/>') + paragraph(run("seen")), ["seen"], set()),
        (paragraph(run("Now ") + run("5", "<w:strike/>") + run("6")), ["Now 6"], {"struck_out"}),
        (
            paragraph('<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>' + run("done")),
            ["\ufffddone"],
            {"symbols"},
        ),
        (
            paragraph(
                run("co") + "<w:r><w:softHyphen/></w:r>" + run("op") + "<w:r><w:noBreakHyphen/></w:r>" + run("x")
            ),
            ["coop-x"],
            set(),
        ),
        (
            paragraph(f"<w:r><w:ruby><w:rt>{run('kan')}</w:rt><w:rubyBase>{run('漢')}</w:rubyBase></w:ruby></w:r>"),
            ["漢(kan)"],
            set(),
        ),
        (paragraph(run("Said.") + '<w:r><w:commentReference w:id="1"/></w:r>'), ["Said."], {"comments"}),
        (paragraph(run("Text.")) + '<w:altChunk r:id="x"/>', ["Text."], {"embedded"}),
        (paragraph(run("Text.") + '<w:subDoc r:id="x"/>'), ["Text."], {"embedded"}),
        (
            "".join(
                paragraph(f'<w:r><w:sym w:char="{code}"/></w:r>' + run("x")) for code in ("FFFFFFFF", "no", "41")
            ),
            ["\ufffdx", "\ufffdx", "Ax"],
            {"symbols"},
        ),
        (paragraph(run("First.")) + paragraph(run("Last."), "<w:rPr><w:del/></w:rPr>"), ["First.", "Last."], set()),
        (
            paragraph(run("Above "), "<w:rPr><w:del/></w:rPr>")
            + f"<w:tbl><w:tr>{cell('a')}</w:tr></w:tbl>"
            + paragraph(run("below")),
            ["Above", "a", "below"],
            set(),
        ),
        (
            paragraph(
                f"<w:r><w:pict><v:textbox>{BOX}</v:textbox></w:pict></w:r>" + run("Ends "), "<w:rPr><w:del/></w:rPr>"
            )
            + paragraph(run("later.")),
            ["In the box.", "Ends later."],
            set(),
        ),
        (
            paragraph(
                run("Sales") + '<w:r><w:drawing><wp:docPr descr="They rose."/><a:graphicData uri="http://x/chart"/>'
                "</w:drawing></w:r>"
            ),
            ["Sales (They rose.)"],
            {"charts"},
        ),
        (
            paragraph(run("A ") + '<w:r><w:pict><v:shape alt="cat"><v:imagedata/></v:shape></w:pict></w:r>'),
            ["A (cat)"],
            {"pictures"},
        ),
        (
            paragraph(
                run("In")
                + "<w:r><w:drawing><a:p><a:r><a:t>a shape</a:t></a:r></a:p><a:p><a:r><a:t>two</a:t></a:r></a:p>"
                "</w:drawing></w:r>"
            ),
            ["In a shape two"],
            set(),
        ),
        (paragraph(run("Term") + field(' XE "Term" ') + run(" and")), ["Term and"], set()),
        (
            f"<w:tbl><w:tr><w:trPr><w:hidden/></w:trPr>{cell('no')}</w:tr>"
            + "<w:tr>"
            + cell("a", '<w:gridSpan w:val="two"/>')
            + "</w:tr></w:tbl>",
            ["a"],
            set(),
        ),
        (
            paragraph(run("Text.") + '<w:r><w:drawing><a:graphicData uri="http://x/chart"/></w:drawing></w:r>'),
            ["Text."],
            {"charts"},
        ),
    ],
)
def test_what_a_reader_sees(tmp_path: Path, body: str, expected: list[str], told: set[str]) -> None:
    document = load(tmp_path, body)
    assert texts(document) == expected
    assert kinds(document) == told


def test_headings_by_style_and_by_level(tmp_path: Path) -> None:
    document = load(
        tmp_path,
        paragraph(run("One"), '<w:pStyle w:val="berschrift1"/>')
        + paragraph(run("Two"), '<w:pStyle w:val="Own"/>')
        + paragraph(run("text"))
        + paragraph(run("Three"), '<w:outlineLvl w:val="0"/>'),
    )
    assert [(block.text, block.heading) for block in document.blocks] == [
        ("One", "One"),  # nothing stands under it, so it is a paragraph
        ("text", "Two"),
        ("Three", "Three"),
    ]


def test_notes_headers_and_footers_are_read_once(tmp_path: Path) -> None:
    document = load(
        tmp_path,
        paragraph(run("Body.") + '<w:r><w:footnoteReference w:id="2"/><w:endnoteReference w:id="1"/></w:r>')
        + '<w:sectPr><w:headerReference w:type="default" r:id="header1"/>'
        '<w:headerReference w:type="first" r:id="header2"/>'
        '<w:footerReference w:type="default" r:id="footer1"/></w:sectPr>',
        footnotes=f'<w:footnote w:id="2">{paragraph(run("A footnote."))}</w:footnote>'
        f'<w:footnote w:id="3">{paragraph(run("referred to by nothing"))}</w:footnote>',
        endnotes=f'<w:endnote w:id="1">{paragraph(run("An endnote."))}</w:endnote>',
        header1=paragraph(run("Acme Ltd")),
        header2=paragraph(run("not shown")),
        footer1=paragraph(run("Draft of May")),
    )
    assert [(block.text, block.place) for block in document.blocks] == [
        ("Body.", "paragraph 1"),
        ("A footnote.", "footnote 1"),
        ("An endnote.", "endnote 1"),
        ("Acme Ltd", "page header"),
        ("Draft of May", "page footer"),
    ]


def test_a_section_inherits_the_header_of_its_first_page(tmp_path: Path) -> None:
    first = '<w:sectPr><w:headerReference w:type="first" r:id="header1"/></w:sectPr>'
    document = load(
        tmp_path,
        paragraph(run("One."), first) + paragraph(run("Two.")) + "<w:sectPr><w:titlePg/></w:sectPr>",
        header1=paragraph(run("Acme Ltd")),
    )
    assert texts(document) == ["One.", "Two.", "Acme Ltd"]


def test_numbers_by_overrides_and_numbering_styles(tmp_path: Path) -> None:
    levels = {n: f'<w:lvl w:ilvl="0"><w:numFmt w:val="{n}"/></w:lvl>' for n in ("decimal", "bullet")}
    numbering = (
        f'<w:abstractNum w:abstractNumId="0">{levels["bullet"]}</w:abstractNum>'
        f'<w:abstractNum w:abstractNumId="1">{levels["decimal"]}</w:abstractNum>'
        '<w:abstractNum w:abstractNumId="2"><w:numStyleLink w:val="Legal"/></w:abstractNum>'
        f'<w:num w:numId="1"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0">{levels["decimal"]}'
        '</w:lvlOverride></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="2"/></w:num>'
    )
    list_of_style = '<w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr>'
    style = f'<w:style w:type="numbering" w:styleId="Legal">{list_of_style}</w:style>'
    for i in (1, 2, 3):
        item = paragraph(run("item"), f'<w:numPr><w:numId w:val="{i}"/></w:numPr>')
        for body in (item, f"<w:tbl><w:tr><w:tc>{item}</w:tc></w:tr></w:tbl>"):
            assert kinds(load(tmp_path, body, numbering=numbering, styles=style)) == {"list_numbers"}


def test_automatic_numbers_are_told_and_bullets_are_not(tmp_path: Path) -> None:
    numbering = "".join(
        f'<w:abstractNum w:abstractNumId="{i}"><w:lvl w:ilvl="0"><w:numFmt w:val="{kind}"/></w:lvl></w:abstractNum>'
        for i, kind in enumerate(("decimal", "bullet"))
    ) + "".join(f'<w:num w:numId="{i + 1}"><w:abstractNumId w:val="{i}"/></w:num>' for i in range(2))
    items = [paragraph(run("item"), f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{i}"/></w:numPr>') for i in (1, 2)]
    assert kinds(load(tmp_path, items[0], numbering=numbering)) == {"list_numbers"}
    assert kinds(load(tmp_path, items[1], numbering=numbering)) == set()


def test_entities_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as packed:
        packed.writestr("word/document.xml", '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')
    with pytest.raises(DocumentError, match="document type"):
        load_document_blocks(tmp_path / "a.docx")


def test_tables_within_merged_cells_do_not_multiply_their_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_MAX_REPEATED", 1000)
    content = paragraph(run("seven chars"))
    further = f"<w:tr>{cell('', '<w:vMerge/>')}{cell('b')}</w:tr>"
    for _ in range(5):  # each of ten rows, five times within each other
        first = f"<w:tr><w:tc><w:tcPr><w:vMerge w:val='restart'/></w:tcPr>{content}</w:tc>{cell('a')}</w:tr>"
        content = f"<w:tbl>{first}{9 * further}</w:tbl>"
    document = load(tmp_path, content)
    assert 1000 < sum(map(len, texts(document))) < 4000
    assert kinds(document) == {"repetitions"}
