"""Files of a workspace that an import of another language than Python refers to.

JavaScript, TypeScript, Go, Rust, C and C++ here; those that have names only: `nano_lsp.code.named_modules`.
Python's modules: `Workspace.find_module`. Only files of the workspace are found, never those of libraries.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Callable, Iterator

from nano_lsp.code.document import load_document
from nano_lsp.code.named_modules import find_csharp, find_java, find_lua, find_ruby, find_script
from nano_lsp.code.workspace import Workspace
from nano_lsp.errors import DocumentError

_ECMASCRIPT = (".ts", ".tsx", ".d.ts", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
_COMPILED = (".js", ".jsx", ".mjs", ".cjs")  # an import names the file that TypeScript makes of a source file
_GO_MODULE = re.compile(r"^module\s+\"?([^\s\"]+)", re.MULTILINE)
_CRATE = re.compile(r"^\[package\][^\[]*?^name\s*=\s*[\"']([\w-]+)", re.MULTILINE)
_RUST_ROOTS = ("lib.rs", "main.rs", "mod.rs")
_RUST_ROOT_FOLDERS = {"tests", "examples", "benches", "bin"}  # each file in them is a crate

FindFiles = Callable[[str, str, Workspace], list[str]]
"""Function from a module, the importing file's path and the workspace to the paths of the module's files."""


def find_module_files(language: str, module: str, importer: str, workspace: Workspace) -> list[str]:
    """Find the files of a module, as paths relative to the workspace; empty if it has none.

    Args:
        language: LSP id of the importing file's language.
        module: Module as the import names it.
        importer: Path of the importing file, relative to the root.
        workspace: The workspace.
    """
    finder = _FINDERS.get(language)
    return finder(module, importer, workspace) if finder else []


def _ecmascript(module: str, importer: str, workspace: Workspace) -> list[str]:
    """A relative path, without its suffix or that of a folder's index; or one below `@/` or `~/`, by convention."""
    if module.startswith("."):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(importer), module))
        base = "" if path == "." else path  # the root of the workspace
        return workspace.first_file(list(_ecmascript_names(base)))
    if module.startswith(("@/", "~/")):
        return workspace.first_file([f"%/{name}" for name in _ecmascript_names(f"src/{module[2:]}")]) or (
            workspace.first_file(list(_ecmascript_names(f"src/{module[2:]}")))
        )
    return []


def _ecmascript_names(base: str) -> Iterator[str]:
    stem, suffix = posixpath.splitext(base)
    if suffix in _ECMASCRIPT or suffix == ".vue":
        yield base
    if suffix in _COMPILED:
        yield from (f"{stem}{other}" for other in _ECMASCRIPT)
    yield from (f"{base}{other}" for other in _ECMASCRIPT)
    yield from (posixpath.join(base, f"index{other}") for other in _ECMASCRIPT)


def _go(module: str, importer: str, workspace: Workspace) -> list[str]:
    """The files of a package: of the folder that `go.mod` says, else of that whose path is the longest end of it.

    The module `.` is the importer's own package.
    """
    folder = posixpath.dirname(importer)
    if module != ".":
        parts = module.split("/")
        ends = ["/".join(parts[i:]) for i in range(len(parts))]
        folders = workspace.folders(".go")
        root, name = _manifest(folder, "go.mod", _GO_MODULE, workspace)
        of_module = bool(name) and f"{module}/".startswith(f"{name}/")
        if of_module:
            ends = [posixpath.join(root, module[len(name) + 1 :]).rstrip("/")]
        found = next((end for end in ends if end in folders), None)
        if found is None or (not of_module and len(parts) > 1 and found == parts[-1] and "." not in parts[0]):
            return []  # of the standard library, whose `net/http` is not the workspace's `http`
        folder = found
    files = workspace.files_in(folder, ".go")
    return [name for name in files if not name.endswith("_test.go") and name != importer]


def _rust(module: str, importer: str, workspace: Workspace) -> list[str]:
    """The file of a path of modules: from the crate, the parent or this module, or from another crate."""
    first, *rest = module.split("::")
    folder, name = posixpath.split(importer)
    is_root = name in _RUST_ROOTS or posixpath.basename(folder) in _RUST_ROOT_FOLDERS
    own = folder if is_root else posixpath.join(folder, name.removesuffix(".rs"))
    if first == "crate":
        bases = [parent for parent in _parents(folder) if workspace.first_file(_in(parent, "lib.rs", "main.rs"))]
        base = bases[0] if bases else folder
    elif first == "self":
        base = own
    elif first == "super":
        base = posixpath.dirname(own)
        while rest[:1] == ["super"]:
            base, rest = posixpath.dirname(base), rest[1:]
    else:
        crate_folder, crate = _manifest(folder, "Cargo.toml", _CRATE, workspace)
        if first == crate.replace("-", "_"):
            base = posixpath.join(crate_folder, "src")
        else:
            roots = [f"%{name}/src/lib.rs" for name in (first, first.replace("_", "-"))]
            found = workspace.first_file(
                [*roots, *(root[1:] for root in roots), *(f"%/{root[1:]}" for root in roots)]
            )
            if not found:
                return []
            base = posixpath.dirname(found[0])
    path = posixpath.join(base, *rest)
    names = [f"{path}.rs", *_in(path, *_RUST_ROOTS)] if rest else [*_in(base, *_RUST_ROOTS), f"{base}.rs"]
    return workspace.first_file([name for name in names if name != importer])


def _manifest(folder: str, name: str, named: re.Pattern[str], workspace: Workspace) -> tuple[str, str]:
    """Folder and package name of the nearest manifest in a folder or above it; empty if the workspace has none."""
    for parent in _parents(folder):
        path = workspace.root / parent / name
        if workspace.relative(str(path)) is None:  # a link that leaves the workspace
            continue
        with contextlib.suppress(DocumentError):
            found = named.search(load_document(path).text)
            if found:
                return parent, found[1]
    return "", ""


def _parents(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def _in(folder: str, *names: str) -> list[str]:
    return [posixpath.join(folder, name) for name in names]


def _c(module: str, importer: str, workspace: Workspace) -> list[str]:
    """An included file: beside the importer, else the nearest to the root whose path ends so."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(importer), module))
    found = workspace.first_file([beside, module, f"%/{module}"])
    return [name for name in found if name != importer]


_FINDERS: dict[str, FindFiles] = {
    **dict.fromkeys(("javascript", "typescript", "typescriptreact"), _ecmascript),
    **dict.fromkeys(("c", "cpp"), _c),
    "go": _go,
    "rust": _rust,
    "java": find_java,
    "csharp": find_csharp,
    "ruby": find_ruby,
    "lua": find_lua,
    "shellscript": find_script,
}
