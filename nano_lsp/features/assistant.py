"""The façade: a loaded model and what it can do, for every adapter."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from statistics import median
from typing import TypeVar

from nano_lsp.config import Folders, Settings
from nano_lsp.context.cursor import CompletionTask
from nano_lsp.context.workspace import IndexResult, Workspace
from nano_lsp.engine.backend import Backend
from nano_lsp.engine.generate import Engine
from nano_lsp.engine.kv_cache import KvCache
from nano_lsp.engine.model_store import ModelStore, Progress
from nano_lsp.engine.scripted_backend import load_script
from nano_lsp.engine.snapshots import Snapshots
from nano_lsp.engine.worker import Request, Worker
from nano_lsp.errors import CancelledError
from nano_lsp.features import chat
from nano_lsp.features.budget import Budget, Limits
from nano_lsp.features.completion import Completer, CompletionOptions
from nano_lsp.features.docstrings import DocstringWriter
from nano_lsp.features.explain import Explainer
from nano_lsp.features.judgement import Judgement
from nano_lsp.features.plan import Plan, Watcher
from nano_lsp.features.rewrite import Rewriter
from nano_lsp.schema import Completion, Counters, SamplingParams

_POLL_S = 0.2  # waiting without a limit cannot be interrupted on Windows
_GREEDY = SamplingParams()
_LENIENT = Judgement()
_MAX_MEASURED = 256  # requests that the median time is taken over
_SCRIPTED = "scripted:"
T = TypeVar("T")


class Assistant:
    """A model at work. A context manager: leaving it frees the model.

    Attributes:
        backend: the model.
        completer: plans completions.
        docstrings: plans docstrings.
        explainer: plans explanations.
        rewriter: plans rewritings.
    """

    def __init__(self, backend: Backend, settings: Settings, fim_order: str, snapshots: Path | None = None) -> None:
        self.backend = backend
        self._settings = settings
        self.completer = Completer(backend, fim_order)
        self.docstrings = DocstringWriter(backend, fim_order)
        self.explainer = Explainer(backend)
        self.rewriter = Rewriter(backend, fim_order)
        self._most = Limits(settings.prompt_tokens, settings.max_tokens)
        self._budget = Budget(self._most, settings.latency_ms)
        self._ttft_ms: deque[float] = deque(maxlen=_MAX_MEASURED)
        kept = Snapshots(snapshots, backend.spec.fingerprint) if snapshots else None
        self._worker = Worker(Engine(backend, KvCache(backend, kept)))

    @classmethod
    def open(
        cls,
        settings: Settings,
        folders: Folders,
        on_progress: Progress,
        wrap: Callable[[Backend], Backend] | None = None,
    ) -> Assistant:
        """Find the model, verify it if that has not been done, and load it; can be interrupted at any time.

        Args:
            settings: which model, and how; `scripted:FILE` is a model without weights, for tests (`load_script`).
            folders: where the store and the snapshots are.
            on_progress: is told of verifying and loading, in bytes.
            wrap: puts another backend around the model's.

        Raises:
            StoreError: the model is not there or not what it should be.
            ModelFileError: it cannot be loaded.
            EngineError: there is no memory for its context.
        """
        if settings.model.startswith(_SCRIPTED):
            return cls(load_script(Path(settings.model.removeprefix(_SCRIPTED))), settings, "spm_tail")
        store = ModelStore.open(folders)
        path = store.find(settings.model, on_progress)
        entry = store.entries.get(settings.model)
        backend = _load(path, settings, on_progress)
        if wrap:
            backend = wrap(backend)
        order = entry.fim_order if entry else "spm_tail"
        return cls(backend, settings, order, folders.cache / "kv" if settings.snapshots else None)

    def __enter__(self) -> Assistant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def totals(self) -> Counters:
        """What all requests have cost."""
        return self._worker.totals

    def use_workspace(
        self, root: Path, folders: Folders, *, stopped: Callable[[], bool] = lambda: False
    ) -> IndexResult:
        """Let completions know what documents import from a folder; its Python files are indexed first.

        Args:
            root: the folder.
            folders: where the index is kept.
            stopped: asked before each file; True calls the indexing off, and what is indexed counts.
        """
        workspace = Workspace(root, folders.cache / "index")
        result = workspace.update(stopped=stopped)
        self.completer.workspace = workspace
        return result

    def complete(
        self,
        task: CompletionTask,
        *,
        sampling: SamplingParams = _GREEDY,
        draft: bool = True,
        judgement: Judgement = _LENIENT,
        watcher: Watcher | None = None,
    ) -> Completion:
        """Complete code at a cursor, and wait.

        Args:
            task: the code and the cursor.
            sampling: how tokens are chosen.
            draft: let n-gram drafts run where they pay.
            judgement: how strict to be with what the model offers.
            watcher: is told of progress.

        Raises:
            EngineError: inference failed.
        """
        options = self.options(judgement, sampling=sampling, draft=draft, watcher=watcher)
        return self.carry_out(self.completer.complete(task, options))

    def alternatives(
        self,
        task: CompletionTask,
        n: int = 3,
        *,
        sampling: SamplingParams = _GREEDY,
        judgement: Judgement = _LENIENT,
        watcher: Watcher | None = None,
    ) -> list[Completion]:
        """Up to n completions at a cursor, no two alike, the model's own choice first, and wait.

        Args:
            task: the code and the cursor.
            n: at most so many.
            sampling: how tokens are chosen.
            judgement: how strict to be with what the model offers.
            watcher: is told of the progress of the first.

        Raises:
            EngineError: inference failed.
        """
        options = self.options(judgement, sampling=sampling, watcher=watcher)
        return self.carry_out(self.completer.alternatives(task, options, n))

    def options(
        self,
        judgement: Judgement,
        *,
        sampling: SamplingParams = _GREEDY,
        draft: bool = True,
        watcher: Watcher | None = None,
        ahead: bool = False,
    ) -> CompletionOptions:
        """How to complete, with the limits of the settings; see `CompletionOptions`."""
        limits = self._budget.limits() if judgement.modest else self._most
        return CompletionOptions(
            prompt_tokens=limits.prompt_tokens,
            imported_tokens=min(self._settings.imported_tokens, limits.prompt_tokens // 3),
            max_tokens=limits.max_tokens,
            judgement=judgement,
            sampling=sampling,
            draft=draft,
            watcher=watcher,
            ahead=ahead,
        )

    def ask(
        self,
        question: str,
        *,
        code: bool = False,
        think: bool = False,
        max_tokens: int = 512,
        grammar: str | None = None,
        sampling: SamplingParams = _GREEDY,
        watcher: Watcher | None = None,
    ) -> Completion:
        """Answer a question.

        Args:
            question: of the user.
            code: answer with code only.
            think: think step by step.
            max_tokens: at most so many tokens.
            grammar: GBNF that the answer must follow.
            sampling: how tokens are chosen.
            watcher: is told of progress.

        Raises:
            PromptTooLongError: the question does not fit the context.
            EngineError: inference failed.
        """
        request = chat.build_request(
            question,
            self.backend,
            code=code,
            think=think,
            max_tokens=max_tokens,
            sampling=sampling,
            grammar=grammar,
            watcher=watcher,
        )
        return self.answer(request)

    def close(self) -> None:
        """Free the model."""
        self._worker.close()

    def carry_out(self, plan: Plan[T]) -> T:
        """Have the model answer a plan's requests, and wait; leaving early, as with Ctrl-C, calls the plan off."""
        try:
            request = next(plan)
            while True:
                completion = self.answer(request)
                self._observe(completion)
                request = plan.send(completion)
        except StopIteration as done:
            result: T = done.value
            return result

    async def carry_out_async(self, plan: Plan[T]) -> T:
        """As `carry_out`, for an event loop; cancelling the task calls the plan off."""
        try:
            request = next(plan)
            while True:
                completion = await asyncio.wrap_future(self._worker.submit(request))
                self._observe(completion)
                request = plan.send(completion)
        except StopIteration as done:
            result: T = done.value
            return result

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest requests, in milliseconds; 0 where there was none."""
        return median(self._ttft_ms) if self._ttft_ms else 0.0

    def _observe(self, completion: Completion) -> None:
        self._budget.observe(completion.counters)
        self._ttft_ms.append(completion.counters.ttft_ms)

    def answer(self, request: Request) -> Completion:
        """Wait for the answer to a request; leaving early, as with Ctrl-C, calls it off."""
        ticket = self._worker.submit(request)
        try:
            while True:
                try:
                    return ticket.result(_POLL_S)
                except FutureTimeoutError:
                    continue
        except BaseException:
            ticket.cancel()
            raise


def _load(path: Path, settings: Settings, on_progress: Progress) -> Backend:
    """Load a model on another thread, so that Ctrl-C reaches this one while llama.cpp reads the file."""
    from nano_lsp.engine.llama_backend import LlamaBackend  # noqa: PLC0415 - only now is llama.cpp needed

    size = path.stat().st_size
    stopped = threading.Event()

    def report(share: float) -> bool:
        on_progress("loading", int(share * size), size)
        return not stopped.is_set()

    with ThreadPoolExecutor(1, "nano-lsp-load") as pool:
        future = pool.submit(LlamaBackend.load, path, settings, name=settings.model, on_progress=report)
        try:
            while True:
                try:
                    return future.result(_POLL_S)
                except FutureTimeoutError:
                    continue
        except KeyboardInterrupt:
            stopped.set()
            raise CancelledError("Interrupted while the model was loading.") from None
