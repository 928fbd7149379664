"""What the handlers share: the assistant behind its session, and what the documents' kernels know."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nano_lsp.assistant.context import NULL_LISTENER, ProgressListener
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.definitions import definition_at, undocumented
from nano_lsp.code.document import TextEdit, apply_edits
from nano_lsp.code.languages import PYTHON, language_of
from nano_lsp.code.notebook import Cell, as_python, build_notebook_text
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.config import Folders
from nano_lsp.editor.quiet_reason import Quiet, hidden_reason
from nano_lsp.editor.session import Session, State, Status
from nano_lsp.editor.typing_pace import TypingPace
from nano_lsp.errors import NanoError
from nano_lsp_jupyter import messages
from nano_lsp_jupyter.live import read_reply

if TYPE_CHECKING:  # not imported: the Jupyter server starts before the assistant is
    from nano_lsp.assistant.job import Job
    from nano_lsp.editor.ghost_text import Suggestion
    from nano_lsp.edits.cells import CellCode

Tell = Callable[[dict[str, object]], None]
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_MAX_ERROR = 1200
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


class Service:
    """The assistant of one Jupyter server. Use it on the server's event loop.

    Args:
        folders: of this user.
        root: that the server shows; its Python files are read where it is a project.

    Attributes:
        session: has the model.
        status: told last.
    """

    def __init__(self, folders: Folders, root: Path) -> None:
        self.session = Session(folders, self._show, "jupyter")
        self.status = Status(State.LOADING, "Starting.")
        self._is_project = any((root / name).exists() for name in _PROJECT_FILES)
        self._root = root
        self.session.roots = [root] if self._is_project else []
        self._pace = TypingPace()
        self._begun = False
        self._n_busy = 0
        self._quiet: tuple[str, Quiet] | None = None  # the document of the newest request, and why it gets nothing
        self._newest: dict[str, messages.Suggest] = {}
        self._live_names: dict[str, str] = {}

    def control(self, control: messages.Control) -> list[str]:
        """Take over what the user has set, the first time with the model's loading; returns what cannot be used."""
        warnings: list[str] = []
        if control.settings is not None:
            project = self._root if self._is_project else None
            settings, warnings = self.session.read_settings(control.settings, project=project)
            self.session.apply(settings)
            self._quiet = None  # the next request says what holds now
        if control.paused is not None:
            self.session.paused = control.paused
            self._quiet = None
            self._show(self.session.idle_status)
        if control.reload or not self._begun:
            self._begun = True
            self.session.start()
        return warnings

    def describe(self) -> dict[str, Any]:
        """The status, whether the server knows what the user has set, and how suggestions came about."""
        ghost_text = self.session.ghost_text
        counters: dict[str, Any] = {}
        if ghost_text:
            totals = asdict(ghost_text.assistant.totals)
            counters = {**asdict(ghost_text.stats), **{n: v for n, v in totals.items() if n.endswith("_tokens")}}
            counters["pending"] = ghost_text.pending
            acceptance = self.session.acceptance
            counters |= {
                "shown": acceptance.n_shown,
                "accepted": acceptance.n_accepted,
                "hidden": self.session.n_hidden,
            }
        path, quiet = self._quiet or ("", None)
        status = {**asdict(self.status.with_reason(quiet, path)), "state": self.status.state.value}
        model = self.session.settings.model
        return {**status, "begun": self._begun, "model": model, "counters": counters}

    async def suggest(self, asked: messages.Suggest, tell: Tell) -> Sequence[Suggestion]:
        """What to show at a cursor, once the model is there; nothing where a newer request has come.

        Acceptance is seen here as well: the front end asks after each change that a suggestion does not foresee, so
        also after one was accepted or typed to its end, and sends all cells.

        Args:
            asked: where.
            tell: is told the `text` of whole lines that can be shown already, while others are on their way.

        Raises:
            ValueError: there is no such cell, or no such place in it.
            NanoError: the model cannot be loaded, or has failed.
        """
        task = self._task(asked)
        if self._is_overtaken(task.name, asked):
            return ()
        text, offset = _joined(asked)
        self.session.acceptance.changed(task.name, text)
        quiet = self.session.quiet_reason(task.name, task.language, len(task.text))
        self._quiet = (asked.path, quiet) if quiet else None
        if quiet:
            return ()
        self._newest[task.name] = asked
        ghost_text = await (self.session.wait() if asked.invoked else self.session.wait_quietly())
        if ghost_text is None or self._newest.get(task.name) is not asked:
            return ()
        ghost_text.changed(task)
        if not asked.invoked:
            self._pace.observe(time.monotonic())
            if ghost_text.find(task) is None:
                await asyncio.sleep(self._pace.wait_s(self.session.settings.debounce_ms / 1000))
                if self._newest.get(task.name) is not asked:
                    return ()
        try:
            if asked.invoked:
                found = await ghost_text.alternatives(task)
            else:
                grows = not ghost_text.may_hide(task.language)  # what was shown is not taken away
                lines = _Lines(asyncio.get_running_loop(), tell) if grows else NULL_LISTENER
                found = [await ghost_text.suggest(task, lines)]
        except NanoError as error:
            self._show(Status(State.ERROR, error.message, error.remedy))
            raise
        if self._newest.get(task.name) is not asked:
            return ()
        hidden = next(filter(None, map(hidden_reason, found)), None)
        self._quiet = (asked.path, hidden) if hidden else None
        shown = [one for one in found if one.text]
        for one in shown:
            acceptance = self.session.acceptance
            acceptance.show(task.name, text, offset, task.language, one, invoked=asked.invoked)
        return shown

    async def work(self, asked: messages.Work, tell: Tell) -> None:
        """Explain, document or fix.

        Args:
            asked: what to do.
            tell: is told `text` so far, `part` of how many, and `code` as it would be.

        Raises:
            NanoError: it failed; nothing has been changed.
        """
        from nano_lsp.chat import Explain  # noqa: PLC0415 - the Jupyter server starts before the assistant is

        code, error = asked.code, _plain_error(asked.error)
        if asked.kind == "docstring":
            tell({"code": apply_edits(code, await self._document(code, asked.offset, tell))})
        elif asked.kind == "fix":
            from nano_lsp.edits.cells import FixCell  # noqa: PLC0415 - as above

            fixed: CellCode = await self._do(FixCell(code, error), tell)
            tell({"text": fixed.why})
            if not fixed.code:
                raise NanoError("The model has no correction that holds.", "Explain says what it knows of the error.")
            tell({"code": fixed.code})
        else:
            await self._do(Explain(code, asked.language, error[:_MAX_ERROR]), tell)

    def remember_names(self, told: messages.LiveNames) -> None:
        """A kernel has come to rest: these are its names, until it does again."""
        self._live_names[self._name(told.path)] = read_reply(told.reply)

    def close(self, path: str) -> None:
        """Forget a document."""
        name = self._name(path)
        self._newest.pop(name, None)
        self._live_names.pop(name, None)
        self.session.acceptance.close(name)
        if self._quiet and self._quiet[0] == path:
            self._quiet = None
        if self.session.ghost_text:
            self.session.ghost_text.close(name)

    def stop(self) -> None:
        """Write down what became of suggestions, and let go of the model."""
        self.session.acceptance.flush()
        self.session.stop()

    def _name(self, path: str) -> str:
        return str(self._root / path) if self._is_project else path

    def _is_overtaken(self, name: str, asked: messages.Suggest) -> bool:
        """Whether what the page has asked later is here already: a proxy, or another connection, may be faster."""
        newest = self._newest.get(name)
        return newest is not None and newest.page == asked.page and newest.number > asked.number

    def _task(self, asked: messages.Suggest) -> CompletionInput:
        if asked.index >= len(asked.cells) or asked.offset > len(asked.cells[asked.index].code):
            raise ValueError("There is no such cell, or no such place in it.")
        name = self._name(asked.path)
        if not asked.language:
            language = language_of(name).name
            return CompletionInput(name, asked.cells[asked.index].code, asked.offset, language)
        cells = [Cell(cell.code, cell.language or asked.language, cell.execution_count) for cell in asked.cells]
        text, offset, language = build_notebook_text(cells, asked.index, asked.offset)
        context = self._live_names.get(name, "") if language == "python" else ""
        return CompletionInput(name, text, offset, language, context)

    async def _document(self, code: str, offset: int | None, tell: Tell) -> list[TextEdit]:
        """The edits that document a cell's definition at an offset, or all that need it; a cell itself needs none."""
        from nano_lsp.docstrings import WriteDocstrings  # noqa: PLC0415 - as above

        code = as_python(code)  # of the same length
        tree = SyntaxTree.parse(code, PYTHON)
        around = definition_at(tree, offset) if tree and offset is not None else None
        if around is not None and around.name:
            chosen = [around]
        else:
            chosen = [found for found in undocumented(tree) if found.name] if tree else []
        edits: list[TextEdit] = []
        for found in chosen:
            job = WriteDocstrings(code, found.start, found.name, self.session.settings.docstring_style)
            edits += [one.edit for one in await self._do(job, tell)]
        if not edits:
            raise NanoError("There is nothing to document.", "Put a function or class into the cell that parses.")
        return edits

    async def _do(self, job: Job[Any], tell: Tell) -> Any:  # noqa: ANN401 - whatever comes out of the job
        if not self._begun:
            self.control(messages.Control())
        ghost_text = await self.session.wait()
        self._set_busy(1)
        try:
            listener = _Listener(asyncio.get_running_loop(), tell)
            result = await ghost_text.assistant.run_async(job, listener)
        finally:
            self._set_busy(-1)
        if isinstance(result, str):
            tell({"text": result})
        return result

    def _set_busy(self, change: int) -> None:
        self._n_busy += change
        if self.status.state in {State.READY, State.BUSY}:
            self._show(Status(State.BUSY, "Working.") if self._n_busy else self.session.idle_status)

    def _show(self, status: Status) -> None:
        self.status = status


@dataclass
class _Listener(ProgressListener):
    """Passes on what it is told to the event loop."""

    loop: asyncio.AbstractEventLoop
    tell: Tell

    def on_part(self, done: int, total: int) -> None:
        """So many of the parts of a result are done."""
        self._pass_on({"part": [done, total]})

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        self._pass_on({"text": text})

    def _pass_on(self, told: dict[str, object]) -> None:
        self.loop.call_soon_threadsafe(self.tell, told)


@dataclass
class _Lines(_Listener):
    """Passes on whole lines of a suggestion that grows: an only line may still be cut, or become another."""

    told: str = ""

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        if "\n" in text.rstrip() and text != self.told:
            self.told = text
            super().on_text(text)


def _joined(asked: messages.Suggest) -> tuple[str, int]:
    """All cells as one text, and the offset of the cursor in it."""
    codes = [cell.code for cell in asked.cells]
    return "\0".join(codes), sum(len(code) + 1 for code in codes[: asked.index]) + asked.offset


def _plain_error(error: tuple[str, str, list[str]] | None) -> str:
    """What a kernel says of an error, without colours; its traceback ends with the error itself."""
    if error is None:
        return ""
    name, value, traceback = error
    told = _ANSI.sub("", "\n".join(traceback)).strip()
    return told if name in told else f"{told}\n{name}: {value}".strip()
