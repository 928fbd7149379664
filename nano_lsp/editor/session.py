"""The assistant behind an editor's or a notebook's server: loading, status, settings, and what no prompt may see."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from nano_lsp.code.uris import innermost, path_of
from nano_lsp.config import Folders, Settings, load_settings
from nano_lsp.editor.acceptance import AcceptanceTracker
from nano_lsp.editor.adaptive_threshold import AdaptiveThreshold
from nano_lsp.editor.quiet_reason import PAUSED, Quiet, quiet_reason
from nano_lsp.editor.settings import EditorSettings, load_project, read_settings
from nano_lsp.editor.statistics import Record, Statistics
from nano_lsp.errors import ConfigError, NanoError
from nano_lsp.explain_errors import explain_error
from nano_lsp.schema import Notice

if TYPE_CHECKING:  # not imported: an editor is answered before the assistant is
    from nano_lsp.assistant.job import Assistant
    from nano_lsp.editor.ghost_text import GhostText


_CLOSES_WITHIN_S = 1.5  # less than people wait for a program to end
_MAX_CHANGED = 100  # files; where more have changed, all are looked at


class State(str, Enum):
    """What a server is at."""

    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    PAUSED = "paused"
    ERROR = "error"


@dataclass(frozen=True)
class Status:
    """What a server is at, for people.

    Attributes:
        state: in a word.
        message: in a sentence.
        remedy: what the user can do about an error; empty for nothing.
        share: of the loading that is done, 0 to 1.
        model: that is loaded or asked for.
        quiet: Why the document of the newest request gets no suggestions, in a word (`Quiet.reason`); empty where it
            does. The message and the remedy say the same in sentences while the state is `ready`.
        document: That document, where there is a reason.
    """

    state: State
    message: str
    remedy: str = ""
    share: float = 0.0
    model: str = ""
    quiet: str = ""
    document: str = ""

    def with_reason(self, quiet: Quiet | None, document: str) -> Status:
        """The same, and why a document gets no suggestions; what keeps all documents from it goes before."""
        if quiet is None:
            return self
        status = replace(self, quiet=quiet.reason, document=document)
        return replace(status, message=quiet.message, remedy=quiet.remedy) if self.state is State.READY else status


class Session:
    """Loads the assistant in the background, and again when settings ask for another one.

    Args:
        folders: of this user.
        on_status: is told of each change, on the event loop.
        name: of the program, for people.

    Attributes:
        settings: in force.
        initial: settings that the editor sent with `initialize`, as they came.
        given: those that it has sent since.
        problem: why the user's configuration cannot be read; no model is loaded then.
        roots: Folders of the workspace; the first one's settings hold for documents in none.
        paused: nothing is suggested.
        folders: of this user.
        acceptance: Follows what becomes of suggestions.
    """

    def __init__(self, folders: Folders, on_status: Callable[[Status], None], name: str = "editor") -> None:
        self.settings = EditorSettings()
        self.initial: object = None
        self.given: object = None
        self.problem: NanoError | None = None
        self.roots: list[Path] = []
        self.paused = False
        self.folders = folders
        self._name = name
        self._chosen = ""
        self._check_memory = True
        statistics = Statistics(folders.cache)
        self.acceptance = AcceptanceTracker(statistics, self._learn)
        self._threshold = AdaptiveThreshold()
        self._on_status = on_status
        self._of_folders: dict[Path, EditorSettings] = {}
        self._ghost_text: asyncio.Future[GhostText] | None = None
        self._ghost_texts: dict[Path, GhostText] = {}  # of folders with settings of their own
        self._loading = _Loading()
        self._closing: threading.Thread | None = None
        self._indexed: dict[Path, tuple[Settings, bool]] = {}  # folders that the assistant knows
        self._indexing = threading.Event()

    @property
    def ghost_text(self) -> GhostText | None:
        """The suggestions, once the model is loaded; None before."""
        future = self._ghost_text
        loaded = future is not None and future.done() and not future.cancelled() and not future.exception()
        return future.result() if future and loaded else None

    @property
    def notice(self) -> Notice:
        """What people should know of how the model runs; nothing before it is loaded."""
        return self.ghost_text.assistant.notice if self.ghost_text else Notice()

    @property
    def started(self) -> bool:
        """Whether a model is loaded, is being loaded, or could not be loaded."""
        return self._ghost_text is not None

    def read_settings(self, *given: object, project: Path | None) -> tuple[EditorSettings, list[str]]:
        """Settings as they are to be applied, and a sentence for each that cannot be used.

        Args:
            given: what the editor or the front end has sent, the later winning.
            project: folder of the project; None where there is none.
        """
        of_project, warnings = {}, []
        try:
            of_project = load_project(project) if project else {}
        except ConfigError as error:
            warnings.append(str(error))
        user, self.problem = None, None
        try:
            user = load_settings()
            self._check_memory = user.check_memory
        except ConfigError as error:
            self.problem = error
        settings, others = read_settings(*given, project=of_project, user=user)
        return settings, warnings + others

    def settings_of(self, document: str) -> EditorSettings:
        """The settings of a document, by the folder that it is in.

        Args:
            document: Its path or URI.
        """
        return self._of_folders.get(self._folder_of(document) or Path(), self.settings)

    def ghost_text_of(self, document: str) -> GhostText | None:
        """The suggestions in a document, with the settings of its folder; None before the model is loaded.

        Args:
            document: Its path or URI.
        """
        common, folder = self.ghost_text, self._folder_of(document)
        if common is None or folder is None or self.settings_of(document) == self.settings:
            return common
        if folder not in self._ghost_texts:
            own = self._ghost_texts[folder] = type(common)(common.assistant, stats=common.stats)
            self._configure(own, self.settings_of(document))
        return self._ghost_texts[folder]

    @property
    def pending(self) -> int:
        """Number of suggestions on their way, those computed in advance included."""
        common = [self.ghost_text] if self.ghost_text else []
        return sum(one.pending for one in (*common, *self._ghost_texts.values()))

    async def wait(self, document: str = "") -> GhostText:
        """The suggestions; waits for the model, and for the one that takes its place meanwhile.

        Args:
            document: The path or URI of the document that they are for.

        Raises:
            NanoError: it cannot be loaded, or is not to be any more.
        """
        while (future := self._ghost_text) is not None:
            await asyncio.wait([future])
            if future is self._ghost_text:
                return self.ghost_text_of(document) or future.result()
        raise NanoError("No model is being loaded.", "Ask again in a moment.")

    async def wait_quietly(self, document: str = "") -> GhostText | None:
        """The suggestions, once a loading that goes on is through; None where none come, which has been told."""
        try:
            return self.ghost_text_of(document) or await self.wait(document)
        except NanoError:
            return None

    def start(self) -> None:
        """Load the model; an assistant that is there already is closed first."""
        self.stop()
        self._loading = _Loading()
        loop = asyncio.get_running_loop()
        self._ghost_text = loop.create_future()
        self._ghost_text.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._on_status(Status(State.LOADING, f"Loading {self.settings.model}."))
        # A daemon: leaving must not wait for a model that is still being read.
        arguments = (loop, self._ghost_text, self.settings, self._loading, self._closing)
        threading.Thread(target=self._load, args=arguments, name="nano-lsp-load", daemon=True).start()

    def apply(self, settings: EditorSettings, of_folders: Mapping[Path, EditorSettings] | None = None) -> None:
        """Take over settings; the model is loaded anew only where they concern it.

        Args:
            settings: Of documents that are in no folder.
            of_folders: Of those in folders of the workspace.
        """
        if self._chosen:
            settings = replace(settings, model=self._chosen)
        reload = settings.for_loading != self.settings.for_loading
        self.settings, self._of_folders = settings, dict(of_folders or {})
        self.acceptance.enabled = settings.statistics
        if self._ghost_text is not None and reload:
            self.start()
        elif self.ghost_text:
            self._ghost_texts.clear()
            self._configure(self.ghost_text, settings)
            self._share_folders()

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Files or folders were saved, made, renamed or deleted: what was read of them is read again when needed."""
        if self.ghost_text:
            changed = {*paths}
            self.ghost_text.assistant.files_changed(changed if len(changed) <= _MAX_CHANGED else self.roots)

    def select_model(self, model: str) -> None:
        """Load another model, whatever the settings say, until the server ends."""
        self._chosen = model
        self.settings = replace(self.settings, model=model)
        self.start()

    def stop(self) -> None:
        """Let go of the assistant, or call its loading off; closing takes a while, on a thread of its own."""
        assistant = self._loading.stop()
        if assistant is not None:
            self._closing = threading.Thread(target=assistant.close, name="nano-lsp-close", daemon=True)
            self._closing.start()
        self._indexing.set()
        if self._ghost_text is not None and not self._ghost_text.done():
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._ghost_text.cancel()
        self._ghost_text = None
        self._ghost_texts.clear()
        self._indexed.clear()

    async def closed(self) -> None:
        """Wait a while for the assistant that `stop` lets go of: for a program that ends."""
        if self._closing is not None:
            await asyncio.to_thread(self._closing.join, _CLOSES_WITHIN_S)

    def quiet_reason(self, document: str, language: str, size: int) -> Quiet | None:
        """Why a document gets no suggestions; None where it gets some.

        Args:
            document: Its path or URI.
            language: that it is in.
            size: of its text.
        """
        return quiet_reason(
            self.settings_of(document), self._folder_of(document), document, language, size, paused=self.paused
        )

    @property
    def n_hidden(self) -> int:
        """Suggestions that the adaptive threshold has hidden."""
        return self._threshold.n_hidden

    @property
    def idle_status(self) -> Status:
        """What the server is at while it does nothing that was asked for."""
        future = self._ghost_text
        failed = future.exception() if future is not None and future.done() and not future.cancelled() else None
        if isinstance(failed, NanoError):
            return Status(State.ERROR, failed.message, failed.remedy)
        return self._ready() if self.ghost_text or self.paused else Status(State.LOADING, "Loading.")

    def _learn(self, records: Iterable[Record]) -> None:
        self._threshold.learn(records)

    def _folder_of(self, document: str) -> Path | None:
        return innermost(self.roots, Path(path_of(document)))

    def _share_folders(self) -> None:
        """Let the assistant know the folders of the workspace, on a thread of its own: it may read their files."""
        if self.ghost_text is None:
            return
        assistant, reads = self.ghost_text.assistant, self.settings.reads_files
        of_model = {root: self._of_folders.get(root, self.settings).of_model for root in self.roots}
        wanted = {root: (replace(found, check_memory=self._check_memory), reads) for root, found in of_model.items()}
        if [*wanted.items()] == [*self._indexed.items()]:
            return
        known, self._indexed = self._indexed, wanted
        self._indexing.set()
        stopped = self._indexing = threading.Event()

        def share() -> None:
            for root in known.keys() - wanted.keys():
                assistant.leave_workspace(root)
            for root, (settings, reads) in wanted.items():
                if not stopped.is_set():
                    assistant.use_workspace(root, settings, reads=reads, stopped=stopped.is_set)

        threading.Thread(target=share, name="nano-lsp-index", daemon=True).start()

    def _configure(self, ghost_text: GhostText, settings: EditorSettings) -> None:
        ghost_text.n_alternatives = settings.alternatives
        ghost_text.prefetch = settings.prefetch
        ghost_text.min_confidence = settings.confidence
        ghost_text.threshold = self._threshold if settings.calibrate else None
        ghost_text.postprocess = replace(
            ghost_text.postprocess, min_token_probability=settings.token_confidence, max_lines=settings.max_lines
        )

    def _load(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[GhostText],
        settings: EditorSettings,
        loading: _Loading,
        closing: threading.Thread | None,
    ) -> None:
        """Load the model; on a thread of its own."""

        def tell(action: Callable[..., None], *values: object) -> None:
            if not loading.stopped:
                with contextlib.suppress(RuntimeError):  # the loop has been closed
                    loop.call_soon_threadsafe(action, *values)

        told: set[tuple[str, int]] = set()

        def on_progress(what: str, done: int, total: int) -> None:
            step = what, 100 * done // max(1, total)
            if step not in told:  # a message a per cent, not one a buffer that was read
                told.add(step)
                message = f"{what.capitalize()} {settings.model}."
                tell(self._on_status, Status(State.LOADING, message, share=step[1] / 100))

        def on_connection(error: NanoError | None) -> None:
            told.clear()
            if error:
                tell(self._on_status, Status(State.ERROR, error.message, error.remedy))
            else:
                tell(self._tell_ready)

        from nano_lsp.editor.ghost_text import GhostText  # noqa: PLC0415 - on this thread
        from nano_lsp.engine.connect import open_assistant  # noqa: PLC0415

        if closing is not None:
            closing.join(_CLOSES_WITHIN_S)  # two models at once may be too much
        try:
            if self.problem:
                raise self.problem  # noqa: TRY301 - told like all that goes wrong here
            of_model = replace(settings.of_model, check_memory=self._check_memory)
            assistant = open_assistant(of_model, self.folders, self._name, on_progress, on_connection, loop=loop)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the editor is told and the server stays
            failure = explain_error(error) or _unforeseen(error)
            tell(self._on_status, Status(State.ERROR, failure.message, failure.remedy))
            tell(_fail, future, failure)
            return
        if not loading.deliver(assistant):
            assistant.close()
            return
        ghost_text = GhostText(assistant)
        self._threshold = AdaptiveThreshold(Statistics(self.folders.cache).records())
        tell(self._take, future, ghost_text)

    def _take(self, future: asyncio.Future[GhostText], ghost_text: GhostText) -> None:
        if future is self._ghost_text and not future.done():
            self._configure(ghost_text, self.settings)
            future.set_result(ghost_text)
            self._tell_ready()
            self._share_folders()

    def _tell_ready(self) -> None:
        self._on_status(self._ready())

    def _ready(self) -> Status:
        if self.paused:
            return Status(State.PAUSED, PAUSED.message, PAUSED.remedy)
        return Status(State.READY, f"{self.settings.model} is ready. {self.notice.text}".strip())


class _Loading:
    """One loading of an assistant, which is closed whenever it comes: by the loading thread, or by who stops it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._assistant: Assistant | None = None
        self.stopped = False

    def deliver(self, assistant: Assistant) -> bool:
        """The assistant is there; False where nobody wants it any more."""
        with self._lock:
            self._assistant = None if self.stopped else assistant
            return not self.stopped

    def stop(self) -> Assistant | None:
        """Give the loading up; the assistant to be closed, where one has been delivered."""
        with self._lock:
            assistant, self._assistant, self.stopped = self._assistant, None, True
            return assistant


def _unforeseen(error: Exception) -> NanoError:
    return NanoError(f"The model could not be loaded: {type(error).__name__}: {error}.", "See `nano-lsp doctor`.")


def _fail(future: asyncio.Future[GhostText], error: NanoError) -> None:
    if not future.done():
        future.set_exception(error)
