"""`nano-lsp docstring` and `explain` on files, with a scripted model."""

from __future__ import annotations

import ast
import io
import itertools
import json
import os
import py_compile
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import tokenize
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nano_lsp.code.definitions import find_definitions
from nano_lsp.code.languages import PYTHON, Language
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.docstrings import project
from nano_lsp.docstrings.check import same_code
from nano_lsp.errors import DocumentError
from tests.cli.test_cli import assert_error, nano_lsp

STDLIB = Path(sysconfig.get_paths()["stdlib"])
PACKAGES = ("json", "wsgiref", "email", "importlib", "concurrent", "html", "xml", "encodings")
CODE = "def fetch(url):\n    return url\n\n\nclass A:\n    def f(self): pass\n"


def script(path: Path, **extra: object) -> str:
    """A scripted model that describes everything."""
    file = path / "script.json"
    words = {'"""': "Do what the name says.", ":": " What it is.", "    ": "What it is."}
    file.write_text(json.dumps({**words, "assistant\n": "It does things.", **extra}))
    return f"scripted:{file}"


def copy_package(path: Path, n: int = 50) -> list[Path]:
    """Copy short files of the standard library, as the scripted model is slow on long ones."""
    short = [file for name in PACKAGES for file in sorted((STDLIB / name).rglob("*.py"))]
    short = [file for file in short if 100 < file.stat().st_size < 3000 and "test" not in file.parts][:n]
    for file in short:
        target = path / file.relative_to(STDLIB)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return sorted(path.rglob("*.py"))


def without_docstrings(code: str) -> str:
    module = ast.parse(code)
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                del node.body[0]
    return ast.dump(module)


def test_fifty_files_of_a_real_package(tmp_path: Path) -> None:
    package, model = tmp_path / "package", script(tmp_path)
    files = copy_package(package)
    assert len(files) == 50
    before = {file: file.read_bytes() for file in files}
    missing = nano_lsp("docstring", str(package), "--check")
    assert missing.returncode == 1
    n = len(missing.stdout.splitlines())
    assert n > 50
    assert f"{n} docstrings are missing or outdated".encode() in missing.stderr
    done = nano_lsp("docstring", str(package), "--write", "--model", model)
    assert done.returncode == 0, done.stderr
    assert sum(file.read_bytes() != before[file] for file in files) > 25
    for file in files:
        after = file.read_bytes().decode()
        assert without_docstrings(after) == without_docstrings(before[file].decode()), file
        py_compile.compile(str(file), doraise=True, cfile=str(tmp_path / "compiled"))
    checked = nano_lsp("docstring", str(package), "--check")
    assert (checked.returncode, checked.stdout) == (0, b"")


COMMENTS = {
    "a.js": ("function f(a) {\n  return a;\n}\n", "/**\n * What it is.\n *\n * @param a - What it is.\n"),
    "b.go": ("package b\r\n\r\nfunc F(a int) {}\r\n", "package b\r\n\r\n// F What it is.\r\n//\r\n"),
    "c.rs": ("pub fn f() {}\n", "/// What it is.\npub fn f() {}\n"),
    "D.java": ("public class D {\n}\n", "/** What it is. */\npublic class D {\n}\n"),
    "e.py": ('"""E."""\n', '"""E."""\n'),
    "f.sh": ("f() { echo; }\n", "f() { echo; }\n"),
    "g.c": ("int g(int a MACRO) { return 1; }\n", "int g(int a MACRO) { return 1; }\n"),
    "ignored.js": ("function f() {}\n", "function f() {}\n"),
    "secrets.ts": ("function f() {}\n", "/** What it is. */\nfunction f() {}\n"),
    ".env": ("KEY=1\n", "KEY=1\n"),
    "large.min.js": ("f();" * 300_000, "f();"),
}


def test_documentation_comments_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, (before, _) in COMMENTS.items():
        (folder / name).write_bytes(before.encode())
    (folder / ".gitignore").write_text("ignored.js\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True, timeout=60)
    checked = nano_lsp("docstring", str(folder), "--check")
    assert checked.returncode == 1
    places = [line.rpartition(f"folder{os.sep}")[2] for line in checked.stdout.decode().splitlines()]
    assert places == [
        "D.java:1: class D: no documentation comment",
        "a.js:1: function f: no documentation comment",
        "b.go:3: function F: no documentation comment",
        "c.rs:1: function f: no documentation comment",
        "secrets.ts:1: function f: no documentation comment",
    ]
    assert b"5 documentation comments are missing or outdated, in 5 files." in checked.stderr
    model = script(tmp_path, **{"/": "What it is.", "F": " What it is.", "-": " What it is.", "* ": "What it is."})
    shown = nano_lsp("docstring", str(folder), "--model", model)
    assert all((folder / name).read_bytes().decode() == before for name, (before, _) in COMMENTS.items())
    subprocess.run(["git", "apply", "--check", "-"], input=shown.stdout, cwd=folder, check=True, timeout=60)
    assert nano_lsp("docstring", str(folder), "--write", "--model", model).returncode == 0
    for name, (_, after) in COMMENTS.items():
        assert (folder / name).read_bytes().decode().startswith(after)
    assert nano_lsp("docstring", str(folder), "--check").returncode == 0


def test_a_language_without_a_convention_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.sh").write_text("f() { echo; }\n")
    assert_error(nano_lsp("docstring", str(tmp_path / "f.sh"), "--check"), 2, "shellscript has no convention")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_killed_at_random_times_it_leaves_complete_files_and_resumes(tmp_path: Path, home: Path) -> None:
    package, source = tmp_path / "package", random.Random(3)  # noqa: S311 - repeatable, no secret
    files = copy_package(package, 15)
    before = {file: file.read_bytes() for file in files}
    model = script(tmp_path, **{"$batch_ms": 2})
    command = [sys.executable, "-m", "nano_lsp", "docstring", str(package), "--write", "--model", model]
    drafts = home / "cache" / "docstrings"
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            wanted = source.randrange(1, 12)
            start = n_lines(drafts)
            while process.poll() is None and abs(n_lines(drafts) - start) < wanted:
                threading.Event().wait(0.005)
            process.send_signal(signal.SIGKILL)
        for file in files:
            after = file.read_bytes().decode()
            assert without_docstrings(after) == without_docstrings(before[file].decode()), file
        assert not [path for path in package.rglob("*") if path.is_file() and path.suffix not in {".py", ".tmp"}]
    for left in package.rglob("*.tmp"):
        left.unlink()
    done = nano_lsp("docstring", str(package), "--write", "--model", script(tmp_path))
    assert done.returncode == 0
    assert nano_lsp("docstring", str(package), "--check").returncode == 0


def n_lines(folder: Path) -> int:
    """Number of pending docstrings in the cache; files may appear and disappear in the meantime."""
    n = 0
    for path in list(folder.glob("*.jsonl")):
        try:
            n += path.read_bytes().count(b"\n")
        except OSError:
            n += 5
    return n


# Pieces of files: what has been taken for a line's end, what is in the way of a diff, and definitions to document.
PIECES = st.lists(
    st.sampled_from(
        [
            *("", "# plain", "# \x0c form feed", "\x0c", "# \u2028 \x85 \x0b \x1c", "# one\r# two", "# é", "# \\"),
            *("x = 'a\u2028b\x85c'", 'y = """one\x0c\ntwo\u2029"""', "z = [\n1,\n\n2]", "w = 1 - -1"),
            *("def f(a):\n    return a", "class A:\n    def m(self): pass"),
            "if x:\n\x0c\n    def g():\n        pass",
            'def h():\n    """It is.\x0c \u2028\n\n    Args:\n        gone: Not there.\n    """',
        ]
    ),
    min_size=1,
    max_size=8,
)
NAMES = st.sampled_from(["m.py", "two words.py", "é.py", "tab\t'\".py" if sys.platform != "win32" else "t.py"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=PIECES,
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=1, max_size=3),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "cp1252", "euc-jp"]),
    last=st.booleans(),
    name=NAMES,
)
def test_applying_the_diff_equals_write(
    tmp_path: Path, *, pieces: list[str], ends: list[str], encoding: str, last: bool, name: str
) -> None:
    text = "".join(piece + "\n" for piece in pieces)
    declared = f"# vim: set fileencoding={encoding} :\n" if encoding not in {"utf-8", "utf-8-sig"} else ""
    lines = (declared + text).split("\n")[:-1]
    text = "".join(line + end for line, end in zip(lines, itertools.cycle(ends), strict=False))
    data = (text if last else text.rstrip("\r\n")).encode(encoding, "ignore")
    folder, model = tmp_path / "folder", script(tmp_path)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = folder / name
    file.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shown = nano_lsp("docstring", name, "--model", model)
        assert file.read_bytes() == data
        done = nano_lsp("docstring", name, "--write", "--model", model)
    written = file.read_bytes()
    assert shown.returncode == done.returncode, (shown.stderr, done.stderr)
    if done.returncode:  # a sentence says why, and nothing is changed
        assert done.stderr
        assert written == data
        assert shown.stdout == b""
        return
    file.write_bytes(data)
    if shown.stdout:
        subprocess.run(["git", "apply", "-"], input=shown.stdout, cwd=folder, check=True, timeout=60)
    assert file.read_bytes() == written
    source, result = (ast.dump(ast.parse(each)) for each in (data, written))
    assert source != result or written == data
    assert without_docstrings_of(written) == without_docstrings_of(data)


def without_docstrings_of(data: bytes) -> str:
    lines = io.BytesIO(data.replace(b"\r", b"\n"))  # a line may end with "\r", which `readline` does not know
    return without_docstrings(data.decode(tokenize.detect_encoding(lines.readline)[0]))


def test_write_reuses_the_docstrings_of_the_diff(tmp_path: Path) -> None:
    file, model = tmp_path / "a.py", script(tmp_path)
    file.write_text(CODE)
    shown = nano_lsp("docstring", str(file), "--model", model)
    assert shown.returncode == 0
    assert file.read_text() == CODE
    (tmp_path / "script.json").write_text(json.dumps({"$batch_ms": 10_000}))  # a model too slow to be used
    done = nano_lsp("docstring", str(file), "--write", "--model", model)
    assert done.returncode == 0, done.stderr
    assert '"""Do what the name says."""' in file.read_text()


@pytest.mark.parametrize("folder", ["", "src", "src/pkg"])
def test_a_diff_applies_where_it_was_made(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root, model = tmp_path / "repository", script(tmp_path)
    file = root / "src/pkg/pkg/a.py"
    file.parent.mkdir(parents=True)
    file.write_text(CODE)
    subprocess.run(["git", "init", "-q", root], check=True, timeout=60)
    monkeypatch.chdir(root / folder)
    shown = nano_lsp("docstring", ".", "--model", model)
    subprocess.run(["git", "apply", "-"], input=shown.stdout, check=True, timeout=60)
    assert '"""Do what the name says."""' in file.read_text()


def test_a_diff_of_files_elsewhere_says_where_it_applies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, here = script(tmp_path), tmp_path / "here"
    for name in ("there/one/a.py", "there/two/b.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(CODE)
    here.mkdir()
    monkeypatch.chdir(here)
    shown = nano_lsp("docstring", "../there/one", str(tmp_path / "there/two/b.py"), "--model", model)
    assert f"git -C {tmp_path / 'there'} apply" in shown.stderr.decode().replace("\n", " ")
    command = ["git", "-C", str(tmp_path / "there"), "apply", "-"]
    subprocess.run(command, input=shown.stdout, check=True, timeout=60)
    assert '"""Do what the name says."""' in (tmp_path / "there/two/b.py").read_text()


def test_bytes_outside_docstrings_are_unchanged(tmp_path: Path) -> None:
    file, model = tmp_path / "a.py", script(tmp_path)
    file.write_bytes(b"\xef\xbb\xbf" + CODE.replace("\n", "\r\n").encode() + "x = 'é'".encode())
    file.chmod(0o755)
    link = tmp_path / "link.py"
    link.symlink_to(file)
    assert nano_lsp("docstring", str(link), "--write", "--model", model).returncode == 0
    data = file.read_bytes()
    assert link.is_symlink()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\n") == data.count(b"\r\n")
    assert file.stat().st_mode & 0o777 == 0o755


def test_a_hard_link_stays_one(tmp_path: Path) -> None:
    file, other, model = tmp_path / "a.py", tmp_path / "b.py", script(tmp_path)
    file.write_text(CODE)
    other.hardlink_to(file)
    assert nano_lsp("docstring", str(file), "--write", "--model", model).returncode == 0
    assert file.samefile(other)
    assert '"""Do what the name says."""' in other.read_text()


def test_several_names_of_a_file_are_one_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, other, model = tmp_path / "a.py", tmp_path / "b.py", script(tmp_path)
    file.write_text(CODE)
    other.hardlink_to(file)
    monkeypatch.chdir(tmp_path)
    places = ["a.py::A.f", "a.py::fetch", "b.py::A.f", "b.py::fetch"]
    shown = nano_lsp("docstring", *places, "--model", model)
    assert shown.stdout.count(b"diff --git") == 2
    done = nano_lsp("docstring", *places, "--write", "--model", model)
    assert done.returncode == 0, done.stderr
    assert file.samefile(other)
    assert file.read_text().count("Do what the name says.") == 2


def test_what_is_not_written_is_not_counted(tmp_path: Path) -> None:
    file, model = tmp_path / "a.py", script(tmp_path)
    file.write_text(CODE)
    file.chmod(0o444)
    done = nano_lsp("docstring", str(file), "--write", "--model", model)
    assert done.returncode == 1
    assert b"read-only" in done.stderr
    assert b"0 docstrings in 0 files" in done.stderr
    assert file.read_text() == CODE


def test_a_save_while_a_file_is_read_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is compared with the version that the docstrings were written for."""
    file, model = tmp_path / "a.py", script(tmp_path)
    file.write_text(CODE)
    parse = SyntaxTree.parse

    def save_meanwhile(text: str, language: Language) -> SyntaxTree | None:
        file.write_text("x = 1\n")
        return parse(text, language)

    monkeypatch.setattr(SyntaxTree, "parse", save_meanwhile)
    done = nano_lsp("docstring", str(file), "--write", "--model", model)
    assert done.returncode == 1
    assert b"changed meanwhile" in done.stderr
    assert file.read_text() == "x = 1\n"


def test_files_ignored_by_git_are_skipped(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    for name in ("src/a.py", "src/generated/b.py", "src/c.py", ".venv/d.py", "src/e.pyi"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(CODE)
    (root / ".git").mkdir()
    (root / ".gitignore").write_text("generated/\n/src/c.py\n")
    for folder in (root, root / "src"):
        listed = nano_lsp("docstring", str(folder), "--check").stdout.decode()
        assert {line.split(":")[0].rsplit("/", 1)[-1] for line in listed.splitlines()} == {"a.py"}
    assert b"c.py" in nano_lsp("docstring", str(root / "src/c.py"), "--check").stdout  # asked for by name


def test_one_definition_and_what_is_outdated(tmp_path: Path) -> None:
    file, model = tmp_path / "a.py", script(tmp_path)
    file.write_text(CODE + '\n\ndef _g(x, y):\n    """Do.\n\n    Args:\n        x: One.\n        z: Gone.\n    """\n')
    listed = nano_lsp("docstring", str(file), "--check").stdout.decode().splitlines()
    assert [line.split(":", 1)[1] for line in listed] == [
        "1: module: no docstring",
        "1: function fetch: no docstring",
        "5: class A: no docstring",
        "6: function A.f: no docstring",
        "9: function _g: outdated docstring",
    ]
    assert nano_lsp("docstring", f"{file}::A.f", "--write", "--model", model).returncode == 0
    assert nano_lsp("docstring", f"{file}::_g", "--write", "--model", model).returncode == 0
    after = file.read_text()
    assert after.count('"""') == 4
    assert "y: What it is." in after
    assert "z: Gone" not in after
    assert_error(nano_lsp("docstring", f"{file}::A.g", "--check"), 2, "does not define 'A.g'", "A.f")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "latin.py").write_bytes(b"# caf\xe9\n")
    (folder / "good.py").write_text('"""Good."""\n')
    done = nano_lsp("docstring", str(folder), "--check")
    assert done.returncode == 1
    assert b"broken.py has a syntax error in line 1" in done.stderr
    assert b"latin.py is not UTF-8" in done.stderr
    assert_error(nano_lsp("docstring", str(folder / "latin.py"), "--check"), 2, "UTF-8")
    assert_error(nano_lsp("docstring", str(folder / "none.py")), 2, "does not exist")
    assert_error(nano_lsp("docstring", str(folder), "--check", "--write"), 2, "exclude each other")
    (folder / "good.py").write_text(CODE)
    assert_error(nano_lsp("docstring", str(folder / "good.py")), 3, "nano-lsp model pull nano")


def test_a_file_that_changes_in_the_meantime_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(CODE)
    source = project.load_source(file)
    file.write_text("x = 1\n")
    with pytest.raises(DocumentError, match="changed meanwhile"):
        project.save(source, CODE.encode())
    assert file.read_text() == "x = 1\n"


def test_other_code_is_noticed() -> None:
    def tree(code: str) -> SyntaxTree:
        parsed = SyntaxTree.parse(code, PYTHON)
        assert parsed is not None
        return parsed

    assert same_code(tree(CODE), tree('"""Doc."""\n\n' + CODE.replace("return", '"""Doc."""\n    return')))
    assert not same_code(tree(CODE), tree(CODE.replace("return url", "return")))
    assert not same_code(tree(CODE), tree(CODE + "x = 1\n"))
    assert list(find_definitions(tree(CODE)))


def test_an_explanation(tmp_path: Path) -> None:
    file, model = tmp_path / "a.py", script(tmp_path)
    file.write_text(CODE)
    assert nano_lsp("explain", f"{file}::A.f", "--model", model).stdout == b"It does things.\n"
    assert nano_lsp("explain", str(file), "--model", model).stdout == b"It does things.\n"
    assert_error(nano_lsp("explain", f"{file}::A.x"), 2, "does not define 'A.x'")
    assert_error(nano_lsp("explain", str(tmp_path / "b.py")), 2, "cannot be read")


def test_a_write_error_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(28, "No space left on device")

    file, model = tmp_path / "a.py", script(tmp_path)
    file.write_text(CODE)
    monkeypatch.setattr("nano_lsp.atomic_files.tempfile.mkstemp", refuse)
    done = nano_lsp("docstring", str(file), "--write", "--model", model)
    assert done.returncode == 1
    assert b"cannot be written: No space left" in done.stderr
    assert file.read_text() == CODE
