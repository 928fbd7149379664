"""The session of an editor's or notebook's server: loads the assistant, applies settings and reports status."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from nano_lsp.code.uris import innermost, path_of
from nano_lsp.config import Folders, load_settings
from nano_lsp.editor.acceptance import AcceptanceTracker
from nano_lsp.editor.adaptive_threshold import AdaptiveThreshold
from nano_lsp.editor.quiet_reason import PAUSED, Quiet, quiet_reason
from nano_lsp.editor.settings import load_project, read_settings
from nano_lsp.editor.statistics import Record, Statistics
from nano_lsp.errors import ConfigError, NanoError
from nano_lsp.explain_errors import explain_error
from nano_lsp.schema import Notice
from nano_lsp.settings import IN_PROCESS, SHARED, EditorSettings, Settings

if TYPE_CHECKING:  # not imported at run time: the server responds before the assistant is imported
    from nano_lsp.editor.ghost_text import GhostText
    from nano_lsp.engine.connect import Assistant
    from nano_lsp.models.adapter_file import BaseModel
    from nano_lsp.models.adapters import AdapterChoice


_CLOSE_TIMEOUT_S = 1.5  # less than users wait for a program to end
_MAX_CHANGED = 100  # files; if more have changed, all files are checked


class State(StrEnum):
    """The state of a server."""

    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    PAUSED = "paused"
    ERROR = "error"


@dataclass(frozen=True)
class Status:
    """The status of a server, as shown to the user.

    Attributes:
        state: The state.
        message: Description of the state in a sentence.
        remedy: What the user can do about an error; empty for nothing.
        share: Progress of loading, 0 to 1.
        model: Name of the model that is loaded or selected.
        quiet: Why the document of the newest request gets no suggestions (`Quiet.reason`); empty if it gets them.
            While the state is `ready`, the message and the remedy explain it.
        document: Path or URI of that document; empty if `quiet` is.
    """

    state: State
    message: str
    remedy: str = ""
    share: float = 0.0
    model: str = ""
    quiet: str = ""
    document: str = ""

    def with_reason(self, quiet: Quiet | None, document: str) -> Status:
        """The status with why a document gets no suggestions; its message replaces only that of `ready`."""
        if quiet is None:
            return self
        status = replace(self, quiet=quiet.reason, document=document)
        return replace(status, message=quiet.message, remedy=quiet.remedy) if self.state is State.READY else status


class Session:
    """Loads the assistant in the background, and again when settings that concern the model change.

    Args:
        folders: The user's data, cache and runtime folders.
        on_status: Called with each change of the status, on the event loop.
        name: Name of the program, as shown to the user.

    Attributes:
        settings: The current settings of documents outside of all workspace folders.
        initial: Settings that the editor sent with `initialize`, unparsed.
        given: Settings that the editor has sent since, unparsed.
        problem: Why the user's configuration cannot be read, in which case no model is loaded; None if it can.
        roots: Workspace folders; documents outside of them have the settings of the first one.
        paused: The user has paused suggestions.
        folders: The user's data, cache and runtime folders.
        acceptance: Tracks whether suggestions are accepted and kept.
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
        self._selected_model = ""
        statistics = Statistics(folders.cache)
        self.acceptance = AcceptanceTracker(statistics, self._learn)
        self._threshold = AdaptiveThreshold()
        self._on_status = on_status
        self._folder_settings: dict[Path, EditorSettings] = {}
        self._ghost_text: asyncio.Future[GhostText] | None = None
        self._before_start: asyncio.Future[None] | None = None  # cancelled when an announced start begins
        self._ghost_texts: dict[Path, GhostText] = {}  # of folders with their own settings
        self._loading = _Loading()
        self._closing: threading.Thread | None = None
        self._base: BaseModel | None = None  # the loaded model, for its adapter; None where others choose it
        self._indexed: dict[Path, tuple[Settings, bool]] = {}  # workspace folders of the assistant
        self._stop_indexing = threading.Event()

    @property
    def ghost_text(self) -> GhostText | None:
        """The suggestions, once the model is loaded; None before."""
        future = self._ghost_text
        loaded = future is not None and future.done() and not future.cancelled() and not future.exception()
        return future.result() if future and loaded else None

    @property
    def notice(self) -> Notice:
        """What the user should know about how the model runs; empty before it is loaded."""
        return self.ghost_text.assistant.notice if self.ghost_text else Notice()

    @property
    def started(self) -> bool:
        """Whether a model is loaded, is being loaded, or could not be loaded."""
        return self._ghost_text is not None

    def read_settings(self, *given: object, project: Path | None) -> tuple[EditorSettings, list[str]]:
        """Merge settings; returns them, and a message for each invalid one.

        Args:
            given: Settings sent by the editor; later ones override earlier ones.
            project: The folder of the project; None for none.
        """
        of_project, warnings = {}, []
        try:
            of_project = load_project(project) if project else {}
        except ConfigError as error:
            warnings.append(str(error))
        user, self.problem = None, None
        try:
            user = load_settings()
        except ConfigError as error:
            self.problem = error
        settings, others = read_settings(*given, project=of_project, user=user)
        return settings, warnings + others

    def settings_of(self, document: str) -> EditorSettings:
        """The settings of the workspace folder of a document, given by its path or URI."""
        return self._folder_settings.get(self._folder_of(document) or Path(), self.settings)

    def ghost_text_of(self, document: str) -> GhostText | None:
        """The suggestions with the settings of a document's folder; None before the model is loaded."""
        common, folder = self.ghost_text, self._folder_of(document)
        if common is None or folder is None or self.settings_of(document) == self.settings:
            return common
        if folder not in self._ghost_texts:
            own = self._ghost_texts[folder] = type(common)(common.assistant, stats=common.stats)
            self._configure(own, self.settings_of(document))
        return self._ghost_texts[folder]

    @property
    def pending(self) -> int:
        """Number of requests in flight, prefetch included."""
        common = [self.ghost_text] if self.ghost_text else []
        return sum(one.pending for one in (*common, *self._ghost_texts.values()))

    async def wait(self, document: str = "") -> GhostText:
        """Wait for the model, also if it is replaced meanwhile; returns the suggestions.

        Raises:
            NanoError: The model cannot be loaded, or loading was stopped.
        """
        if self._before_start is not None:
            await asyncio.wait([self._before_start])
        while (future := self._ghost_text) is not None:
            await asyncio.wait([future])
            if future is self._ghost_text:
                return self.ghost_text_of(document) or future.result()
        raise NanoError("No model is being loaded.", "Ask again in a moment.")

    async def wait_quietly(self, document: str = "") -> GhostText | None:
        """Like `wait`; None if the model cannot be loaded, as the status has reported that."""
        try:
            return self.ghost_text_of(document) or await self.wait(document)
        except NanoError:
            return None

    def announce_start(self) -> None:
        """Let requests wait for `start_announced`, which is called once the settings are known."""
        self._before_start = asyncio.get_running_loop().create_future()

    def start_announced(self) -> None:
        """Load the model, unless that has begun or `stop` was called since `announce_start`."""
        if self._before_start is not None:
            self.start()

    def start(self) -> None:
        """Load the model, after closing a loaded one."""
        self.stop()
        self._loading = _Loading()
        loop = asyncio.get_running_loop()
        self._ghost_text = loop.create_future()
        self._ghost_text.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._on_status(Status(State.LOADING, f"Loading {self.settings.model}."))
        # A daemon thread: the program must be able to end while a model is being loaded.
        arguments = (loop, self._ghost_text, self.settings, self._loading, self._closing)
        threading.Thread(target=self._load, args=arguments, name="nano-lsp-load", daemon=True).start()

    def apply(self, settings: EditorSettings, folder_settings: Mapping[Path, EditorSettings] | None = None) -> None:
        """Apply settings, and those of each workspace folder, to documents outside and inside of these folders.

        The model is reloaded only if settings that concern it change.
        """
        if self._selected_model:
            settings = replace(settings, model=self._selected_model)
        previous = self.settings
        reload = (settings.of_model, settings.reads_files) != (previous.of_model, previous.reads_files)
        self.settings, self._folder_settings = settings, dict(folder_settings or {})
        self.acceptance.enabled = settings.statistics
        if self._ghost_text is not None and reload:
            self.start()
        elif self.ghost_text:
            self._ghost_texts.clear()
            self._configure(self.ghost_text, settings)
            self._update_workspace(self.ghost_text.assistant)

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Files or folders were saved, created, renamed or deleted: data read from them is refreshed when needed."""
        if self.ghost_text:
            changed = {*paths}
            self.ghost_text.assistant.files_changed(changed if len(changed) <= _MAX_CHANGED else self.roots)

    def select_model(self, model: str) -> None:
        """Load another model, which overrides the settings until the server ends."""
        self._selected_model = model
        self.settings = replace(self.settings, model=model)
        self.start()

    def stop(self) -> None:
        """Close the assistant on another thread, as that takes a while, or cancel its loading."""
        assistant = self._loading.stop()
        if assistant is not None:
            self._closing = threading.Thread(target=assistant.close, name="nano-lsp-close", daemon=True)
            self._closing.start()
        self._stop_indexing.set()
        for future in (self._before_start, self._ghost_text):
            if future is not None and not future.done():
                with contextlib.suppress(RuntimeError):  # the loop has been closed
                    future.cancel()
        self._before_start = self._ghost_text = None
        self._ghost_texts.clear()
        self._indexed = {}

    async def closed(self) -> None:
        """Wait for the assistant to be closed after `stop`, with a timeout: the program is about to end."""
        if self._closing is not None:
            await asyncio.to_thread(self._closing.join, _CLOSE_TIMEOUT_S)

    def quiet_reason(self, document: str, language: str, size: int) -> Quiet | None:
        """Why a document of this size in characters gets no suggestions; None if it gets them."""
        return quiet_reason(
            self.settings_of(document), self._folder_of(document), document, language, size, paused=self.paused
        )

    @property
    def n_hidden(self) -> int:
        """Number of suggestions that the adaptive threshold has hidden."""
        return self._threshold.n_hidden

    @property
    def idle_status(self) -> Status:
        """The status while no request is running."""
        future = self._ghost_text
        failed = future.exception() if future is not None and future.done() and not future.cancelled() else None
        if isinstance(failed, NanoError):
            return Status(State.ERROR, failed.message, failed.remedy)
        return self._ready() if self.ghost_text or self.paused else Status(State.LOADING, "Loading.")

    def _learn(self, records: Iterable[Record]) -> None:
        self._threshold.learn(records)

    def _folder_of(self, document: str) -> Path | None:
        return innermost(self.roots, Path(path_of(document)))

    def _update_workspace(self, assistant: Assistant) -> None:
        """Pass the workspace folders to the assistant; it reads their files on another thread."""
        reads = self.settings.reads_files
        current = {root: (self._folder_settings.get(root, self.settings).of_model, reads) for root in self.roots}
        if [*current.items()] == [*self._indexed.items()]:
            return
        for root in self._indexed:
            assistant.leave_workspace(root)
        for root, (settings, _) in current.items():
            assistant.use_workspace(root, settings, reads=reads)
        self._indexed = current
        self._stop_indexing.set()
        stopped = self._stop_indexing = threading.Event()
        index = assistant.index_workspaces
        threading.Thread(target=index, args=(stopped.is_set,), name="nano-lsp-index", daemon=True).start()

    def _configure(self, ghost_text: GhostText, settings: EditorSettings) -> None:
        ghost_text.n_alternatives = settings.alternatives
        ghost_text.prefetch = settings.prefetch
        ghost_text.min_mean_probability = settings.min_mean_probability
        ghost_text.threshold = self._threshold if settings.adaptive_threshold else None
        ghost_text.postprocess = replace(
            ghost_text.postprocess, min_token_probability=settings.min_token_probability, max_lines=settings.max_lines
        )

    def _load(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[GhostText],
        settings: EditorSettings,
        loading: _Loading,
        closing: threading.Thread | None,
    ) -> None:
        """Load the model; runs on its own thread."""

        def call_on_loop(action: Callable[..., None], *values: object) -> None:
            if not loading.stopped:
                with contextlib.suppress(RuntimeError):  # the loop has been closed
                    loop.call_soon_threadsafe(action, *values)

        reported: set[tuple[str, int]] = set()

        def on_progress(what: str, done: int, total: int) -> None:
            step = what, 100 * done // max(1, total)
            if step not in reported:  # one message for each per cent, not for each buffer that was read
                reported.add(step)
                message = f"{what.capitalize()} {settings.model}."
                call_on_loop(self._on_status, Status(State.LOADING, message, share=step[1] / 100))

        def on_connection(error: NanoError | None) -> None:
            reported.clear()
            if error:
                call_on_loop(self._on_status, Status(State.ERROR, error.message, error.remedy))
            else:
                call_on_loop(self._report_ready)

        from nano_lsp.editor.ghost_text import GhostText  # noqa: PLC0415 - on this thread
        from nano_lsp.engine.connect import open_assistant  # noqa: PLC0415
        from nano_lsp.models.adapters import find_base  # noqa: PLC0415

        if closing is not None:
            closing.join(_CLOSE_TIMEOUT_S)  # two models may not fit into memory
        try:
            if self.problem:
                raise self.problem  # noqa: TRY301 - reported like all errors below
            assistant = open_assistant(
                settings.of_model, self.folders, self._name, on_progress, on_connection, loop=loop
            )
        except Exception as error:  # noqa: BLE001 - any error is reported, and the server keeps running
            failure = explain_error(error) or _unexpected(error)
            call_on_loop(self._on_status, Status(State.ERROR, failure.message, failure.remedy))
            call_on_loop(_fail, future, failure)
            return
        if not loading.deliver(assistant):
            assistant.close()
            return
        self._base = None
        with contextlib.suppress(NanoError):  # reported by `_ready`
            self._base = find_base(settings.model, self.folders) if settings.engine in {SHARED, IN_PROCESS} else None
            self._adapters()  # reads the files, which takes a while, on this thread
        ghost_text = GhostText(assistant)
        self._threshold = AdaptiveThreshold(Statistics(self.folders.cache).records())
        call_on_loop(self._finish_loading, future, ghost_text)

    def _finish_loading(self, future: asyncio.Future[GhostText], ghost_text: GhostText) -> None:
        if future is self._ghost_text and not future.done():
            self._configure(ghost_text, self.settings)
            future.set_result(ghost_text)  # those who wait go on after this callback
            self._update_workspace(ghost_text.assistant)
            self._report_ready()

    def _report_ready(self) -> None:
        self._on_status(self._ready())

    def _ready(self) -> Status:
        if self.paused:
            return Status(State.PAUSED, PAUSED.message, PAUSED.remedy)
        choices = self._adapters()
        names = [choice.name if choice.file else "" for choice in choices]
        adapters = f", with the adapter {names[0]}" if any(names) else ""
        if len({*names}) > 1:
            each = ", ".join(f"{name or 'none'} in {root.name}" for name, root in zip(names, self.roots, strict=True))
            adapters = f", with the adapters {each}"
        left_out = dict.fromkeys(choice.left_out for choice in choices)
        texts = (f"{self.settings.model} is ready{adapters}.", *left_out, self.notice.text)
        return Status(State.READY, " ".join(filter(None, texts)))

    def _adapters(self) -> list[AdapterChoice]:
        """The adapter of suggestions in each workspace folder; none at all where another server chooses it."""
        if self._base is None:
            return []
        from nano_lsp.models.adapters import AdapterChoice, choose_adapter  # noqa: PLC0415 - the model is loaded

        found = []
        for root in self.roots or [Path()]:
            settings = self._folder_settings.get(root, self.settings)
            workspace = root if self.roots and self.settings.reads_files else None
            try:
                found.append(choose_adapter(settings.adapter, workspace, self._base, self.folders))
            except NanoError as error:
                found.append(AdapterChoice(left_out=error.message))
        return found


class _Loading:
    """The loading of one assistant. If it is stopped, the assistant is closed, by `stop` or by the loading thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._assistant: Assistant | None = None
        self.stopped = False

    def deliver(self, assistant: Assistant) -> bool:
        """Hand over the loaded assistant; False if loading was stopped."""
        with self._lock:
            self._assistant = None if self.stopped else assistant
            return not self.stopped

    def stop(self) -> Assistant | None:
        """Stop loading; returns the assistant to close, if it was delivered."""
        with self._lock:
            assistant, self._assistant, self.stopped = self._assistant, None, True
            return assistant


def _unexpected(error: Exception) -> NanoError:
    return NanoError(f"The model could not be loaded: {type(error).__name__}: {error}.", "See `nano-lsp doctor`.")


def _fail(future: asyncio.Future[GhostText], error: NanoError) -> None:
    if not future.done():
        future.set_exception(error)
