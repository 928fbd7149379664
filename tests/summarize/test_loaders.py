"""HTML and PDF files as others make them: what a reader sees is read, or a note names it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pypdf
import pytest
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NullObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders import LoadedDocument, blocks, load_document_blocks
from tests.documents import write_pdf


def load(file: Path, content: str | bytes) -> LoadedDocument:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_document_blocks(file)


@pytest.mark.parametrize(
    ("page", "expected", "told"),
    [
        ("<title>T</title><p>One", ["One"], []),
        ("<html><head><title>T</title><body><p>One", ["One"], []),
        ("<nav><a>Home</a></nav><p>One", ["One"], ["navigation"]),
        ("<ul><li>one<li>two</ul><dl><dt>a<dd>b</dl>", ["one", "two", "a", "b"], []),
        ("<p hidden>no<p>yes<div style='color:red; display : none'>no</div>", ["yes"], []),
        (
            "<p>yes</p><template><p>no</p></template><dialog>no</dialog><dialog open>shown</dialog>",
            ["yes", "shown"],
            [],
        ),
        (
            "<style>.x, #y{display:none} @media print{p{display:none}}</style><p class=x>no<p>yes",
            ["yes"],
            ["hidden_by_style"],
        ),
        ("<p>One</p><noscript>Enable scripts</noscript>", ["One"], ["without_scripts"]),
        ("<details><summary>More</summary>inside</details>", ["More", "inside"], []),
        ("<p>caf&eacute; &amp; co&shy;op &#8364;5", ["café & coop €5"], []),
        ("<p>漢<ruby>字<rp>(</rp><rt>ji</rt><rp>)</rp></ruby>", ["漢字(ji)"], []),
        ("<table><tr><th>Oslo<td>5<td>5<td>7<tr><td colspan=4>wide</table>", ["Oslo | 5 | 5 | 7", "wide"], []),
        ("<table><tr><td><h2>H</h2><p>laid out</p></table>", ["laid out"], []),
        ("<p>A <img src=x alt='cat'> and <img src=y>", ["A (cat) and"], ["pictures"]),
        ("<p>Was <s>20</s> <ins>15</ins>", ["Was 15"], ["struck_out"]),
        ("<input value=val><input type=hidden value=no><textarea>ar</textarea>", ["val ar"], []),
        ("<select><option>a<option>b</select><button>Go</button>", ["a", "b", "Go"], []),
        ("<iframe src=x></iframe><video></video><p>One", ["One"], ["embedded", "frames"]),
        ("<svg><title>no</title><text>shown</text></svg>", ["shown"], []),
        ("<math><mi>x</mi><annotation>no</annotation></math>", ["x"], []),
        ("<!-- no --><p>One<!-- no --> two<![CDATA[x]]>", ["One two"], []),
        ("<div>" * 3000 + "deep", ["deep"], []),
        ("<plaintext><p>one", ["<p>one"], []),
        ("loose <b>text</b>\n<p>One<br>Two", ["loose text", "One", "Two"], []),
        ("<p hidden=until-found>found<p popover>no<p>yes", ["found", "yes"], []),
        ("<a-b><template shadowrootmode=open><p>shown</template></a-b>", ["shown"], []),
        ("<style media=print>p{display:none}</style><style>body{display:none}</style><p>yes", ["yes"], []),
        ("<style><!-- .x{display:none} --></style><p class=x>no<p>yes", ["yes"], ["hidden_by_style"]),
        (
            "<style>.x{text-decoration: line-through}</style><p><b class=x>900</b>"
            " <b style='text-decoration-line:line-through'>800</b> 700",
            ["700"],
            ["struck_out"],
        ),
        ("<ol start=3><li><p>three</p>more<li value=7>seven</ol>", ["3. three", "more", "7. seven"], []),
        ("<ol reversed type=1><li>two<ul><li>in</ul><li>one</ol>", ["2. two", "in", "1. one"], []),
        ("<ol type=i><li>one</ol><ol style='list-style:none'><li>two</ol>", ["one", "two"], ["list_numbers"]),
        (
            "<table><tr><td rowspan=2>Oslo<td>May<td rowspan=0>x<tr><td>June<tr><td colspan=2>wide</table>",
            ["Oslo | May | x", "Oslo | June | x", "wide | x"],
            [],
        ),
        (
            "<table><tr><td rowspan=' 2px'>two<td rowspan=99999999>all<td colspan=99999999 rowspan=-1>once"
            "<tr><td>2<tr><td>3</table>",
            ["two | all | once", "two | all | 2", "3 | all"],
            [],
        ),
        ("<select><optgroup label=Fruit><option label=Apple>a<option>b</select>", ["Fruit", "Apple", "b"], []),
        (
            "<input placeholder=Name><textarea placeholder=Why></textarea><input type=image alt=Go>",
            ["Name Why Go"],
            [],
        ),
        ("<svg><text>one<tspan dy=9>two</tspan></text><text>three</text></svg>", ["one two three"], []),
        ("<meter>3 of 10</meter><progress>5 %</progress><marquee>moving</marquee>", ["3 of 10 5 %", "moving"], []),
        (
            "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><head><title/><script src='x'/></head>"
            "<body><div class='a>b'/><p><![CDATA[x < y & z]]><br/>end</p></body></html>",
            ["x < y & z", "end"],
            [],
        ),
    ],
)
def test_what_a_reader_sees_of_html(tmp_path: Path, page: str, expected: list[str], told: list[str]) -> None:
    document = load(tmp_path / "a.html", page)
    assert [block.text for block in document.blocks] == expected
    assert sorted(note.kind for note in document.notes) == told


@pytest.mark.parametrize("name", ["a.html", "a.md"])
def test_a_small_page_does_not_become_a_large_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(blocks, "_MAX_REPEATED", 1000)
    rows = "".join(f"<tr><td>{i}" for i in range(50))
    page = f"<table><tr><td rowspan=0>{'x' * 300}<td>first{rows}</table>\n\ntext\n\n"
    document = load(tmp_path / name, 3 * page)
    assert sum(block.text.count("x" * 300) for block in document.blocks) == 6  # three repetitions in all
    assert sum("49" in block.text for block in document.blocks) == 3
    (note,) = document.notes
    assert "repetitions of cells that span several rows were left out" in note.text or "1 repetition" in note.text


@pytest.mark.parametrize(
    "content",
    [
        '<meta charset="shift_jis"><p>会議は五月'.encode("shift_jis"),
        "<p>会議は五月".encode(),
        "\ufeff<p>会議は五月".encode("utf-16-le"),
        '<?xml version="1.0" encoding="euc-jp"?><html><p>会議は五月</p></html>'.encode("euc-jp"),
        '<meta charset="x-sjis"><p>会議は五月'.encode("cp932"),
        '<meta charset="utf-16"><p>会議は五月'.encode(),
    ],
)
def test_the_encoding_that_a_page_declares(tmp_path: Path, content: bytes) -> None:
    document = load(tmp_path / "a.html", content)
    assert [block.text for block in document.blocks] == ["会議は五月"]
    assert not document.notes


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-1", "cp1252", "“5 €”"),
        ("gb2312", "gbk", "朱镕基"),
        ("ks_c_5601-1987", "cp949", "뷁"),
        ("iso-8859-8-i", "iso-8859-8", "שלום"),
        ("windows-874", "cp874", "สวัสดี"),
    ],
)
def test_encodings_are_what_browsers_take_their_labels_for(tmp_path: Path, label: str, codec: str, text: str) -> None:
    document = load(tmp_path / "a.html", f"<meta charset={label}><p>{text}".encode(codec))
    assert [block.text for block in document.blocks] == [text]


def test_other_encodings_of_text(tmp_path: Path) -> None:
    assert load(tmp_path / "a.txt", "Grüße".encode("utf-16")).notes == ()
    guessed = load(tmp_path / "b.txt", "Café costs 3 €.".encode("cp1252"))
    assert guessed.blocks[0].text == "Café costs 3 €."
    assert [note.kind for note in guessed.notes] == ["encoding_guessed"]


def test_some_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    text = "Größe und Preis für Äpfel und Öl. "
    document = load(tmp_path / "a.txt", text.encode() + b"\xff\x00" + text.encode())
    assert [block.text for block in document.blocks] == [f"{text}{text}".strip()]
    assert [note.kind for note in document.notes] == ["damaged_characters"]
    assert (
        load(tmp_path / "b.txt", "Hello\x00 world. " + "More text. " * 20).blocks[0].text.startswith("Hello world.")
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.eml", b"Subject: x\r\n\r\nSGVsbG8=", ("EML", "HTML")),
        ("saved", b"From: <a>\r\nX-A: b\r\n c\r\nmime-version: 1.0\r\n\r\nSGVsbG8=", ("EML", "HTML")),
        ("a.mhtml", b"<html>", ("MHTML", "browser")),
        ("a.ipynb", b"{}", ("IPYNB", "nbconvert --to markdown")),
        ("a.txt", b"\x89PNG\r\n\x1a\n", ("PNG", "tesseract")),
        ("scan.TIFF", b"", ("TIFF", "tesseract")),
        ("a.pages", b"PK\x03\x04", ("PAGES", "Export")),
        ("noname", b"PK\x03\x04", ("ZIP", "Unpack")),
        ("a.xml", b'<?xml version="1.0"?>\r\n<?mso-application progid="Word.Document"?>', ("DOC", "soffice")),
        ("a.xml", b"<office:document xmlns:office='x'>", ("FODT", "soffice")),
        ("a.ott", b"PK\x03\x04", ("OTT", "soffice --headless --convert-to docx")),
        ("a.xlsm", b"PK\x03\x04", ("XLSM", "convert-to csv")),
        ("a.ps", b"%!PS-Adobe-3.0", ("PS", "ps2pdf")),
        ("a.bin", b"\0" * 99, ("binary", "Give a document")),
        ("a.bin", "Hello".encode("utf-16-le"), ("UTF-16", "iconv")),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path: Path, name: str, content: bytes, words: tuple[str, ...]) -> None:
    with pytest.raises(DocumentError) as refused:
        load(tmp_path / name, content)
    for word in words:
        assert word in f"{refused.value} {refused.value.remedy}"


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes with names")
def test_a_pipe_is_refused_as_its_beginning_would_be_lost(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(DocumentError, match="not a regular file"):
        load_document_blocks(tmp_path / "a.txt")


def test_pages_are_told_by_their_beginning(tmp_path: Path) -> None:
    for name in ("page", "page.aspx", "page.xht", "page.docx"):
        document = load(tmp_path / name, "\n<!-- saved -->\n<!DOCTYPE HTML><p>One<script>no</script>")
        assert [block.text for block in document.blocks] == ["One"]


@pytest.mark.parametrize(
    ("text", "expected", "told"),
    [
        ("Was <s>20</s> <del>18</del> 15<br>euros <!-- no -->", ["Was 15 euros"], ["struck_out"]),
        ("A <img src=x alt=cat> and <b>bold</b> *text*", ["A (cat) and bold text"], ["pictures"]),
        ("<p align=center><img src=x alt=Logo></p>\n\nText", ["(Logo)", "Text"], ["pictures"]),
        ("3. three\n3. four\n   - in\n\n- x", ["3. three", "4. four", "in", "x"], []),
        ("".join(f"{'  ' * i}- word{i}\n" for i in range(40)), [f"word{i}" for i in range(40)], []),
        ("Said.[^1]\n\n[^1]: Ibid.\n", ["Said.^1", "[^1]: Ibid."], []),
    ],
)
def test_what_a_reader_sees_of_markdown(tmp_path: Path, text: str, expected: list[str], told: list[str]) -> None:
    document = load(tmp_path / "a.md", text)
    assert [block.text for block in document.blocks] == expected
    assert sorted(note.kind for note in document.notes) == told


def test_markdown_that_is_nested_too_deeply_is_told(tmp_path: Path) -> None:
    for text in ("".join(f"{'  ' * i}- word{i}\n" for i in range(70)), "one\n" + ">" * 300 + " deep"):
        assert [note.kind for note in load(tmp_path / "a.md", text).notes] == ["nested_too_deeply"]


def test_rows_of_any_length(tmp_path: Path) -> None:
    table = load(tmp_path / "a.csv", 'a,b\n1\n1,2,3\n"x\ny","say ""z"""\n')
    assert [(b.text, b.place) for b in table.blocks] == [
        ("a | b", "line 1"),
        ("1", "line 2"),
        ("1 | 2 | 3", "line 3"),
        ('x y | say "z"', "line 4"),
    ]
    assert load(tmp_path / "b.csv", "a;b\n1,5;2\n").blocks[1].text == "1,5 | 2"
    assert load(tmp_path / "c.csv", f"a,{'word ' * 40_000}").blocks[0].text.count("word") == 40_000


def make_pdf(path: Path, content: Sequence[Sequence[str]], scanned: Sequence[int] = ()) -> pypdf.PdfWriter:
    """Pages of text; those that are scanned, by number, show a picture."""
    write_pdf(path, content)
    writer = pypdf.PdfWriter(path)
    picture = pypdf.generic.StreamObject()
    picture.set_data(b"\x00")
    sizes = {"/Width": 1, "/Height": 1, "/BitsPerComponent": 8}
    picture.update({NameObject(name): NumberObject(value) for name, value in sizes.items()})
    names = {"/Type": "/XObject", "/Subtype": "/Image", "/ColorSpace": "/DeviceGray"}
    picture.update({NameObject(name): NameObject(value) for name, value in names.items()})
    reference = writer._add_object(picture)
    for number in scanned:
        page = writer.pages[number - 1]
        page["/Resources"][NameObject("/XObject")] = DictionaryObject({NameObject("/I"): reference})  # type: ignore[index]
        drawn = page.get_contents()
        assert drawn is not None
        drawn.set_data(drawn.get_data() + b" q 500 0 0 700 0 0 cm /I Do Q")
        page.replace_contents(drawn)
    return writer


def test_pages_that_are_scans_are_told_by_number(tmp_path: Path) -> None:
    pages = [["A first page of text."], ["2"], ["- 3 -"], ["Page 4 of 6"], [], ["The last page of text."]]
    make_pdf(tmp_path / "a.pdf", pages, [2, 3, 4, 5]).write(tmp_path / "b.pdf")
    document = load_document_blocks(tmp_path / "b.pdf")
    assert [block.place for block in document.blocks] == ["p. 1", "p. 6"]
    (note,) = document.notes
    assert (note.kind, note.places) == ("pages_without_text", ("p. 2", "p. 3", "p. 4", "p. 5"))
    assert "p. 2-5" in note.text
    assert "ocrmypdf" in note.text


def test_a_document_of_page_numbers_or_stamps_is_a_scan(tmp_path: Path) -> None:
    for content in ([["1"], ["2"]], [["Scanned by Acme 1"], ["Scanned by Acme 2"]]):
        make_pdf(tmp_path / "a.pdf", content, [1, 2]).write(tmp_path / "b.pdf")
        with pytest.raises(DocumentError, match=r"no text.*OCR"):
            load_document_blocks(tmp_path / "b.pdf")


def test_an_empty_user_password(tmp_path: Path) -> None:
    for algorithm in ("RC4-128", "AES-128", "AES-256"):
        writer = make_pdf(tmp_path / "a.pdf", [["Hello world."]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # RC4 is old
            writer.encrypt("", "owner", algorithm=algorithm)
            writer.write(tmp_path / "b.pdf")
        assert [block.text for block in load_document_blocks(tmp_path / "b.pdf").blocks] == ["Hello world."]


def test_forms_and_annotations(tmp_path: Path) -> None:
    writer = make_pdf(tmp_path / "a.pdf", [["A form."]])

    def annotate(kind: str, **more: str) -> DictionaryObject:
        texts = {NameObject(f"/{name}"): TextStringObject(text) for name, text in more.items()}
        box = ArrayObject([FloatObject(0)] * 4)
        return DictionaryObject({NameObject("/Subtype"): NameObject(kind), NameObject("/Rect"): box, **texts})

    secret = annotate("/Widget", T="pin", V="1234")
    secret[NameObject("/Ff")] = NumberObject(1 << 13)
    notes = [
        annotate("/Widget", T="name", V="Ada"),
        annotate("/FreeText", Contents="Written on it."),
        annotate("/Text", Contents="A comment."),
        secret,
    ]
    writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(note) for note in notes])
    writer.write(tmp_path / "b.pdf")
    document = load_document_blocks(tmp_path / "b.pdf")
    assert [block.text for block in document.blocks] == ["A form.", "name: Ada", "Written on it."]
    assert [note.kind for note in document.notes] == ["comments"]


def name_entries(entries: Mapping[str, Any]) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{name}"): value for name, value in entries.items()})


def stream(data: bytes, **entries: Any) -> StreamObject:  # noqa: ANN401
    made = StreamObject()
    made.update(name_entries(entries))
    made.set_data(data)
    return made


def test_values_and_annotations_of_any_kind(tmp_path: Path) -> None:
    text, name = TextStringObject, NameObject
    choice = ArrayObject([ArrayObject([text("r"), text("Red")])])
    signature = name_entries({"Name": text("Ada"), "Contents": text("0\x82")})
    annotations: list[dict[str, Any]] = [
        {"Subtype": name("/Widget"), "FT": name("/Ch"), "T": text("color"), "V": text("r"), "Opt": choice},
        {"Subtype": name("/Widget"), "FT": name("/Tx"), "T": text("why"), "V": stream(b"It is long.")},
        {"Subtype": name("/Widget"), "FT": name("/Sig"), "T": text("signature"), "V": signature},
        {"Subtype": name("/FreeText"), "RC": text("<p>Rich</p>"), "F": text("odd")},
        {"Subtype": name("/Square"), "Contents": text("A comment.")},
        {"Subtype": name("/Link"), "Contents": text("For readers of screens.")},
        {"Subtype": name("/Stamp")},
        {"Subtype": name("/FileAttachment")},
    ]
    writer = make_pdf(tmp_path / "a.pdf", [["A form."]])
    added = [writer._add_object(name_entries(each)) for each in annotations]
    writer.pages[0][name("/Annots")] = ArrayObject([NumberObject(1), *added])
    writer.add_attachment("data.txt", b"attached")
    writer.write(tmp_path / "b.pdf")
    document = load_document_blocks(tmp_path / "b.pdf")
    said = ["color: Red", "why: It is long.", "signature: Ada", "Rich"]
    assert [block.text for block in document.blocks] == ["A form.", *said]
    notes = {note.kind: note.places for note in document.notes}
    assert notes == {"comments": ("p. 1",), "stamps": ("p. 1",), "embedded": ("p. 1", "the attachments")}


@pytest.mark.parametrize(
    ("entries", "kinds"),
    [
        ({"Contents": stream(b"no data", Filter=NameObject("/FlateDecode"))}, ["pages_without_text"]),
        ({"Contents": NumberObject(4)}, ["pages_without_text"]),
        ({"Contents": stream(b"")}, []),
        ({"Resources": NullObject(), "Annots": NullObject()}, ["pages_without_text"]),
    ],
)
def test_a_damaged_page_is_told(tmp_path: Path, entries: dict[str, Any], kinds: list[str]) -> None:
    writer = make_pdf(tmp_path / "a.pdf", [["Page one."], ["Page two."], ["Page three."]])
    for entry, value in entries.items():
        kept = writer._add_object(value) if isinstance(value, StreamObject) else value
        writer.pages[1][NameObject(f"/{entry}")] = kept
    writer.write(tmp_path / "b.pdf")
    document = load_document_blocks(tmp_path / "b.pdf")
    assert [block.text for block in document.blocks] == ["Page one.", "Page three."]
    assert [(note.kind, note.places) for note in document.notes] == [(kind, ("p. 2",)) for kind in kinds]


def test_pictures_and_characters_within_a_page_are_told(tmp_path: Path) -> None:
    writer = make_pdf(tmp_path / "a.pdf", [["Text."], ["More."]])
    for page, more in zip(
        writer.pages, (b" BI /W 1 /H 1 /BPC 8 /CS /G ID x EI", b" BT /None 9 Tf (abc) Tj ET"), strict=True
    ):
        drawn = page.get_contents()
        assert drawn is not None
        drawn.set_data(drawn.get_data() + more)
        page.replace_contents(drawn)
    writer.write(tmp_path / "b.pdf")
    notes = {note.kind: note.places for note in load_document_blocks(tmp_path / "b.pdf").notes}
    assert notes == {"pictures": ("p. 1",), "unreadable_passages": ("p. 2",)}


def test_pages_that_a_program_would_make_are_told(tmp_path: Path) -> None:
    writer = make_pdf(tmp_path / "a.pdf", [["Please wait."]])
    form = name_entries({"XFA": ArrayObject(), "Fields": ArrayObject()})
    writer.root_object.update(name_entries({"AcroForm": form, "NeedsRendering": BooleanObject(True)}))
    writer.write(tmp_path / "b.pdf")
    assert [note.kind for note in load_document_blocks(tmp_path / "b.pdf").notes] == ["dynamic_form"]


@pytest.mark.parametrize("name", ["passwords.pdf", "secrets.docx", "token.html", "passwords.txt", "notes.txt"])
def test_a_document_named_like_secrets_is_refused_in_every_format(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "notes.txt":  # what it links to counts as well
        (tmp_path / ".env").write_text("KEY=1")
        file.symlink_to(tmp_path / ".env")
    else:
        file.write_bytes(b"%PDF-1.4" if name.endswith("pdf") else b"PK\x03\x04" if name.endswith("docx") else b"KEY")
    with pytest.raises(DocumentError, match="secrets, which never go into a prompt"):
        load_document_blocks(file)
