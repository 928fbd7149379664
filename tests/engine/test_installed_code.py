"""A change of any file of the package is another fingerprint; the same files elsewhere are the same code."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nano_lsp.engine.installed_code import PACKAGE, installed_code, read_code


def test_what_changes_the_fingerprint(tmp_path: Path) -> None:
    copy = tmp_path / "nano_lsp"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = read_code(copy)
    assert before.fingerprint == read_code(PACKAGE).fingerprint == installed_code().fingerprint
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"compiled")
    assert read_code(copy).fingerprint == before.fingerprint
    seen = {before.fingerprint}
    for change in (
        lambda: (copy / "errors.py").write_text("# one byte more or less"),
        lambda: (copy / "engine" / "models.toml").write_text(""),
        lambda: (copy / "errors.py").rename(copy / "mistakes.py"),
        lambda: (copy / "new.py").write_text(""),
    ):
        change()
        found = read_code(copy)
        assert found.fingerprint not in seen
        assert found.installed >= before.installed
        seen.add(found.fingerprint)


def test_files_whose_times_an_installer_keeps_are_as_new_as_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x")
    before = read_code(tmp_path)
    os.utime(tmp_path / "a.py", (1, 1))
    assert read_code(tmp_path).installed >= before.installed
