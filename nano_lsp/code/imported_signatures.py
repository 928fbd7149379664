"""Signatures of the names that a file imports from its workspace, as code for a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nano_lsp.code.outline import Import, Symbol
from nano_lsp.code.window import CountTokens
from nano_lsp.code.workspace import Workspace

_MAX_HOPS = 3  # packages that re-export a name


def build_imported(
    imports: Iterable[Import], path: str, workspace: Workspace, budget_tokens: int, count: CountTokens
) -> str:
    """Build the signatures of the names that a document imports from its workspace, within a budget."""
    importer = workspace.relative(path)
    if importer is None:
        return ""
    parts: list[str] = []
    left, last = budget_tokens, ""
    for file_name, symbol in _imported_symbols(imports, importer, workspace):
        code = "".join(f"{line}\n" for line in _lines(symbol))
        if file_name != last:
            code = f"# {file_name}\n{code}"
        n_tokens = count(code)
        if n_tokens > left:
            continue
        parts.append(code)
        left, last = left - n_tokens, file_name
    return "".join(parts)


def _imported_symbols(imports: Iterable[Import], importer: str, workspace: Workspace) -> Iterator[tuple[str, Symbol]]:
    """File and definition of each imported name that the workspace defines, in the order of the imports."""
    seen = set()
    for imported in imports:
        for found in _resolve(imported, importer, workspace):
            key = (found[0], found[1].name)
            if key not in seen and found[0] != importer:
                seen.add(key)
                yield found


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


def _lines(symbol: Symbol) -> Iterator[str]:
    """A definition as shown in a prompt: one line; for a class, also its public members."""
    yield symbol.code
    for member in symbol.members:
        if not member.name.startswith("_") or member.name == "__init__":
            yield f"    {member.code}"
    if symbol.code.startswith("class") and not symbol.members:
        yield "    ..."
