"""The service behind the handlers: the editor session with its assistant, and the kernels' variables."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.definitions import definition_at, undocumented
from nano_lsp.code.document import TextEdit, apply_edits
from nano_lsp.code.languages import PYTHON, language_of
from nano_lsp.code.notebook import Cell, as_python, build_notebook_text
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.config import Folders
from nano_lsp.editor.quiet_reason import Quiet, hidden_reason
from nano_lsp.editor.session import Session, State, Status
from nano_lsp.editor.suggester import Suggester
from nano_lsp.errors import NanoError
from nano_lsp_jupyter import messages
from nano_lsp_jupyter.kernel_variables import read_reply
from nano_lsp_jupyter.next_edits import CellEdits

if TYPE_CHECKING:  # imported later: the Jupyter server starts before the assistant
    from nano_lsp.assistant.job import Job
    from nano_lsp.editor.ghost_text import Suggestion
    from nano_lsp.edits.cells import CellCode

Send = Callable[[dict[str, object]], None]
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_MAX_ERROR_CHARS = 1200
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


class Service:
    """The assistant of one Jupyter server. Not thread-safe: use it on the server's event loop.

    Args:
        folders: The user's data, cache and runtime directories.
        root: The server's root directory; its files are indexed if it is a project.

    Attributes:
        session: The editor session, which owns the model.
        status: The current status.
    """

    def __init__(self, folders: Folders, root: Path) -> None:
        self.session = Session(folders, self._set_status, "jupyter")
        self.status = Status(State.LOADING, "Starting.")
        self._is_project = any((root / name).exists() for name in _PROJECT_FILES)
        self._root = root
        self.session.roots = [root] if self._is_project else []
        self._suggester = Suggester(self.session)
        self._next_edits = CellEdits(self.session)
        self._ghost_text_at: CompletionInput | None = None  # document and cursor of the suggestion that is shown
        self._is_configured = False
        self._n_running = 0
        self._quiet: tuple[str, Quiet] | None = None  # path of the latest request, and its reason
        self._newest: dict[str, tuple[str, int]] = {}  # page and number of the newest request, by document
        self._kernel_variables: dict[str, str] = {}

    def control(self, control: messages.ControlRequest) -> list[str]:
        """Apply settings, pause and reload; the first call loads the model. Returns warnings on invalid settings."""
        warnings: list[str] = []
        if control.settings is not None:
            project = self._root if self._is_project else None
            settings, warnings = self.session.read_settings(control.settings, project=project)
            self.session.apply(settings)
            self._next_edits.settings_changed()
            self._quiet = None  # the next request sets it again
        if control.paused is not None:
            self.session.paused = control.paused
            self._quiet = None
            self._set_status(self.session.idle_status)
        if control.reload or not self._is_configured:
            self._is_configured = True
            self.session.start()
        return warnings

    def describe(self) -> dict[str, Any]:
        """The status, whether the user's settings have been received, and the counters."""
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
        return {**status, "configured": self._is_configured, "model": model, "counters": counters}

    async def suggest(self, request: messages.SuggestRequest, send: Send) -> Sequence[Suggestion]:
        """Suggestions at a cursor; empty if the request has become stale (`Suggester.suggest`).

        An automatic request also says that the user has changed the document: the front end sends one with all cells
        after each change. Acceptance is detected in it.

        Args:
            request: Document and cursor.
            send: Receives the `text` of whole lines that can be shown while others are generated.

        Raises:
            ValueError: The cell or the offset does not exist.
            NanoError: The model cannot be loaded, or has failed.
        """
        completion_input = self._completion_input(request)
        if self._is_outdated(completion_input.name, request):
            return ()
        self._ghost_text_at = None
        self._next_edits.update(completion_input.name, request)
        text, offset = _join_cells(request)
        self.session.acceptance.changed(completion_input.name, text)
        quiet = self.session.quiet_reason(
            completion_input.name, completion_input.language, len(completion_input.text)
        )
        self._quiet = (request.path, quiet) if quiet else None
        if quiet:
            return ()
        self._newest[completion_input.name] = request.page, request.number
        if not request.invoked:
            self._suggester.changed(completion_input)
        lines = _WholeLineListener(asyncio.get_running_loop(), send)
        try:
            found = await self._suggester.suggest(completion_input, listener=lines, invoked=request.invoked)
        except NanoError as error:
            self._set_status(Status(State.ERROR, error.message, error.remedy))
            raise
        if found is None:
            return ()
        hidden = next(filter(None, map(hidden_reason, found)), None)
        self._quiet = (request.path, hidden) if hidden else None
        shown = [suggestion for suggestion in found if suggestion.text]
        self._ghost_text_at = completion_input if shown else None
        for suggestion in shown:
            acceptance = self.session.acceptance
            acceptance.show(completion_input.name, text, offset, completion_input.language, suggestion)
        return shown

    def move_cursor(self, cursor: messages.Cursor) -> None:
        """The cursor of the page rests there: the model reads the code around it (`Suggester.moved`).

        Raises:
            ValueError: The cell or the offset does not exist.
        """
        now = self._completion_input(cursor)
        self._next_edits.update(now.name, cursor)
        is_quiet = self.session.quiet_reason(now.name, now.language, len(now.text)) is not None
        if not is_quiet and not self._is_outdated(now.name, cursor):
            self._suggester.moved(now)

    async def find_next_edit(self, cursor: messages.Cursor) -> dict[str, object] | None:
        """The next edit, see `CellEdits.find`; None where a suggestion is shown at the cursor, which goes first.

        Raises:
            ValueError: The cell or the offset does not exist.
        """
        now = self._completion_input(cursor)
        try:
            found = await self._next_edits.find(now.name, cursor)
        except NanoError as error:
            self._set_status(Status(State.ERROR, error.message, error.remedy))
            return None
        return None if self._ghost_text_at == now else found

    def reject_next_edit(self, rejected: messages.RejectedEdit) -> None:
        """The user does not want an edit: it is not offered again."""
        self._next_edits.reject(rejected.old, rejected.new)

    async def run_action(self, request: messages.ActionRequest, send: Send) -> None:
        """Explain, document or fix code.

        Args:
            request: Action and code.
            send: Receives the `text` so far, `part` (number and total), and the proposed `code`.

        Raises:
            NanoError: The action failed; nothing has been changed.
        """
        from nano_lsp.chat import Explain  # noqa: PLC0415 - the Jupyter server starts before the assistant

        code, error = request.code, _format_error(request.error)
        if request.kind == "docstring":
            send({"code": apply_edits(code, await self._document(code, request.offset, send))})
        elif request.kind == "fix":
            from nano_lsp.edits.cells import FixCell  # noqa: PLC0415 - as above

            fix: CellCode = await self._run(FixCell(code, error), send)
            send({"text": fix.why})
            if not fix.code:
                raise NanoError("The model found no valid correction.", "Use Explain for a description of the error.")
            send({"code": fix.code})
        else:
            await self._run(Explain(code, request.language, error[:_MAX_ERROR_CHARS]), send)

    def set_kernel_variables(self, variables: messages.KernelVariables) -> None:
        """Store a kernel's variables, read after an execution."""
        self._kernel_variables[self._name(variables.path)] = read_reply(variables.reply)

    def close(self, path: str) -> None:
        """Discard the state of a document."""
        name = self._name(path)
        self._newest.pop(name, None)
        self._kernel_variables.pop(name, None)
        self.session.acceptance.close(name)
        if self._quiet and self._quiet[0] == path:
            self._quiet = None
        self._next_edits.forget(name)
        self._suggester.close(name)

    def stop(self) -> None:
        """Write the acceptance statistics, and release the model."""
        self.session.acceptance.flush()
        self.session.stop()

    def _name(self, path: str) -> str:
        return str(self._root / path) if self._is_project else path

    def _is_outdated(self, name: str, cursor: messages.Cursor) -> bool:
        """Whether a later request of the page has arrived first: a proxy may reorder requests."""
        page, number = self._newest.get(name, ("", 0))
        return page == cursor.page and number > cursor.number

    def _completion_input(self, cursor: messages.Cursor) -> CompletionInput:
        if cursor.index >= len(cursor.cells) or cursor.offset > len(cursor.cells[cursor.index].code):
            raise ValueError("The cell or the offset does not exist.")
        name = self._name(cursor.path)
        if not cursor.language:
            language = language_of(name).name
            return CompletionInput(name, cursor.cells[cursor.index].code, cursor.offset, language)
        cells = [Cell(cell.code, cell.language or cursor.language, cell.execution_count) for cell in cursor.cells]
        text, offset, language = build_notebook_text(cells, cursor.index, cursor.offset)
        context = self._kernel_variables.get(name, "") if language == "python" else ""
        return CompletionInput(name, text, offset, language, context)

    async def _document(self, code: str, offset: int | None, send: Send) -> list[TextEdit]:
        """Edits that document the definition at an offset, or all undocumented functions and classes of a cell."""
        from nano_lsp.docstrings import WriteDocstrings  # noqa: PLC0415 - as above

        code = as_python(code)  # keeps the length
        tree = SyntaxTree.parse(code, PYTHON)
        definition = definition_at(tree, offset) if tree and offset is not None else None
        if definition is not None and definition.name:
            definitions = [definition]
        else:
            definitions = [found for found in undocumented(tree) if found.name] if tree else []
        edits: list[TextEdit] = []
        for found in definitions:
            job = WriteDocstrings(code, found.start, found.name, self.session.settings.docstring_style)
            edits += [one.edit for one in await self._run(job, send)]
        if not edits:
            raise NanoError("There is nothing to document.", "The cell needs a function or class, and must parse.")
        return edits

    async def _run(self, job: Job[Any], send: Send) -> Any:  # noqa: ANN401 - the job's result
        if not self._is_configured:
            self.control(messages.ControlRequest())
        ghost_text = await self.session.wait()
        self._count_running(1)
        try:
            listener = _Listener(asyncio.get_running_loop(), send)
            result = await ghost_text.assistant.run_async(job, listener)
        finally:
            self._count_running(-1)
        if isinstance(result, str):
            send({"text": result})
        return result

    def _count_running(self, change: int) -> None:
        self._n_running += change
        if self.status.state in {State.READY, State.BUSY}:
            self._set_status(Status(State.BUSY, "Working.") if self._n_running else self.session.idle_status)

    def _set_status(self, status: Status) -> None:
        self.status = status


@dataclass
class _Listener(ProgressListener):
    """Sends a job's progress from its thread to the event loop."""

    loop: asyncio.AbstractEventLoop
    send: Send

    def on_part(self, done: int, total: int) -> None:
        """Send the number of finished parts and their total."""
        self._send({"part": [done, total]})

    def on_text(self, text: str) -> None:
        """Send the whole text so far."""
        self._send({"text": text})

    def _send(self, message: dict[str, object]) -> None:
        self.loop.call_soon_threadsafe(self.send, message)


@dataclass
class _WholeLineListener(_Listener):
    """Sends whole lines of a suggestion; a single line may still be truncated or replaced."""

    sent: str = ""

    def on_text(self, text: str) -> None:
        """Send the whole text so far."""
        if "\n" in text.rstrip() and text != self.sent:
            self.sent = text
            super().on_text(text)


def _join_cells(request: messages.SuggestRequest) -> tuple[str, int]:
    """All cells as one text, and the offset of the cursor in it."""
    codes = [cell.code for cell in request.cells]
    return "\0".join(codes), sum(len(code) + 1 for code in codes[: request.index]) + request.offset


def _format_error(error: tuple[str, str, list[str]] | None) -> str:
    """A kernel's error without colours; its traceback ends with the error itself."""
    if error is None:
        return ""
    name, value, traceback = error
    text = _ANSI.sub("", "\n".join(traceback)).strip()
    return text if name in text else f"{text}\n{name}: {value}".strip()
