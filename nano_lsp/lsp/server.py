"""The server that all handlers share: its state, what it tells the editor, and long work that can be watched."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.config import Folders
from nano_lsp.editor.quiet_reason import HIDDEN, Quiet
from nano_lsp.editor.session import Session, State, Status
from nano_lsp.editor.typing_pace import TypingPace
from nano_lsp.errors import CancelledError, NanoError
from nano_lsp.lsp.documents import Documents, TextDocument
from nano_lsp.lsp.explanation_cache import Explanations
from nano_lsp.lsp.protocol import NanoProtocol
from nano_lsp.version import __version__

if TYPE_CHECKING:  # not imported: orders need the server; an editor is answered before the assistant is
    from nano_lsp.assistant.job import Job
    from nano_lsp.lsp.chosen_action import ChosenAction

STATUS = "nano/status"
_NOTEBOOKS = types.NotebookDocumentSyncOptions(
    [
        types.NotebookDocumentFilterWithNotebook(
            notebook="jupyter-notebook", cells=[types.NotebookCellLanguage("python")]
        )
    ]
)

logger = logging.getLogger(__name__)
T = TypeVar("T")


class NanoServer(LanguageServer):
    """The server and what its handlers share.

    Args:
        folders: of this user.

    Attributes:
        documents: that the editor has open.
        session: has the model.
        status: told to the editor last, without the reason that a document is quiet.
        explanations: made already.
        pace: of the user's typing.
        refused: the edit that the editor did not take last, by its order; made already when that is chosen again.
    """

    protocol: NanoProtocol

    def __init__(self, folders: Folders) -> None:
        super().__init__(
            "nano-lsp",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            notebook_document_sync=_NOTEBOOKS,
            protocol_cls=NanoProtocol,
            max_workers=2,
        )
        self.session = Session(folders, self.show_status)
        self.documents = Documents(self.session.acceptance.changed)
        self.status = Status(State.LOADING, "Starting.")
        self.explanations = Explanations()
        self.pace = TypingPace()
        self.refused: dict[ChosenAction, types.WorkspaceEdit] = {}
        self._loading = _LoadingProgress(self)
        self._told: set[str] = set()
        self._quiet: tuple[str, Quiet] | None = None  # the document of the newest request, and why it gets nothing
        self._logged: set[tuple[str, str]] = set()
        self._tokens = (f"nano-lsp-{n}" for n in itertools.count(1))
        self._n_busy = 0
        self._works: dict[asyncio.Future[Any], str] = {}  # URIs of the documents that their results are for

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log a mistake; a dialog for each would bury the editor."""
        logger.error("%s: %s", source, error)

    def show_status(self, status: Status) -> None:
        """Tell the editor what the server is at, and with it which model it has."""
        self.status = status = replace(status, model=self.session.settings.model)
        uri, quiet = self._quiet or ("", None)
        self.protocol.notify(STATUS, {**asdict(status.with_reason(quiet, uri)), "state": status.state.value})
        notice = self.session.notice
        if notice.is_new:
            self.warn(notice.text)
        if status.state is State.ERROR:
            self.warn(f"{status.message} {status.remedy}".strip(), types.MessageType.Error)
        if self.shows_progress:
            self._loading.show(status)

    def show_quiet(self, uri: str, quiet: Quiet | None) -> None:
        """Tell the editor why a document gets no suggestions, or that it does, where that is not what it was told.

        The status says so. An editor that shows none has a line in its log, one for each document and reason.
        """
        told = self._quiet
        if (told and (told[0], told[1].reason)) == (quiet and (uri, quiet.reason)):
            return
        self._quiet = (uri, quiet) if quiet else None
        self.show_status(self.status)
        if quiet and (uri, quiet.reason) not in self._logged:
            self._logged.add((uri, quiet.reason))
            message = f"No suggestions in {uri}: {quiet.message} {quiet.remedy}".strip()
            self.window_log_message(types.LogMessageParams(types.MessageType.Info, message))

    def is_quiet(self, document: TextDocument) -> bool:
        """Whether a document gets no suggestions; the editor is told why."""
        quiet = self._quiet_reason(document)
        # Whether a hidden suggestion is followed by one that is shown is known only when that is there.
        if quiet or not self._quiet or (self._quiet[0], self._quiet[1].reason) != (document.uri, HIDDEN):
            self.show_quiet(document.uri, quiet)
        return quiet is not None

    def refresh_quiet(self) -> None:
        """Look again whether the reason holds that the editor was told last."""
        if self._quiet:
            uri = self._quiet[0]
            document = self.documents.get(uri)
            self.show_quiet(uri, self._quiet_reason(document) if document else None)

    def _quiet_reason(self, document: TextDocument) -> Quiet | None:
        return self.session.quiet_reason(document.notebook or document.uri, document.language, len(document.text))

    def warn(self, message: str, kind: types.MessageType = types.MessageType.Warning) -> None:
        """Show a message, each only once."""
        if message not in self._told:
            self._told.add(message)
            self.window_show_message(types.ShowMessageParams(kind, message))

    def forget_warnings(self) -> None:
        """Let messages that were shown be shown again."""
        self._told.clear()

    def warn_again(self, message: str, kind: types.MessageType = types.MessageType.Warning) -> None:
        """Show a message about what the user has just asked for, as often as it comes to that."""
        self.forget_warnings()
        self.warn(message, kind)

    def served(self, uri: object) -> TextDocument | None:
        """The open document of a URI; None where there is none, or it is to get nothing (`Session.quiet_reason`)."""
        document = self.documents.get(uri) if isinstance(uri, str) else None
        return document if document is not None and self._quiet_reason(document) is None else None

    @property
    def shows_progress(self) -> bool:
        """Whether the editor has a place for progress that the server begins."""
        window = self.client_capabilities.window
        return bool(window is not None and window.work_done_progress)

    async def work(
        self,
        title: str,
        job: Job[T],
        on_text: Callable[[str], None] | None = None,
        token: types.ProgressToken | None = None,
        document: TextDocument | None = None,
    ) -> T | None:
        """Do what a user has asked for: with progress that can be called off, and a status meanwhile.

        Args:
            title: of the progress.
            job: to do.
            on_text: is told the whole text so far, on the event loop.
            token: of the progress, where the editor has given one.
            document: The version of a document that the result is for: the work is called off when it changes.

        Returns:
            The job's result; None where it failed, which the user has been told, or was called off.
        """
        progress = self.work_done_progress
        token = token if token is not None else self._create_progress()

        def on_part(done: int, total: int) -> None:
            if token is not None:
                report = types.WorkDoneProgressReport(
                    message=f"{done} of {total}", percentage=100 * done // max(1, total)
                )
                progress.report(token, report)

        called_off = None  # a future that pygls cancels when the user cancels the progress
        if token is not None:
            progress.begin(token, types.WorkDoneProgressBegin(title, cancellable=True, percentage=0))
            called_off = progress.tokens[token]
        self._set_busy(1, title)
        try:
            ghost_text = await self.session.wait()
            if document is not None and self.documents.get(document.uri) is not document:
                return None
            listener = _Listener(asyncio.get_running_loop(), on_part, on_text)
            task = asyncio.ensure_future(ghost_text.assistant.run_async(job, listener))
            if document is not None:
                self._works[task] = document.uri
            if called_off is not None:
                called_off.add_done_callback(lambda _future: task.cancel())
            try:
                await asyncio.wait({task})
            finally:
                self._works.pop(task, None)
                task.cancel()  # the editor has called the request itself off
            return None if task.cancelled() else task.result()
        except CancelledError:
            return None
        except NanoError as error:
            self.warn_again(str(error), types.MessageType.Error)
            return None
        finally:
            self._set_busy(-1, title)
            if token is not None:
                progress.end(token, types.WorkDoneProgressEnd())
                progress.tokens.pop(token, None)

    def call_off(self, uri: str) -> None:
        """End work whose result is for a version of a document that is no more."""
        for task in [task for task, about in self._works.items() if about == uri]:
            task.cancel()

    def _create_progress(self) -> types.ProgressToken | None:
        """A token of progress; nobody waits for the editor's consent: Helix answers nothing while it waits itself."""
        if not self.shows_progress:
            return None
        token = next(self._tokens)
        self.work_done_progress.create(token)
        return token

    def _set_busy(self, change: int, title: str) -> None:
        self._n_busy += change
        if self._n_busy and self.status.state in {State.READY, State.BUSY}:
            self.show_status(Status(State.BUSY, title))
        elif not self._n_busy and self.status.state is State.BUSY:
            self.show_status(self.session.idle_status)


@dataclass(frozen=True)
class _Listener(ProgressListener):
    """Passes on what it is told to the event loop."""

    loop: asyncio.AbstractEventLoop
    tell_part: Callable[[int, int], None]
    tell_text: Callable[[str], None] | None

    def on_part(self, done: int, total: int) -> None:
        """So many of the parts of a result are done."""
        self.loop.call_soon_threadsafe(self.tell_part, done, total)

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        if self.tell_text:
            self.loop.call_soon_threadsafe(self.tell_text, text)


class _LoadingProgress:
    """The progress bar of the loading model."""

    _TOKEN = "nano-lsp-loading"  # noqa: S105 - names a progress bar

    def __init__(self, server: NanoServer) -> None:
        self._server = server
        self._shown = False

    def show(self, status: Status) -> None:
        """Begin, move or end it, as the status has it."""
        progress = self._server.work_done_progress
        if status.state is not State.LOADING:
            if self._shown:
                progress.end(self._TOKEN, types.WorkDoneProgressEnd(message=status.message))
                progress.tokens.pop(self._TOKEN, None)
                self._shown = False
        elif not self._shown:
            self._shown = True
            progress.create(self._TOKEN)
            progress.begin(self._TOKEN, types.WorkDoneProgressBegin("NEURO-NANO", percentage=0))
        else:
            percentage = int(100 * status.share)
            progress.report(self._TOKEN, types.WorkDoneProgressReport(message=status.message, percentage=percentage))
