"""The index of a workspace, and what of it goes into a prompt."""

from __future__ import annotations

import functools
import itertools
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nano_lsp.code.imported_signatures import build_imported
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.outline import read_imports
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.workspace import Workspace, find_files


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


PROJECT = {
    "src/shop/__init__.py": "from .cart import Cart\n",
    "src/shop/cart.py": "class Cart:\n    def add(self, item: str) -> None:\n        ...\n    def _sum(self): ...\n",
    "src/shop/money.py": "RATE = 3\ndef to_euro(cents: int) -> float:\n    return cents / 100\ndef _secret(): ...\n",
    "src/shop/app.py": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    write(tmp_path / "project", PROJECT)
    workspace = Workspace(tmp_path / "project", tmp_path / "store")
    assert workspace.update() == len(PROJECT)
    return workspace


def imported(workspace: Workspace, code: str, budget: int = 1000, name: str = "src/shop/app.py") -> str:
    tree = SyntaxTree.parse(code, PYTHON)
    assert tree is not None
    return build_imported(read_imports(tree), str(workspace.root / name), workspace, budget, len)


CART = "# src/shop/cart.py\nclass Cart:\n    def add(self, item: str) -> None: ...\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from shop.cart import Cart", CART),
        ("from .cart import Cart", CART),
        ("from shop import Cart as Basket", CART),  # passed on by the package
        ("from . import cart", CART),
        ("import shop.cart", ""),  # binds the package, which defines nothing
        ("import shop.cart as cart", CART),
        ("from shop.money import to_euro", "# src/shop/money.py\ndef to_euro(cents: int) -> float: ...\n"),
        ("from shop.cart import *", ""),
        ("from shop.nowhere import Cart", ""),
        ("import os, json", ""),
        ("from ....... import cart", ""),
        ("from .cart import Cart\nfrom shop import Cart", CART),
    ],
)
def test_what_a_document_imports(project: Workspace, code: str, expected: str) -> None:
    assert imported(project, code) == expected


def test_the_budget_holds_and_smaller_things_still_fit(project: Workspace) -> None:
    code = "from .cart import Cart\nfrom .money import to_euro, RATE"
    for budget in range(0, 200, 7):
        assert len(imported(project, code, budget)) <= budget
    assert imported(project, code, 30) == "# src/shop/money.py\nRATE = 3\n"


def test_names_that_packages_pass_round_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "from b import x\n", "b.py": "from a import x\n", "c.py": ""})
    workspace = Workspace(tmp_path, tmp_path / "store")
    workspace.update()
    assert imported(workspace, "from a import x", name="c.py") == ""


def test_a_file_outside_imports_nothing(project: Workspace) -> None:
    assert imported(project, "from shop.cart import Cart", name="../elsewhere.py") == ""


def test_only_what_has_changed_is_read(project: Workspace) -> None:
    assert (project.update(), project.n_indexed) == (0, 1)
    cart = project.root / "src/shop/cart.py"
    cart.write_text("class Trolley: ...\n")
    (project.root / "src/shop/money.py").unlink()
    os.utime(project.root / "src/shop/app.py", (1, 1))
    assert project.update() == 2
    assert project.n_indexed == 2
    assert project.outline("src/shop/money.py") is None
    assert "Trolley" in imported(project, "from .cart import Trolley")


def test_the_index_outlives_its_process_and_a_damaged_one_is_made_anew(project: Workspace, tmp_path: Path) -> None:
    project.close()
    again = Workspace(project.root, tmp_path / "store")
    assert again.update() == 0
    again.close()
    (file,) = (tmp_path / "store").glob("*.db")
    file.write_bytes(b"no database" * 500)
    assert Workspace(project.root, tmp_path / "store").update() == 4


def test_an_index_that_another_program_has_locked_is_left_alone(project: Workspace, tmp_path: Path) -> None:
    project.close()
    (file,) = (tmp_path / "store").glob("*.db")
    other = sqlite3.connect(file)
    other.execute("BEGIN EXCLUSIVE")
    real = sqlite3.connect
    with pytest.MonkeyPatch.context() as patch:  # not to wait for the other
        patch.setattr(sqlite3, "connect", functools.partial(real, timeout=0))
        workspace = Workspace(project.root, tmp_path / "store")
    assert workspace.update() == 4  # in memory
    other.rollback()
    other.close()
    again = Workspace(project.root, tmp_path / "store")
    assert again.update() == 0


def test_a_store_that_cannot_be_written_costs_only_time(project: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    workspace = Workspace(project.root, tmp_path / "file")
    assert workspace.update() == 4
    assert workspace.outline("src/shop/cart.py") is not None


def test_ignored_hidden_secret_and_linked_files_are_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.py": "",
            "keep/generated.py": "",
            "skip/generated.py": "",
            "skip/other.py": "",
            "keep/.gitignore": "!generated.py\n/inner.py\n",
            "keep/inner.py": "",
            "keep/deep/inner.py": "",
            "ignored/x.py": "",
            ".hidden/x.py": "",
            ".env.py": "",
            "node_modules/x.py": "",
            "env/pyvenv.cfg": "",
            "env/lib/x.py": "",
            "id_rsa.py": "",
            "notes.txt": "",
            ".gitignore": "generated.py\nignored/\n",
        },
    )
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    found = [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path, PYTHON.suffixes)]
    assert found == ["a.py", "keep/deep/inner.py", "keep/generated.py", "skip/other.py"]


def test_folders_are_listed_once_and_python_files_indexed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    write(root, {"a.go": "package a\n", "b/c.py": "", "b/d.rs": "", "e/f.js": "", "g.py": ""})
    calls: list[object] = []

    def recorded(function: Callable[..., object], position: int) -> Callable[..., object]:
        def call(*given: object) -> object:
            calls.append(given[position])
            return function(*given)

        return call

    monkeypatch.setattr(os, "scandir", recorded(os.scandir, 0))
    monkeypatch.setattr(Workspace, "_row", recorded(Workspace._row, 1))
    Workspace(root, tmp_path / "store").update()
    assert [call for call in calls if isinstance(call, Path)] == [root, root / "b", root / "e"]
    assert [call for call in calls if isinstance(call, str)] == ["b/c.py", "g.py", "a.go", "b/d.rs", "e/f.js"]


@pytest.mark.parametrize("line", ["!", "[z-a]", "a\\"])
def test_an_invalid_line_of_gitignore_leaves_the_others_in_force(tmp_path: Path, line: str) -> None:
    write(tmp_path, {"a.py": "", "generated.py": "", ".gitignore": f"{line}\ngenerated.py\n"})
    assert [path.name for path in find_files(tmp_path, PYTHON.suffixes)] == ["a.py"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes in folders")
def test_a_pipe_in_a_folder_is_no_source_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert not list(find_files(tmp_path, PYTHON.suffixes))


def test_bad_files_are_missing_and_nothing_else_happens(tmp_path: Path) -> None:
    write(tmp_path, {"good.py": "def f(): ...\n", "broken.py": "def g(:\n  class\n", "gone.py": ""})
    (tmp_path / "binary.py").write_bytes(b"\0" * 100)
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    (tmp_path / "large.py").write_text("x = 1\n" * 200_000)
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.py").mkdir()
    odd = tmp_path / os.fsdecode(b"caf\xe9.py" if sys.platform == "linux" else b"cafe.py")  # no other system has such
    odd.write_text("from good import f\n")
    workspace = Workspace(tmp_path, tmp_path / "store")

    def stopped() -> bool:
        (tmp_path / "gone.py").unlink(missing_ok=True)
        return False

    workspace.update(stopped=stopped)
    outline = workspace.outline("good.py")
    assert outline is not None
    assert outline.find("f") is not None
    workspace.read([odd])
    imported(workspace, odd.read_text(), name=odd.name)


def test_it_can_be_called_off_and_gone_on_with(tmp_path: Path) -> None:
    write(tmp_path, {f"m{i}.py": "x = 1\n" for i in range(9)})
    workspace = Workspace(tmp_path, tmp_path / "store")
    looks = itertools.count()
    assert workspace.update(stopped=lambda: next(looks) == 4) == 4
    assert workspace.update() == 5
