"""Summaries: documents in every format, passages, evidence, citations; a model without weights has the words."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docx
import pypdf
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.assistant.checkpoint import Checkpoint
from nano_lsp.assistant.job import CountTokens
from nano_lsp.config import find_folders
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import DocumentError
from nano_lsp.settings import Settings
from nano_lsp.summarize import summary
from nano_lsp.summarize.chunking import Passage, cut_chunks, cut_passages
from nano_lsp.summarize.grounding import is_redundant, is_supported
from nano_lsp.summarize.loaders import Block, LoadedDocument, Note, load_document_blocks
from nano_lsp.summarize.pipeline import write_summary
from nano_lsp.summarize.segmentation import cut
from nano_lsp.summarize.summary import Form, Statement
from nano_lsp.tasks import Answer, Task
from nano_lsp.testing.scripted_backend import END, SPECIALS, WORDS, ScriptedBackend
from tests.documents import as_html, as_markdown, pages, write_pdf

_IM_START = 256 + SPECIALS.index("<|im_start|>")


class Copier:
    """A model that states the first sentence of some passage, cited wrongly, or now and then something untrue.

    It chooses every other statement.
    """

    def __init__(self) -> None:
        self.n_prompts = 0
        self._known: dict[tuple[int, int], bytes] = {}
        self._backend = ScriptedBackend()

    def __call__(self, history: Sequence[int]) -> int:
        start = len(history) - 1 - history[::-1].index(_IM_START) if _IM_START in history else 0
        key = (start, hash(tuple(history[:start])))
        if key not in self._known:
            self.n_prompts += 1
            said = b"".join(map(self._backend.piece, history[:start])).decode()
            self._known[key] = self._reply(said).encode()
        said_now = b"".join(map(self._backend.piece, history[start:])).partition(b"assistant\n")[2]
        rest = self._known[key][len(said_now) :]
        return self._backend.tokenize(rest.decode())[0] if rest else END

    def _reply(self, prompt: str) -> str:
        found = re.findall(r"^\[(\d+)\] (.*)", prompt, re.MULTILINE)
        if "Choose the" in prompt:
            n = int(re.findall(r"Choose the (\d+)", prompt)[0])
            return json.dumps([int(number) for number, _ in found[::2]][:n] + [1] * (n - len(found[::2][:n])))
        if self.n_prompts % 3 == 0:
            return json.dumps([{"passage": 1, "fact": "Nine purple elephants live in Reykjavik."}])
        place = self.n_prompts % len(found)
        return json.dumps([{"passage": 1, "fact": found[place][1].split(". ")[0]}])  # found where it stands


@pytest.fixture(scope="module")
def content() -> list[list[str]]:
    return pages(60, paragraphs=1)


def load(file: Path) -> list[Block]:
    return list(load_document_blocks(file).blocks)


@contextmanager
def no_parts(_total: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


def terms(text: str) -> set[str]:
    """Numbers and names, found in another way than the project does."""
    inner = re.findall(r"(?<=[a-z,;] )[A-Z]\w+|\d+", text)
    return set(inner)


def test_a_long_document_within_limits_and_with_citations_that_hold(tmp_path: Path, content: list[list[str]]) -> None:
    file = tmp_path / "report.pdf"
    write_pdf(file, content)
    texts = [pypdf.PdfReader(file).pages[i].extract_text().replace("\n", " ") for i in range(60)]
    document = load_document_blocks(file)
    backend = ScriptedBackend(script=(model := Copier()), n_ctx=16_384, n_batch=512)
    with LocalAssistant(LoadedModel(backend), Settings(), find_folders()) as assistant:
        progress = Checkpoint(tmp_path / "progress.jsonl")
        found = write_summary(assistant.run, document, 6, progress, no_parts)
        statements, dropped = found.statements, found.n_unsupported
        n_prompts = model.n_prompts
        assert max(backend.batches) <= 512
        assert len(statements) == 6
        assert dropped == model.n_prompts // 3  # what is untrue
        for statement in statements:
            page = int(re.fullmatch(r"p\. (\d+)", statement.passage.place)[1])  # type: ignore[index]
            assert terms(statement.text) <= set(re.findall(r"\w+", texts[page - 1])), statement
            assert "elephants" not in statement.text
        assert len({statement.passage.place for statement in statements}) > 4  # from all over
        # Stopped in the middle of a step, it goes on there and comes to the same.
        lines = (tmp_path / "progress.jsonl").read_text().strip().split("\n")
        (tmp_path / "progress.jsonl").write_text("\n".join([*lines[:5], lines[5][:30]]))
        again = write_summary(assistant.run, document, 6, Checkpoint(tmp_path / "progress.jsonl"), no_parts)
        assert again == found
        assert len(lines) == n_prompts


def test_every_format_is_read_with_its_places(tmp_path: Path, content: list[list[str]]) -> None:
    few = content[:3]
    (tmp_path / "a.md").write_text(as_markdown(few))
    (tmp_path / "a.txt").write_text("\n\n".join(paragraph for page in few for paragraph in page))
    (tmp_path / "a.html").write_text(as_html(few))
    write_pdf(tmp_path / "a.pdf", few)
    made = docx.Document()
    for i, page in enumerate(few, 1):
        made.add_heading(f"Chapter {i}", 2)
        for paragraph in page:
            made.add_paragraph(paragraph)
    table = made.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Total", "417"
    made.save(str(tmp_path / "a.docx"))
    words = {w for page in few for p in page for w in p.split()}
    for name in ("a.md", "a.txt", "a.html", "a.pdf", "a.docx"):
        blocks = load(tmp_path / name)
        found = {word for block in blocks for word in block.text.split()}
        assert len(found & words) > 0.9 * len(words), name
        assert "secret" not in found
        if name not in {"a.txt", "a.pdf"}:
            assert blocks[-1].heading == "Chapter 3", name
    markdown = load(tmp_path / "a.md")
    lines = (tmp_path / "a.md").read_text().splitlines()
    assert all(block.text[:50] in lines[int(block.place.removeprefix("line ")) - 1] for block in markdown)
    assert [block.place for block in load(tmp_path / "a.pdf")] == ["p. 1", "p. 2", "p. 3"]
    assert load(tmp_path / "a.docx")[-1] == Block("Total | 417", "paragraph 7", "Chapter 3")


def test_markdown_and_html_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("Intro\n=====\nFirst.\n\n```\n# no heading\n\ncode\n```\n\n### Last ###\n- one\n- two\n")
    assert load(file) == [
        Block("First.", "line 3", "Intro"),
        Block("# no heading code", "line 5", "Intro"),
        Block("one", "line 12", "Last"),
        Block("two", "line 13", "Last"),
    ]
    page = tmp_path / "a.html"
    page.write_text("<body>loose <b>text</b>\n<p>One<br>Two&nbsp;&lt;3<ul><li>item</ul><h1>T</h1><td>cell")
    assert [block.text for block in load(page)] == ["loose text", "One", "Two <3", "item", "cell"]


def test_documents_that_cannot_be_read(tmp_path: Path) -> None:
    def refuse(name: str, data: bytes, *words: str) -> None:
        file = tmp_path / name
        file.write_bytes(data)
        with pytest.raises(DocumentError) as refused:
            load(file)
        for word in words:
            assert word in str(refused.value)
        assert refused.value.remedy

    write_pdf(tmp_path / "good.pdf", [["Hello world."]])
    good = (tmp_path / "good.pdf").read_bytes()
    writer = pypdf.PdfWriter(tmp_path / "good.pdf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer.encrypt("secret", algorithm="RC4-128")
        writer.write(tmp_path / "encrypted.pdf")
    write_pdf(tmp_path / "scan.pdf", [[]])
    refuse("a.txt", b"", "no text")
    refuse("b.txt", b"\0\1\2", "binary")
    refuse("c.txt", "Привет, мир".encode("cp1251"), "encoding is unknown", "iconv")
    refuse("d.txt", b"x" * (9 << 20), "larger than 8 MB")
    refuse("e.pdf", b"", "empty")
    refuse("f.pdf", b"hello", "not a PDF file")
    refuse("g.pdf", good[: len(good) // 2], "cannot be read as PDF")
    refuse("h.pdf", (tmp_path / "encrypted.pdf").read_bytes(), "encrypted", "qpdf --decrypt")
    refuse("i.pdf", (tmp_path / "scan.pdf").read_bytes(), "no text", "OCR")
    refuse("j.docx", b"PK nothing", "cannot be read as DOCX")
    refuse("k.docx", b"\xd0\xcf\x11\xe0", "not a DOCX file", "password")
    refuse("l.html", b"<html><script>x</script></html>", "no text")
    refuse("o.txt", rb"{\rtf1 Hello}", "RTF", "soffice")
    refuse("p.doc", b"\xd0\xcf\x11\xe0", "DOC file", "soffice")
    for name, entry, word in (("q.docx", "xl/workbook.xml", "XLSX"), ("r.odt", "content.xml", "ODT")):
        with zipfile.ZipFile(tmp_path / name, "w") as packed:
            packed.writestr(entry, "")
        refuse(name, (tmp_path / name).read_bytes(), word, "soffice")
    with (tmp_path / "m.pdf").open("wb") as stream:
        stream.write(b"%PDF-1.4")
        stream.truncate(100 << 20)
    with pytest.raises(DocumentError, match="larger than 64 MB"):
        load(tmp_path / "m.pdf")
    with zipfile.ZipFile(tmp_path / "n.docx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("word/document.xml", b" " * (65 << 20))
    with pytest.raises(DocumentError, match="larger than 64 MB"):
        load(tmp_path / "n.docx")
    with pytest.raises(DocumentError, match="cannot be read"):
        load(tmp_path / "none.docx")


@settings(max_examples=50)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=3000), max_size=8), limit=st.integers(130, 900))
def test_chunks_hold_every_passage_once_and_keep_to_the_limit(texts: list[str], limit: int) -> None:
    blocks = [
        Block(" ".join(text.split()), f"line {i}", f"h{i // 3}") for i, text in enumerate(texts) if text.strip()
    ]
    passages = cut_passages(blocks)
    assert "".join("".join(p.text.split()) for p in passages) == "".join("".join(b.text.split()) for b in blocks)
    chunks = cut_chunks(passages, lambda text: len(text) // 4 + 1, limit)
    assert [passage for chunk in chunks for passage in chunk] == passages
    for chunk in chunks:
        assert sum(len(p.text) // 4 + 9 for p in chunk) <= max(limit, 240)


@pytest.mark.parametrize(
    ("sentence", "ends"),
    [
        ("यह बैठक दिल्ली में हुई और समिति ने बजट को मंज़ूरी दी। ", "।"),
        ("会議は五月に延期され、新しい予算が承認されました。", "。"),
        ("会议推迟到五月，新的预算获得批准。", "。"),
        ("تم تأجيل الاجتماع إلى شهر مايو؟ ", "؟"),
        ("การประชุมถูกเลื่อนออกไปเป็นเดือนพฤษภาคม ", ""),
        ("Η συνεδρίαση αναβλήθηκε για τον Μάιο; ", ";"),
    ],
)
def test_passages_end_with_sentences_in_any_script(sentence: str, ends: str) -> None:
    passages = cut_passages([Block((sentence * 90).strip(), "line 1")])
    assert len(passages) > 1
    for passage in passages:
        assert len(passage.text) <= 900
        assert passage.text.endswith(ends)
        assert not passage.text[0].isspace()
        if not ends:
            assert all(part == sentence.strip() for part in passage.text.split())


@given(text=st.text(max_size=400), n=st.integers(1, 50))
def test_no_character_of_a_reader_is_cut(text: str, n: int) -> None:
    pieces = cut(text, n)
    assert "".join(pieces) == text
    seen = {found.end() for found in regex.finditer(r"\X", text)} | {0}
    ends = [sum(map(len, pieces[:i])) for i in range(len(pieces) + 1)]
    assert set(ends) <= seen


PASSAGE = "Dr Hamid said that 12,500 meters were installed in Aldmoor's old quarter in 2019 for 3.5 million euros."


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ("In 2019, 12500 meters were installed in Aldmoor.", True),
        ("Installing meters in the old quarter took 3.5 million euros.", True),
        ("In 2018, 12500 meters were installed in Aldmoor.", False),
        ("In 2019, 12500 meters were installed in Brixen.", False),
        ("Dr Yamada installed meters.", False),
        ("The weather was cold and rainy throughout spring.", False),
        ("It is so.", False),
        ("", False),
    ],
)
def test_what_a_passage_bears_out(statement: str, holds: bool) -> None:
    assert is_supported(PASSAGE, statement) == holds


@pytest.mark.parametrize(
    ("passage", "statement", "holds"),
    [
        ("यह बैठक दिल्ली में हुई और समिति ने 500 करोड़ का बजट मंज़ूर किया।", "समिति ने ५०० करोड़ का बजट मंज़ूर किया।", True),
        ("यह बैठक दिल्ली में हुई और समिति ने 500 करोड़ का बजट मंज़ूर किया।", "समिति ने 600 करोड़ का बजट मंज़ूर किया।", False),
        ("यह बैठक दिल्ली में हुई।", "मुंबई की सड़कों पर भारी बारिश से यातायात रुका।", False),
        ("会議は5月に延期され、新しい予算が承認されました。", "新しい予算が承認された。", True),
        ("会議は5月に延期され、新しい予算が承認されました。", "会議は6月に延期された。", False),
        ("会議は5月に延期され、新しい予算が承認されました。", "工場で火災が発生した。", False),
        ("การประชุมถูกเลื่อนออกไปเป็นเดือนพฤษภาคม", "การประชุมถูกเลื่อนเป็นเดือนพฤษภาคม", True),
        ("การประชุมถูกเลื่อนออกไปเป็นเดือนพฤษภาคม", "โรงงานแห่งใหม่เปิดทำการแล้ว", False),
        ("تم تأجيل الاجتماع إلى شهر مايو بسبب العاصفة", "أُجِّل الاجتماع إلى شهر مايو بسبب عاصفة", True),
        ("تم تأجيل الاجتماع إلى شهر مايو", "افتتح المصنع الجديد في المدينة", False),
        ("新的预算获得批准，会议推迟到五月。", "会议推迟到五月。", True),
        ("새 예산이 서울에서 승인되었고 회의는 연기되었다.", "서울에서 새 예산은 승인되었다.", True),
        ("The sum is 1,25,000 rupees.", "The sum is 125000 rupees.", True),
    ],
)
def test_what_a_passage_bears_out_in_any_script(passage: str, statement: str, holds: bool) -> None:
    assert is_supported(passage, statement) == holds


def test_a_summary_in_hindi_and_what_it_cannot_judge() -> None:
    text = "यह बैठक दिल्ली में हुई और समिति ने बजट को मंज़ूरी दी।"
    said = Answer([{"passage": 1, "fact": text.rstrip("।")}])

    def run(job: object) -> object:
        return tuple(map(len, job.texts)) if isinstance(job, CountTokens) else said if isinstance(job, Task) else 8192

    document = LoadedDocument((Block(text, "line 1"),), (Note("pictures", "1 picture was not read.", ("line 2",)),))
    found = write_summary(run, document, 5, Checkpoint(None), no_parts)
    assert [statement.text for statement in found.statements] == [text]
    assert [note.kind for note in found.notes] == ["pictures", "script"]
    assert "Devanagari" in found.notes[1].text


def test_parts_with_nothing_stated_are_told() -> None:
    texts = [f"Number {i} of the things was bought in Aldmoor. " * 12 for i in range(2)]

    def run(job: object) -> object:
        if isinstance(job, CountTokens):
            return tuple(2000 for _ in job.texts)
        if isinstance(job, Task):
            first = "Number 0" in job.data
            return Answer(
                [{"passage": 1, "fact": "Number 0 of the things was bought." if first else "It rains in Rome."}]
            )
        return 8192

    blocks = tuple(Block(text.strip(), f"line {i}") for i, text in enumerate(texts, 1))
    found = write_summary(run, LoadedDocument(blocks), 5, Checkpoint(None), no_parts)
    assert [(note.kind, note.places) for note in found.notes] == [("parts_without_statements", ("line 2",))]


def test_statements_that_say_the_same() -> None:
    assert is_redundant("Meters were installed in Aldmoor.", "In 2019 meters were installed in Aldmoor.")
    assert not is_redundant("In 2020 meters were installed in Aldmoor.", "In 2019 meters were installed in Aldmoor.")
    one, two = (Statement(text, Passage(text, "p. 1")) for text in ("Meters cost 5 euros.", "Filters cost 9 euros."))
    assert summary.deduplicate([one, two, one]) == [one, two]


def test_a_choice_fills_up_and_keeps_the_order() -> None:
    statements = [Statement(f"Fact {i}.", Passage("x", "p. 1")) for i in range(100)]
    groups = summary.split_into_groups(statements, 12)
    assert sum(share for _, share in groups) == 12
    assert [s for group, _ in groups for s in group] == statements
    chosen = summary.read_choice([7, 7, 3, 3], statements[:10], 4)
    assert len(chosen) == 4
    assert {statements[6], statements[2]} <= set(chosen)
    assert chosen == sorted(chosen, key=statements.index)


def test_forms() -> None:
    statements = [
        Statement("One.", Passage("x", "p. 1", "A")),
        Statement("Two.", Passage("y", "p. 2", "A")),
        Statement("Three.", Passage("z", "line 9")),
    ]
    assert summary.render(statements, Form.BULLETS) == "- One. [p. 1, A]\n- Two. [p. 2, A]\n- Three. [line 9]\n"
    assert summary.render(statements, Form.PROSE) == "One. [p. 1, A] Two. [p. 2, A] Three. [line 9]\n"
    assert summary.render(statements, Form.OUTLINE) == (
        "## A\n\n- One. [p. 1]\n- Two. [p. 2]\n\n## Without a heading\n\n- Three. [line 9]\n"
    )


def test_progress_is_the_users_alone_and_goes_away(tmp_path: Path) -> None:
    progress = Checkpoint(tmp_path / "a" / "p.jsonl")
    progress.add("facts 0", [1])
    assert (tmp_path / "a" / "p.jsonl").stat().st_mode & 0o077 == 0
    assert Checkpoint(tmp_path / "a" / "p.jsonl").get("facts 0") == [1]
    progress.forget()
    assert not list((tmp_path / "a").iterdir())
    with (tmp_path / "a" / "killed.jsonl").open("w") as stream:
        stream.write('["facts 0", [1]]\n["facts 1", [2')  # by a process that was killed
    Checkpoint(tmp_path / "a" / "killed.jsonl").add("facts 2", [3])
    resumed = Checkpoint(tmp_path / "a" / "killed.jsonl")
    assert ("facts 0" in resumed, "facts 1" in resumed, resumed.get("facts 2")) == (True, False, [3])
    nowhere = Checkpoint(None)
    nowhere.add("facts 0", [2])
    assert nowhere.get("facts 0") == [2]
    nowhere.forget()
    assert WORDS
