"""The next edit in cells and files, from the texts that a page sends; the service alone, on the scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from nano_lsp_jupyter.messages import Cell, ControlRequest, Cursor, RejectedEdit, SuggestRequest
from nano_lsp_jupyter.next_edits import CellEdits
from nano_lsp_jupyter.service import Service

from nano_lsp.config import find_folders

LIMIT_S = 60  # generous, for a busy machine
AREA = "# 🎉\ndef area(w, h):\n    return w * h\n"
CALL = "print(area(w=3, h=4))\n"
RENAMED = AREA.replace("(w,", "(width,")
DONE = RENAMED.replace("w *", "width *")
REPLIES = {
    "def area(width, h):\n": "    return width * h\n",
    "def area(width, h):\n\n": "print(area(width=3, h=4))\n",
    "width * h\n\n": "print(area(width=3, h=4))\n",
    "def size(w, h):\n\n": "print(size(w=3, h=4))\n",
    "+frame = load()\n\n": "print(frame)\n",
    "x = ": "1\n",
}


class Page:
    """A page with a notebook or a file."""

    def __init__(self, service: Service, **settings: object) -> None:
        self.service = service
        self.settings = settings
        self.cells = {"a": AREA, "b": CALL}
        self.path, self.language, self.name = "book.ipynb", "python", "one"
        self.active = "a"
        self._number = 0

    def fields(self) -> dict[str, Any]:
        self._number += 1
        cells = [Cell(code, id=identifier) for identifier, code in self.cells.items()]
        index = [*self.cells].index(self.active)
        about = {"path": self.path, "language": self.language, "page": self.name, "number": self._number}
        return {**about, "cells": cells, "index": index, "offset": len(self.cells[self.active])}

    async def ask(self) -> dict[str, Any] | None:
        return await self.service.find_next_edit(Cursor(**self.fields()))

    async def edit(self, cell: str, text: str) -> dict[str, Any] | None:
        """Change a cell; returns the next edit."""
        self.cells[cell] = text
        return await self.ask()

    async def accept(self, edit: dict[str, Any]) -> dict[str, Any] | None:
        """Make an edit; returns the next one."""
        text, change = self.cells[edit["cell"]], edit["change"]
        assert text[edit["start"] :].startswith(edit["old"])
        return await self.edit(edit["cell"], text[: change["start"]] + change["text"] + text[change["end"] :])

    def set(self, **settings: object) -> None:
        """Send the user's settings, with some that have changed."""
        self.settings.update(settings)
        self.service.control(ControlRequest(settings=self.settings))

    @property
    def n_evaluated(self) -> int:
        return int(self.service.describe()["counters"]["evaluated_tokens"])


def run(folder: Path, work: Callable[[Page], Coroutine[Any, Any, None]], **settings: object) -> None:
    """Run a page's work once the model is loaded."""
    script = folder / "script.json"
    script.write_text(json.dumps(REPLIES))
    of_model = {"model": f"scripted:{script}", "engine": "in-process", "prefetch": False, "warmUp": "never"}

    async def start() -> None:
        service = Service(find_folders(), folder)
        page = Page(service, debounceMs=0, nextEdit=True, **of_model)
        page.set(**settings)
        await service.session.wait()
        try:
            await work(page)
        finally:
            service.stop()
            await service.session.closed()

    asyncio.run(asyncio.wait_for(start(), LIMIT_S))


def test_a_renamed_parameter_leads_to_its_uses_in_all_cells(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        assert await page.ask() is None
        first = await page.edit("a", RENAMED)
        assert first is not None
        start = RENAMED.index("    return")
        change = {"start": start + 12, "end": start + 12, "text": "idth"}
        sides = {"old": "    return w * h", "new": "    return width * h"}
        assert first == {"cell": "a", "start": start, "change": change, **sides}
        second = await page.accept(first)
        assert page.cells["a"] == DONE
        assert second is not None
        assert (second["cell"], second["new"]) == ("b", "print(area(width=3, h=4))")
        assert await page.accept(second) is None
        assert page.cells["b"] == CALL.replace("w=", "width=")

    run(tmp_path, work)


def test_a_renamed_variable_leads_to_its_uses_in_other_cells(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        page.cells = {"a": "df = load()", "b": "print(df)"}
        await page.ask()
        edit = await page.edit("a", "frame = load()")
        assert edit is not None
        assert (edit["cell"], edit["new"]) == ("b", "print(frame)")

    run(tmp_path, work)


def test_cells_that_are_moved_added_split_or_removed_are_not_edits(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.ask()
        first = await page.edit("a", RENAMED)
        page.cells = {"new": "x = 1\n", "b": CALL, "a": RENAMED}  # moved, and one added above
        assert first is not None
        assert await page.ask() == first
        head, tail = RENAMED[: first["start"]], RENAMED[first["start"] :]
        page.cells = {"new": "x = 1\n", "b": CALL, "a": head, "rest": tail}  # split
        assert await page.ask() is None
        page.cells = {"a": CALL}  # two removed, and the text of one in the place of another
        assert await page.ask() is None

    run(tmp_path, work)


def test_an_edit_in_a_removed_cell_leads_nowhere(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        page.active = "b"
        await page.ask()
        edit = await page.edit("a", AREA.replace("area", "size"))
        assert edit is not None
        assert (edit["cell"], edit["new"]) == ("b", CALL.replace("area", "size").strip())
        del page.cells["a"]
        assert await page.ask() is None

    run(tmp_path, work)


def test_a_rejected_edit_is_not_offered_again(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.ask()
        first = await page.edit("a", RENAMED)
        assert first is not None
        page.service.reject_next_edit(RejectedEdit(first["old"], first["new"]))
        second = await page.ask()
        assert second is not None
        assert (first["cell"], second["cell"]) == ("a", "b")

    run(tmp_path, work)


def test_nothing_is_offered_after_undo_nor_after_a_paste(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.ask()
        assert await page.edit("a", RENAMED)
        assert await page.edit("a", AREA) is None
        assert await page.edit("a", "x = " + "1 + " * 30 + "1\n" + RENAMED) is None

    run(tmp_path, work)


def test_another_page_and_an_old_message_begin_nothing(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.ask()
        late = Cursor(**page.fields())
        assert await page.edit("a", RENAMED)
        assert await page.service.find_next_edit(late) is None
        page.service.move_cursor(late)
        assert await page.ask()  # the old text has not come back
        other = Page(page.service)
        other.name = "two"
        other.cells["a"] = AREA.replace("(w,", "(wide,")
        assert await other.ask() is None
        assert await page.ask() is None

    run(tmp_path, work)


def test_a_closed_notebook_is_forgotten(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.ask()
        assert await page.edit("a", RENAMED)
        page.service.close(page.path)
        assert await page.ask() is None

    run(tmp_path, work)


def test_a_file_has_next_edits_and_a_console_none(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        page.active = ""
        for path, language in (("app.py", ""), ("console/book.ipynb", "python")):
            page.path, page.language, page.cells = path, language, {"": AREA}
            await page.ask()
            edit = await page.edit("", RENAMED)
            assert (edit is not None) == (path == "app.py")
            assert edit is None or edit["cell"] == ""

    run(tmp_path, work)


def test_suggestions_see_edits_and_go_first(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        page.cells["c"] = "x ="
        await page.ask()
        page.cells["a"] = RENAMED
        await page.service.suggest(SuggestRequest(**page.fields()), lambda _: None)
        page.active, page.cells["c"] = "c", "x = "
        (shown,) = await page.service.suggest(SuggestRequest(**page.fields()), lambda _: None)
        assert shown.text == "1"
        assert await page.ask() is None
        page.active = "a"
        assert await page.ask()

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        ("book.ipynb", {"nextEdit": False}),
        ("secrets/.env", {}),
        ("private.ipynb", {"exclude": ["private*"]}),
        ("book.ipynb", {"languages": {"python": False}}),
    ],
)
def test_where_there_is_none_nothing_runs(tmp_path: Path, path: str, settings: dict[str, Any]) -> None:
    async def work(page: Page) -> None:
        page.path = path
        await page.ask()
        assert await page.edit("a", RENAMED) is None
        assert page.n_evaluated == 0

    run(tmp_path, work, **settings)


def test_cells_in_a_language_without_suggestions_are_not_read(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        page.cells = {"a": AREA, "b": "%%sql\nselect area from rooms\n"}
        assert [*CellEdits(page.service.session).update("book.ipynb", Cursor(**page.fields()))] == ["a"]

    run(tmp_path, work, languages={"sql": False})


def test_what_was_edited_is_forgotten_once_it_is_off(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.ask()
        assert await page.edit("a", RENAMED)
        page.set(nextEdit=False)
        assert await page.ask() is None
        page.set(nextEdit=True)
        assert await page.ask() is None
        page.service.control(ControlRequest(paused=True))
        assert await page.edit("a", AREA) is None
        page.service.control(ControlRequest(paused=False))
        page.path = "other.ipynb"
        assert await page.ask() is None
        assert await page.edit("a", RENAMED)

    run(tmp_path, work)


def test_a_key_and_a_page_that_leaves_end_the_search(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.ask()
        page.cells["a"] = RENAMED
        waiting = [asyncio.ensure_future(page.ask()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        page.cells["a"] = RENAMED.replace("width,", "wide,")
        page.service.move_cursor(Cursor(**page.fields()))
        await asyncio.wait(waiting)
        assert waiting[0].cancelled()
        assert waiting[1].result() is None

    run(tmp_path, work, debounceMs=5000)
