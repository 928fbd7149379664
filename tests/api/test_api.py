"""What the package offers to Python, on a model without weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nano_lsp
from nano_lsp.api import close_assistants
from nano_lsp.errors import ConfigError, DocumentError, ModelMissingError


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], None]]:
    def write(replies: dict[str, str]) -> None:
        path = tmp_path / "script.json"
        path.write_text(json.dumps(replies))
        monkeypatch.setenv("NANO_LSP_MODEL", f"scripted:{path}")

    yield write
    close_assistants()


def double(number: int) -> int:
    return 2 * number


def test_ask_explain_complete(say: Callable[[dict[str, str]], None]) -> None:
    say({"assistant\n": "It doubles.", "def one():": "\n    return 1\n"})
    assert nano_lsp.ask("What?") == "It doubles."
    assert nano_lsp.explain(double) == "It doubles."
    assert nano_lsp.explain("x = 1") == "It doubles."
    assert nano_lsp.complete("def one():") == "\n    return 1"


def test_docstring(say: Callable[[dict[str, str]], None]) -> None:
    say({'"""': "Doubles a number.", "number: ": "To double.", "Returns:\n    ": "The double."})
    said = nano_lsp.docstring(double, style="google")
    assert said.startswith("Doubles a number.")
    assert "number: To double." in said


def test_bad_input() -> None:
    with pytest.raises(DocumentError, match="empty"):
        nano_lsp.ask(" ")
    with pytest.raises(DocumentError, match="type int"):
        nano_lsp.explain(3)
    with pytest.raises(ModelMissingError):
        nano_lsp.complete("x = ")
    with pytest.raises(AttributeError):
        nano_lsp.nothing  # noqa: B018


def test_a_style_that_is_none(say: Callable[[dict[str, str]], None]) -> None:
    say({})
    with pytest.raises(ConfigError, match="google"):
        nano_lsp.docstring(double, style="word")
    with pytest.raises(DocumentError, match="no function"):
        nano_lsp.docstring("x = 1")
