"""Patches, given to the real git."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.code.patch import build_patch, find_base

# What tools have taken for the end of a line, and what git takes for its own syntax.
ODD = [b"\n", b"\r\n", b"\r", b"\x0c", b"\x0b", b"\x1c", b"\x85", b"\xc2\x85", "\u2028".encode(), b"\xef\xbb\xbf"]
MARKS = [b"--- a/x", b"+++ b/x", b"@@ -1 +1 @@", b"\\ No newline at end of file", b"diff --git a/x b/x", b"-", b"+"]
WORDS = [b"x = 1", b"\tpass", b" ", b"\xe9", "é".encode(), b"\x1b[31m", b"\x00\xff"]
LINES = st.lists(st.sampled_from([*ODD, b"\n", b"\n", b"\n", *MARKS, *WORDS]), max_size=25)
BYTES_IN_NAMES = [b"a", b" ", b'"', b"\\", b"\t", b"\n", b"\x01", b"\x7f", "é".encode(), b"\xff", b"'", b"$", b"=>"]
NAMES = st.lists(st.sampled_from(BYTES_IN_NAMES), min_size=1, max_size=6).map(b"".join)


def apply(folder: str | Path, patch: bytes) -> subprocess.CompletedProcess[bytes]:
    command = ["git", "apply", "-"]
    return subprocess.run(command, cwd=folder, input=patch, capture_output=True, timeout=60, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="file names there are no bytes")
@settings(max_examples=150)
@given(before=LINES, data=st.data(), name=NAMES, mode=st.sampled_from([0o644, 0o755]))
def test_git_makes_the_new_bytes_of_the_old_ones(
    before: list[bytes], data: st.DataObject, name: bytes, mode: int
) -> None:
    after = list(before)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(after)))
        after[at : at + data.draw(st.integers(0, 2))] = data.draw(LINES)
    old, new = b"".join(before), b"".join(after)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, os.fsdecode(name + b".py"))
        file.write_bytes(old)
        file.chmod(mode)
        patch = build_patch(file.name, old, new)
        if old == new:
            assert patch == b""
        else:
            done = apply(folder, patch)
            assert done.returncode == 0, (done.stderr, patch)
        assert file.read_bytes() == new
        assert file.stat().st_mode & 0o777 == mode


def test_names_are_quoted_as_git_does() -> None:
    head = build_patch("plain.py", b"", b"x").split(b"\n")
    assert head[:3] == [b"diff --git a/plain.py b/plain.py", b"--- a/plain.py", b"+++ b/plain.py"]
    assert b"--- a/a b.py\t\n" in build_patch("a b.py", b"", b"x")
    assert b'+++ "b/caf\\303\\251\\t\\".py"\n' in build_patch('café\t".py', b"", b"x")


def test_several_files_are_one_patch(tmp_path: Path) -> None:
    changed = b""
    for name in ("a.py", "b c.py", "é.py"):
        (tmp_path / name).write_bytes(b"x = 1\x0c\r\ny")
        changed += build_patch(name, b"x = 1\x0c\r\ny", b"x = 2\x0c\r\ny")
    assert apply(tmp_path, changed).returncode == 0
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"x = 2\x0c\r\ny"}


def test_in_a_repository_names_begin_at_its_top_and_apply_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True, timeout=60)
    file = tmp_path / "pkg" / "pkg" / "a.py"  # git apply takes `a/pkg/a.py` for pkg/a.py where it runs in pkg/
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x = 1\n")
    monkeypatch.chdir(tmp_path / "pkg")
    base = find_base([file])
    assert base == tmp_path
    assert apply(tmp_path / "pkg", build_patch("pkg/pkg/a.py", b"x = 1\n", b"x = 2\n")).returncode == 0
    assert file.read_bytes() == b"x = 2\n"


def test_files_elsewhere_have_the_folder_that_they_lie_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here", "there/one", "there/two"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert find_base([tmp_path / "here" / "a.py"]) == tmp_path / "here"
    assert find_base([]) == tmp_path / "here"
    assert find_base([tmp_path / "there/one/a.py", tmp_path / "there/two/b.py"]) == tmp_path / "there"
