"""Files of the workspace that are not open, as places of the next edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from nano_lsp.code.workspace import Workspace
from nano_lsp.config import find_folders
from nano_lsp.editor.closed_files import ClosedFiles, digest, is_unchanged
from nano_lsp.editor.session import Session
from nano_lsp.next_edit.history import find_edit
from nano_lsp.next_edit.renames import Source


def find(folder: Path, files: dict[str, str], opened: tuple[str, ...] = ()) -> list[str]:
    """The files that are found after `load` was renamed in `src/a.py`."""
    root = folder / "work"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folders = find_folders({"NANO_LSP_HOME": str(folder / "home")})
    index = Workspace(root, folders.cache / "index")
    index.update()
    index.close()
    session = Session(folders, lambda _status: None)
    session.roots = [root]
    uri = (root / "src/a.py").as_uri()
    edits = [find_edit(uri, "def load():\n", "def read():\n")]
    found = ClosedFiles(session).find(edits, [uri, *((root / name).as_uri() for name in opened)])
    return [source.name.removeprefix(f"{root.as_uri()}/") for source in found]


def test_near_files_with_a_removed_word_come_first(tmp_path: Path) -> None:
    files = {
        "far/b.py": "load()\n",
        "src/z.py": "load()\n",
        "src/deep/c.py": "x = load\n",
        "src/d.py": "loads()\n",
        "src/e.js": "load()\n",
        "src/f.pyi": "load\n",
        ".env.py": "load\n",
        "src/a.py": "load\n",
    }
    assert find(tmp_path, files, opened=("far/b.py",)) == ["src/f.pyi", "src/z.py", "src/deep/c.py"]


def test_few_files_are_found_and_large_or_undecodable_ones_are_left_out(tmp_path: Path) -> None:
    files = {f"src/m{i:02}.py": "load\n" for i in range(20)}
    files["src/large.py"] = "load\n" * 100_000
    assert find(tmp_path, files) == [f"src/m{i:02}.py" for i in range(8)]


@pytest.mark.parametrize("after", ["load()\n\n", "", None])
def test_a_file_that_has_changed_is_noticed(tmp_path: Path, after: str | None) -> None:
    path = tmp_path / "a.py"
    path.write_text("load()\n")
    source = Source(path.as_uri(), "load()\n")
    assert is_unchanged(source)
    if after is None:
        path.unlink()
    else:
        path.write_text(after)
    assert not is_unchanged(source)


def test_a_text_has_the_same_digest_with_all_line_breaks() -> None:
    assert digest("a\r\nb\r\n") == digest("a\rb") == digest("a\nb\n")
    assert digest("a\nb\n\n") != digest("a\nb\n")
    assert digest("") == digest("\n")
