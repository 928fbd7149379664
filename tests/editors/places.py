"""Finds the editors that the tests run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nano-lsp-ci" / "editors"


def missing(editor: str, remedy: str) -> NoReturn:
    """Skip the test for a missing editor or tool."""
    pytest.skip(f"needs {editor}: {remedy}")


def cached_editor(name: str, title: str) -> str:
    """The program of an editor downloaded by `tests/editors/fetch.sh`."""
    program = _CACHE / name / "run"
    return str(program) if program.exists() else missing(title, f"tests/editors/fetch.sh {name}")


def installed_editor(program: str, title: str, remedy: str) -> str:
    """The program of an installed editor."""
    return shutil.which(program) or missing(title, remedy)
