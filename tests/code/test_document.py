"""Reading source files and addressing places in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.document import is_secret, load_document, offset_at, parse_location, read_document
from nano_lsp.errors import DocumentError, PositionError

lines = st.sampled_from(["\n", "\r\n", "\r"]).flatmap(
    lambda end: st.lists(st.tuples(st.text(st.characters(exclude_characters="\r\n")), st.just(end)))
)


@given(lines, st.text(st.characters(exclude_characters="\r\n")), st.data())
def test_an_offset_is_where_the_lines_say(parts: list[tuple[str, str]], last: str, data: st.DataObject) -> None:
    text = "".join(line + end for line, end in parts) + last
    number = data.draw(st.integers(1, len(parts) + 1))
    line = [*(line for line, _ in parts), last][number - 1]
    column = data.draw(st.integers(1, len(line) + 1))
    before = sum(len(line) + len(end) for line, end in parts[: number - 1])
    assert offset_at(text, number, column) == before + column - 1


@pytest.mark.parametrize(("line", "column"), [(0, 1), (4, 1), (1, 0), (1, 5), (3, 2), (10**12, 1)])
def test_a_place_outside_says_how_large_the_file_is(line: int, column: int) -> None:
    with pytest.raises(PositionError) as caught:
        offset_at("abc\nde\n", line, column)
    assert caught.value.remedy


def test_an_empty_file_has_one_place() -> None:
    assert offset_at("", 1, 1) == 0


@given(st.binary())
def test_any_bytes_are_a_document_or_an_error(data: bytes) -> None:
    try:
        document = read_document(data, "x")
    except DocumentError as error:
        remedy = error.remedy
    else:
        remedy = "none needed"
        assert document.text.encode() in {data, data.removeprefix(b"\xef\xbb\xbf")}
    assert remedy


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (b"# coding: latin-1\n'\xe9'", "iso-8859-1", "# coding: latin-1\n'é'"),
        (b"#!/bin/python\r# vim: set fileencoding=cp1252 : \x80\r'\x80'", "cp1252", "€"),
        ("# -*- coding: euc-jp -*-\n'大'".encode("euc-jp"), "euc-jp", "大"),
        (b"x = 1\n\n# coding: latin-1\n'\xc3\xa9'", "utf-8", "é"),  # in its third line it declares nothing
        (b"# \x0c coding: latin-1\n", "iso-8859-1", "\x0c"),
        (b"\xef\xbb\xbf# coding: utf-8\n'\xc3\xa9'", "utf-8-sig", "é"),
        (b"\xef\xbb\xbfx", "utf-8-sig", "x"),
    ],
)
def test_python_is_in_the_encoding_it_declares(data: bytes, encoding: str, text: str) -> None:
    document = read_document(data, "a.py")
    assert document.encoding == encoding
    assert text in document.text
    assert document.text.encode(document.encoding) == data
    compile(data, "a.py", "exec")  # so has Python


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"# coding: klingon\n", "unknown encoding: klingon"),
        (b"# coding: rot13\n", "rot13, which it cannot be in"),
        (b"# coding: utf-16-le\nx = 1\n", "utf-16-le, which it cannot be in"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "iso-8859-1, which it cannot be in"),
        (b"# coding: ascii\n# \xe9\n", "is not ascii, as it declares: byte 18, in line 2"),
    ],
)
def test_an_encoding_that_it_cannot_be_in_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(DocumentError, match=words) as caught:
        read_document(data, "a.py")
    assert caught.value.remedy


def test_what_is_no_python_declares_nothing() -> None:
    assert read_document("# coding: latin-1 é".encode(), "a.txt").text == "# coding: latin-1 é"


def test_invalid_utf8_is_located(tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes("# fine\n# Zür".encode("latin-1"))
    with pytest.raises(DocumentError, match="byte 10, in line 2") as caught:
        load_document(file)
    assert "iconv" in caught.value.remedy


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"\x7fELF\0\0", "binary"),
        ("a".encode("utf-16"), "UTF-16"),
        (b"\x01\x02\x03a", "binary"),
        (b" " * (9 << 20), "MB"),
    ],
)
def test_what_is_no_source_text_is_refused(data: bytes, word: str) -> None:
    with pytest.raises(DocumentError, match=word):
        read_document(data, "x")


def test_missing_unreadable_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(DocumentError) as caught:
            load_document(path)
        assert str(path) in caught.value.message
    locked = tmp_path / "locked.py"
    locked.write_text("x")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DocumentError, match="Permission denied"):
        load_document(locked)


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".ENV",
        ".env.local",
        "server.key",
        "id_rsa",
        "id_mine",
        "cert.pem",
        ".netrc",
        "aws_credentials.json",
        ".envrc",
        "secrets.toml",
        "api_token.txt",
    ],
)
def test_files_of_secrets_are_never_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("TOKEN=1")
    with pytest.raises(DocumentError, match="secrets"):
        load_document(tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        "env.py",
        ".env.example",
        "keys.py",
        "id_rsa.pub",
        "environment",
        "tokens.py",
        "id_utils.py",
        "credentials.md",
        "secret_santa.txt",
    ],
)
def test_other_files_are_no_secret(name: str) -> None:
    assert not is_secret(name)


def test_locations() -> None:
    assert parse_location("a/b.py:12:5") == ("a/b.py", 12, 5)
    assert parse_location("C:\\x\\a.py:1:2") == ("C:\\x\\a.py", 1, 2)
    assert parse_location("-:1:1") == ("-", 1, 1)
    for bad in ("a.py", "a.py:3", "a.py:x:1", ":1:1", "a.py:-1:2"):
        with pytest.raises(DocumentError) as caught:
            parse_location(bad)
        assert "src/app.py:12:5" in caught.value.remedy
