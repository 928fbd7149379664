"""What a document imports from its workspace, with the real model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_nano import at_cursor, run

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("models")]
SHELF = '''class Shelf:
    """A shelf in the cold store."""

    def reserve_slots(self, crate_id: str, *, weight_kg: float) -> list[int]:
        """Slots for a crate."""
        return []
'''
APP = '''from shelf import Shelf


def store(shelf: Shelf, crate_id: str, weight: float) -> list[int]:
    """Reserve slots for a crate."""
    return shelf.|
'''


def test_a_name_that_only_the_workspace_knows_is_right(tmp_path: Path) -> None:
    (tmp_path / "shelf.py").write_text(SHELF)
    location = at_cursor(tmp_path / "app.py", APP)
    assert run("complete", location, "--workspace", str(tmp_path)).strip() == (
        "reserve_slots(crate_id, weight_kg=weight)"
    )
