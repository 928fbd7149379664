"""The Jupyter server's side knows of `nano_lsp` what an adapter may know, and no adapter."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "jupyter_ext/nano_lsp_jupyter"
MAY_KNOW = ("assistant", "chat", "code", "config", "docstrings", "editor", "edits", "errors")


def test_it_imports_no_adapter_and_no_engine() -> None:
    files = list(PACKAGE.glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                top, _, rest = module.partition(".")
                assert top != "nano_lsp" or rest.startswith(MAY_KNOW), f"{file.name} imports {module}"
