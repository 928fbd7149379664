"""The language server that all handlers share: its state, its messages and status, and jobs with progress."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.uris import file_path
from nano_lsp.config import Folders
from nano_lsp.editor.next_edits import NextEdits
from nano_lsp.editor.places import Places
from nano_lsp.editor.quiet_reason import HIDDEN, Quiet, out_of_sync
from nano_lsp.editor.session import Session, State, Status
from nano_lsp.editor.suggester import Suggester
from nano_lsp.errors import CancelledError, NanoError
from nano_lsp.lsp.documents import Documents, TextDocument
from nano_lsp.lsp.protocol import NanoProtocol
from nano_lsp.version import __version__

if TYPE_CHECKING:  # chosen_action imports this module; the server answers an editor before the assistant is imported
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

_MAX_EXPLANATIONS = 64
logger = logging.getLogger(__name__)
T = TypeVar("T")


class NanoServer(LanguageServer):
    """The server and the state that its handlers share.

    Attributes:
        documents: Documents that are open in the editor.
        session: The editor's session with the model.
        suggester: Answers requests for suggestions.
        next_edits: Answers requests for the next edit.
        ghost_text_at: The document and the cursor that the last suggestion was sent for; None if there was none.
        status: Status that was sent to the editor last, without the reason that a document gets no suggestions.
        explanations: Explanations that were generated already.
        rejected_edits: The edit that the editor rejected last, by its action, for when that is chosen again.
        training: Functions that stop the training in progress, by its workspace folder.
        reports_cursor: Whether the editor says by itself where its cursor is.
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
        self.suggester = Suggester(self.session)
        self.next_edits = NextEdits(self.session)
        self.ghost_text_at: CompletionInput | None = None
        self.documents = Documents(self.session.acceptance.changed, self._record_edit)
        self.status = Status(State.LOADING, "Starting.")
        self.explanations = ExplanationCache()
        self.rejected_edits: dict[ChosenAction, types.WorkspaceEdit] = {}
        self.training: dict[Path, Callable[[], None]] = {}
        self.reports_cursor = False
        self._places = Places(folders.cache)
        self._cursors: dict[str, tuple[TextDocument, int]] = {}  # the last one in each document, by URI
        self._loading = _LoadingProgress(self)
        self._shown_messages: set[str] = set()
        self._quiet: tuple[str, Quiet] | None = None  # URI of the newest request, and why it gets no suggestions
        self._logged: set[tuple[str, str]] = set()
        self._tokens = (f"nano-lsp-{n}" for n in itertools.count(1))
        self._n_busy = 0
        self._running: dict[asyncio.Future[Any], str] = {}  # jobs, and the URIs of the documents that they are for

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log an error of the server; a dialog for each would cover the editor. Refuse a message that is not JSON."""
        if source is JsonRpcException and isinstance(error, (ValueError, RecursionError)):  # while reading a message
            self.protocol.refuse_undecodable(error)
        else:
            logger.error(error, exc_info=error if source is JsonRpcException else None)

    def show_status(self, status: Status) -> None:
        """Send the status and the model's name to the editor."""
        self.status = status = replace(status, model=self.session.settings.model)
        uri, quiet = self._quiet or ("", None)
        shown = {name: _readable(text) for name, text in asdict(status.with_reason(quiet, uri)).items()}
        self.protocol.notify(STATUS, {**shown, "state": status.state.value})
        notice = self.session.notice
        if notice.is_new:
            self.show_message_once(notice.text)
        if status.state is State.ERROR:
            self.show_message_once(f"{status.message} {status.remedy}".strip(), types.MessageType.Error)
        if self.shows_progress:
            self._loading.show(status)

    def show_quiet(self, uri: str, quiet: Quiet | None) -> None:
        """Send the reason that a document gets no suggestions, or that it gets them, if this has changed.

        It is part of the status. Editors without a status display get one log line for each document and reason.
        """
        previous = self._quiet
        if (previous and (previous[0], previous[1].reason)) == (quiet and (uri, quiet.reason)):
            return
        self._quiet = (uri, quiet) if quiet else None
        self.show_status(self.status)
        if quiet and (uri, quiet.reason) not in self._logged:
            self._logged.add((uri, quiet.reason))
            message = _readable(f"No suggestions in {uri}: {quiet.message} {quiet.remedy}".strip())
            self.window_log_message(types.LogMessageParams(types.MessageType.Info, message))

    def is_quiet(self, document: TextDocument) -> bool:
        """Whether a document gets no suggestions; sends the reason to the editor."""
        quiet = self._quiet_reason(document)
        # A suggestion that was hidden stays the reason until the next one has been generated.
        if quiet or not self._quiet or (self._quiet[0], self._quiet[1].reason) != (document.uri, HIDDEN):
            self.show_quiet(document.uri, quiet)
        return quiet is not None

    def refresh_quiet(self) -> None:
        """Update the reason that was sent to the editor last."""
        if self._quiet:
            uri = self._quiet[0]
            document = self.documents.get(uri)
            self.show_quiet(uri, self._quiet_reason(document) if document else None)

    def _quiet_reason(self, document: TextDocument) -> Quiet | None:
        name = document.notebook or document.uri
        quiet = self.session.quiet_reason(name, document.language, len(document.text))
        return quiet or (None if self.documents.is_in_sync(document) else out_of_sync(name))

    def show_message(self, message: str, kind: types.MessageType = types.MessageType.Warning) -> None:
        """Show a message about a request of the user, again if it was shown before."""
        self.forget_messages()
        self.show_message_once(message, kind)

    def show_message_once(self, message: str, kind: types.MessageType = types.MessageType.Warning) -> None:
        """Show a message unless it has been shown already."""
        if message not in self._shown_messages:
            self._shown_messages.add(message)
            self.window_show_message(types.ShowMessageParams(kind, _readable(message)))

    def forget_messages(self) -> None:
        """Let messages that were shown be shown again."""
        self._shown_messages.clear()

    def enabled_document(self, uri: object) -> TextDocument | None:
        """The open document of a URI; None where there is none or it is disabled (`Session.quiet_reason`)."""
        document = self.documents.get(uri) if isinstance(uri, str) else None
        return document if document is not None and self._quiet_reason(document) is None else None

    def _record_edit(self, before: TextDocument, after: TextDocument) -> None:
        """Keep what was edited, but nothing of documents that get no suggestions."""
        if not self.next_edits.is_on(after.name):
            return
        if self._quiet_reason(after) is None and self.documents.is_code(after):
            self.next_edits.changed(after.uri, before.text, after.text)
        else:
            self.next_edits.forget(after.uri)

    def at_cursor(self, document: TextDocument, offset: int) -> CompletionInput:
        """The input for the model at the editor's cursor, the place where the document is left if none follows."""
        if not document.notebook:
            self._cursors[document.uri] = document, offset
        return self.documents.completion_input(document, offset)

    def leave(self, uri: str) -> None:
        """A document is being closed: remember where, unless it gets no suggestions or no statistics are kept."""
        document, offset = self._cursors.pop(uri, (None, 0))
        if document and self._has_place(document) and self._quiet_reason(document) is None:
            self._places.leave(document.name, document.text, offset)

    def find_place(self, document: TextDocument) -> int | None:
        """The offset where a document was left when it was open before; None if that is not known."""
        return self._places.find(document.name, document.text) if self._has_place(document) else None

    def keep(self) -> None:
        """Write what is kept for the next session: the process is about to end."""
        self.session.acceptance.flush()
        for uri in [*self._cursors]:
            self.leave(uri)
        self._places.write()

    def _has_place(self, document: TextDocument) -> bool:
        return file_path(document.uri) is not None and self.session.settings_of(document.name).statistics

    @property
    def shows_progress(self) -> bool:
        """Whether the editor shows progress that the server creates."""
        window = self.client_capabilities.window
        return bool(window is not None and window.work_done_progress)

    def begin_progress(
        self, title: str, token: types.ProgressToken | None = None
    ) -> tuple[types.ProgressToken | None, asyncio.Future[None]]:
        """Begin a progress that the user can cancel; end it with `end_progress`.

        Args:
            title: Its title.
            token: Progress token of the client; None creates one.

        Returns:
            The token, None where the editor shows no progress; and a future that is cancelled when the user cancels.
        """
        progress, cancelled = self.work_done_progress, asyncio.get_running_loop().create_future()
        is_new = token is None and self.shows_progress
        shown = next(self._tokens) if is_new else token
        if shown is None:
            return None, cancelled
        if is_new:
            self.create_progress(shown)
        progress.begin(shown, types.WorkDoneProgressBegin(title, cancellable=True, percentage=0))
        progress.tokens[shown].add_done_callback(lambda _future: cancelled.cancel())
        return shown, cancelled

    def create_progress(self, token: types.ProgressToken) -> None:
        """Ask the editor to show a progress, without waiting: Helix sends no response during its own request."""
        # Not `work_done_progress.create`, which logs a traceback where the editor refuses.
        self.protocol.send_request(types.WINDOW_WORK_DONE_PROGRESS_CREATE, types.WorkDoneProgressCreateParams(token))

    def report_progress(self, token: types.ProgressToken | None, message: str, share: float) -> None:
        """Report a progress: a message, and the share that is done, 0 to 1."""
        if token is not None:
            report = types.WorkDoneProgressReport(message=message, percentage=int(100 * share))
            self.work_done_progress.report(token, report)

    def end_progress(self, token: types.ProgressToken | None) -> None:
        """End a progress."""
        if token is not None:
            self.work_done_progress.end(token, types.WorkDoneProgressEnd())
            self.work_done_progress.tokens.pop(token, None)

    async def run_job(
        self,
        title: str,
        job: Job[T],
        on_text: Callable[[str], None] | None = None,
        token: types.ProgressToken | None = None,
        document: TextDocument | None = None,
    ) -> T | None:
        """Run a job that the user has requested, with progress that can be cancelled and a busy status.

        Args:
            title: Title of the progress.
            job: The job to run.
            on_text: Receives the whole text so far, on the event loop.
            token: Progress token of the client; None creates one.
            document: Version of the document that the result is for: the job is cancelled when it changes.

        Returns:
            The job's result; None if it was cancelled, or failed, which a message says.
        """
        token, cancelled = self.begin_progress(title, token)

        def on_part(done: int, total: int) -> None:
            self.report_progress(token, f"{done} of {total}", done / max(1, total))

        self._set_busy(1, title)
        try:
            ghost_text = await self.session.wait()
            if document is not None and self.documents.get(document.uri) is not document:
                return None
            listener = _Listener(asyncio.get_running_loop(), on_part, on_text)
            task = asyncio.ensure_future(ghost_text.assistant.run_async(job, listener))
            if document is not None:
                self._running[task] = document.uri
            cancelled.add_done_callback(lambda _future: task.cancel())
            try:
                await asyncio.wait({task})
            finally:
                self._running.pop(task, None)
                task.cancel()  # if the editor has cancelled the request itself
            return None if task.cancelled() else task.result()
        except CancelledError:
            return None
        except NanoError as error:
            self.show_message(str(error), types.MessageType.Error)
            return None
        finally:
            self._set_busy(-1, title)
            self.end_progress(token)

    def cancel_jobs(self, uri: str) -> None:
        """Cancel the jobs whose results are for an earlier version of a document."""
        for task in [task for task, document_uri in self._running.items() if document_uri == uri]:
            task.cancel()

    def _set_busy(self, change: int, title: str) -> None:
        self._n_busy += change
        if self._n_busy and self.status.state in {State.READY, State.BUSY}:
            self.show_status(Status(State.BUSY, title))
        elif not self._n_busy and self.status.state is State.BUSY:
            self.show_status(self.session.idle_status)


@dataclass(frozen=True)
class _Listener(ProgressListener):
    """Passes progress on to callbacks on the event loop."""

    loop: asyncio.AbstractEventLoop
    part_callback: Callable[[int, int], None]
    text_callback: Callable[[str], None] | None

    def on_part(self, done: int, total: int) -> None:
        """Pass on the number of parts of the result that are done, and of all."""
        self.loop.call_soon_threadsafe(self.part_callback, done, total)

    def on_text(self, text: str) -> None:
        """Pass on the whole text so far."""
        if self.text_callback:
            self.loop.call_soon_threadsafe(self.text_callback, text)


class ExplanationCache:
    """The newest explanations, by the code that they explain."""

    def __init__(self) -> None:
        self._explanations: OrderedDict[str, str] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._explanations)

    def add(self, code: str, explanation: str) -> None:
        """Keep the explanation of some code."""
        self._explanations[_cache_key(code)] = explanation
        if len(self._explanations) > _MAX_EXPLANATIONS:
            self._explanations.popitem(last=False)

    def get(self, code: str) -> str:
        """The explanation of some code; empty for none."""
        return self._explanations.get(_cache_key(code), "")


def _readable(value: T) -> T | str:
    """A text with question marks for what is not UTF-8 in the name of a file: many JSON parsers refuse it."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _cache_key(code: str) -> str:
    return dedent(code).strip("\n")


class _LoadingProgress:
    """The progress bar while the model is loaded."""

    _TOKEN = "nano-lsp-loading"  # noqa: S105 - names a progress bar

    def __init__(self, server: NanoServer) -> None:
        self._server = server
        self._shown = False

    def show(self, status: Status) -> None:
        """Begin, update or end it, depending on the status."""
        progress = self._server.work_done_progress
        if status.state is not State.LOADING:
            if self._shown:
                progress.end(self._TOKEN, types.WorkDoneProgressEnd(message=status.message))
                progress.tokens.pop(self._TOKEN, None)
                self._shown = False
        elif not self._shown:
            self._shown = True
            self._server.create_progress(self._TOKEN)
            progress.begin(self._TOKEN, types.WorkDoneProgressBegin("NEURO-NANO", percentage=0))
        else:
            percentage = int(100 * status.share)
            progress.report(self._TOKEN, types.WorkDoneProgressReport(message=status.message, percentage=percentage))
