"""The Jupyter server extension imports from `nano_lsp` only what an adapter may import, and no other adapter."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "jupyter_ext/nano_lsp_jupyter"
ALLOWED = ("assistant", "chat", "code", "config", "docstrings", "editor", "edits", "errors", "next_edit")


def test_it_imports_neither_adapters_nor_the_engine() -> None:
    files = list(PACKAGE.glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                top, _, rest = module.partition(".")
                assert top != "nano_lsp" or rest.startswith(ALLOWED), f"{file.name} imports {module}"
