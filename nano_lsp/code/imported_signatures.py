"""Signatures of the names that a file imports from its workspace, as code for a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from nano_lsp.code.languages import PYTHON, Language
from nano_lsp.code.module_files import find_module_files
from nano_lsp.code.outline import Import, Outline, Symbol
from nano_lsp.code.window import CountTokens
from nano_lsp.code.workspace import Workspace

_MAX_HOPS = 3  # packages that re-export a name
_EXPORTED = r"export |exports\.|module\.exports"
_PUBLIC = {
    "rust": r"pub |pub\(crate\)|#\[",
    "c": r"(?!static )",
    "cpp": r"(?!static )",
    "java": r".*\bpublic\b",
    "csharp": r"(?!file )",
    "lua": r"(?!local )",
    "ruby": "",
    "shellscript": "",
}
"""What the code of a definition begins with that other files may use, in languages without `export`."""
_MEMBERS_IMPORTED = {"java", "csharp"}  # languages that import the static members of a class by name


def build_imported(
    imports: Iterable[Import],
    path: str,
    workspace: Workspace,
    budget_tokens: int,
    count: CountTokens,
    *,
    language: Language = PYTHON,
) -> str:
    """Build the signatures of the names that a document imports from its workspace, within a budget.

    Args:
        imports: The document's imports.
        path: Its path.
        workspace: The workspace.
        budget_tokens: Maximum number of tokens.
        count: Function that counts the tokens of a text.
        language: Language of the document.
    """
    importer = workspace.relative(path)
    if importer is None:
        return ""
    parts: list[str] = []
    left, last = budget_tokens, ""
    for file_name, symbol in _imported_symbols(imports, importer, workspace, language):
        code = "".join(f"{line}\n" for line in _lines(symbol, language))
        if file_name != last:
            code = f"{language.comment} {file_name}\n{code}"
        n_tokens = count(code)
        if n_tokens > left:
            continue
        parts.append(code)
        left, last = left - n_tokens, file_name
    return "".join(parts)


def _imported_symbols(
    imports: Iterable[Import], importer: str, workspace: Workspace, language: Language
) -> Iterator[tuple[str, Symbol]]:
    """File and definition of each imported name that the workspace defines, in the order of the imports."""
    seen = set()
    imports = _qualified(imports, language)
    if language.name == "go":  # the other files of the package need no import
        imports = [*imports, Import("", ".")]
    for imported in imports:
        resolved = (
            _resolve(imported, importer, workspace)
            if language is PYTHON
            else _resolve_in_files(imported, importer, workspace, language)
        )
        for found in resolved:
            key = (found[0], found[1].name)
            if key not in seen and found[0] != importer:
                seen.add(key)
                yield found


def _resolve_in_files(
    imported: Import,
    importer: str,
    workspace: Workspace,
    language: Language,
    *,
    hops: int = _MAX_HOPS,
    seen: set[tuple[str, str]] | None = None,
) -> Iterator[tuple[str, Symbol]]:
    """File and definition of an imported name, or of all public ones if the whole module is imported.

    `seen` are the files and names looked up so far: modules may pass on all names of each other.
    """
    seen = set() if seen is None else seen
    modules = [imported.module]
    if language.name == "rust" and imported.original:
        modules.append(f"{imported.module}::{imported.original}")  # the name may be that of a module
    for module, name in zip(modules, (imported.original, ""), strict=False):
        for file_name in find_module_files(language.name, module, importer, workspace):
            if (file_name, name) in seen:
                continue
            seen.add((file_name, name))
            outline = workspace.outline(file_name) or Outline()
            imports = _qualified(outline.imports, language)
            if name in {"", "*"}:
                yield from ((file_name, each) for each in _public(outline, imports, language, own=module == "."))
                # Of ES modules: those of another module as well.
                passed_on = [each for each in imports if each.original == "*"]
            else:
                own = {each.name: each.original for each in imports if not each.module}.get(name, name)
                symbol = _named(own, outline, in_classes=language.name in _MEMBERS_IMPORTED)
                if symbol is not None:
                    yield file_name, symbol
                    return
                passed_on = [_wanted(own, each) for each in imports if each.module and each.name in {own, "*"}]
            for other in passed_on if hops else ():
                yield from _resolve_in_files(other, file_name, workspace, language, hops=hops - 1, seen=seen)
            if passed_on and name:
                return


def _wanted(name: str, passed_on: Import) -> Import:
    """The import of a name from the module that a file has it from."""
    return Import(name, passed_on.module, passed_on.original if passed_on.name == name else name)


def _public(outline: Outline, imports: Iterable[Import], language: Language, *, own: bool) -> Iterator[Symbol]:
    """The definitions of a file that others may use; all of them within its own package."""
    listed = {each.original for each in imports if not each.module}  # passed on under a name
    return (each for each in outline.symbols if own or each.name in listed or _is_public(each, language))


def _qualified(imports: Iterable[Import], language: Language) -> list[Import]:
    """The imports of a file; in Rust, a path may begin with a module that the file declares itself."""
    found = list(imports)
    own = {each.name for each in found if each.module == f"self::{each.name}"} if language.name == "rust" else set()
    return [
        Import(each.name, f"self::{each.module}", each.original) if each.module.partition("::")[0] in own else each
        for each in found
    ]


def _named(name: str, outline: Outline, *, in_classes: bool) -> Symbol | None:
    """The definition of a name; that of `default` is the one that is exported so."""
    if name != "default":
        members = (member for each in outline.symbols for member in each.members if in_classes)
        return outline.find(name) or next((each for each in members if each.name == name), None)
    return next((each for each in outline.symbols if each.code.startswith("export default ")), None)


def _is_public(symbol: Symbol, language: Language) -> bool:
    """Whether a definition can be used by other files."""
    code, name = symbol.code, symbol.name
    if language.name == "go":
        return name[:1].isupper()
    if language.name == "rust" and name == "tests":
        return False
    if language.name in {"c", "cpp"} and name.endswith(("_H", "_H_", "_HPP")):  # include guards
        return False
    return re.match(_PUBLIC.get(language.name, _EXPORTED), code) is not None


def _resolve(
    imported: Import, importer: str, workspace: Workspace, hops: int = _MAX_HOPS
) -> Iterator[tuple[str, Symbol]]:
    submodule = f"{imported.module}{'' if imported.module.endswith('.') else '.'}{imported.original}"
    if imported.original:
        file_name = workspace.find_module(imported.module, importer)
        outline = workspace.outline(file_name) if file_name else None
        if file_name and outline:
            symbol = outline.find(imported.original)
            if symbol:
                yield file_name, symbol
                return
            passed_on = next((i for i in outline.imports if i.name == imported.original), None)
            if passed_on and hops:
                yield from _resolve(passed_on, file_name, workspace, hops - 1)
                return
    file_name = workspace.find_module(submodule if imported.original else imported.module, importer)
    outline = workspace.outline(file_name) if file_name else None
    if file_name and outline:
        yield from ((file_name, symbol) for symbol in outline.symbols if not symbol.name.startswith("_"))


def _lines(symbol: Symbol, language: Language) -> Iterator[str]:
    """A definition as shown in a prompt: one line; for a class, also its public members."""
    yield symbol.code
    for member in symbol.members:
        if not _is_private(member, symbol, language) or member.name == "__init__":
            lines = [member.code] if language is PYTHON else _lines(member, language)
            yield from (f"    {line}" for line in lines)
    if language is PYTHON and symbol.code.startswith("class") and not symbol.members:
        yield "    ..."


def _is_private(member: Symbol, owner: Symbol, language: Language) -> bool:
    """Whether a member cannot be used outside of its class."""
    if language.name == "rust":  # a trait's are as public as the trait
        return not member.code.startswith(("pub ", "pub(crate)", "#[")) and " trait " not in f" {owner.code} "
    return member.name.startswith(("_", "#")) or member.code.startswith("private ")
