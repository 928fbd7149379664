"""One thread owns the model and answers requests by priority.

- A completion runs before a chat, a chat before a prefetch: a more urgent request aborts a batch of a prompt, but
  waits for the batch of a token, and the preempted generation resumes later where it was.
- Fair scheduling: of equally urgent requests, that of the client which has used the least model time runs first.
  Chats of two clients are time-sliced, where the KV cache has room for both.
- A newer request of the same client, priority and document supersedes the older one, which still finishes its batch:
  the newer one mostly begins with the same tokens.
- Cancelling takes effect within a running batch; what the batches before it evaluated stays in the KV cache.
- Every request ends with a completion or with an error. The queue is bounded, for each client and in all.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from nano_lsp.errors import CancelledError, EngineBusyError, EngineClosedError, NanoError, SupersededError
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import Completion, Counters, Priority

MAX_WAITING = 256
MAX_WAITING_OF_CLIENT = 32
_SLICE_S = 0.5  # model time by which a chat may be ahead of another client's: its time slice
_MAX_INTERLEAVED = 2  # chats that are time-sliced; each holds a KV sequence
_MAX_REMEMBERED = 256  # idle clients whose model time is remembered


class GenerationFuture(Future[Completion]):
    """The future completion of a request. `cancel` works at any time before it is done."""

    def __init__(self, worker: Worker, request: GenerationRequest, order: int) -> None:
        super().__init__()
        self.request = request
        self.order = order
        self._worker = worker
        self.error: NanoError | None = None  # set once: the reason to end the request early

    def cancel(self) -> bool:
        """Cancel the request; False where it is done already."""
        return self._worker.end_early(self, CancelledError("The request was cancelled."))


@dataclass(eq=False)
class _ActiveRequest:
    """A request whose generation has started, or is about to."""

    future: GenerationFuture
    generation: Generation | None = None

    def begin(self, engine: Engine) -> Generation:
        """Create the generation; see `Generation` for the errors it raises."""
        request = self.future.request
        self.generation = Generation(
            engine,
            request.key,
            request.prompt,
            request.params,
            adapter=request.adapter,
            hook=request.hook,
            on_progress=request.on_progress,
        )
        return self.generation

    @property
    def only_reads(self) -> bool:
        """Whether the current batch may be aborted; that of a token is finished."""
        return self.generation is None or self.generation.only_reads

    @property
    def may_pause(self) -> bool:
        """Whether another request may run before the next step."""
        return self.future.error is not None or self.generation is None or self.generation.may_pause


class Worker:
    """Runs requests on an engine, in a thread of its own. Close it to free the model.

    Args:
        engine: The model.
        on_completion: Called with each completed request, on the worker's thread; None for nothing.
    """

    def __init__(self, engine: Engine, on_completion: Callable[[], None] | None = None) -> None:
        self._engine = engine
        self._on_completion = on_completion
        self._waiting: list[GenerationFuture] = []
        self._active: list[_ActiveRequest] = []
        self._current: _ActiveRequest | None = None  # the request of the running step, or of the last one
        self._spent_s: dict[str, float] = {}  # model time used, by client
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._totals = Counters()
        self._thread = threading.Thread(target=self._serve, name="nano-lsp-engine", daemon=True)
        self._thread.start()

    @property
    def totals(self) -> Counters:
        """Counters summed over all requests of this process, cancelled ones included."""
        return self._totals

    def n_missing(self, request: GenerationRequest) -> int:
        """Number of tokens of a request's prompt that are not in the KV cache; see `KvCache.n_cached`."""
        return len(request.prompt) - self._engine.kv_cache.n_cached(request.prompt, request.adapter)

    def submit(self, request: GenerationRequest) -> GenerationFuture:
        """Queue a request; requests that it supersedes end with `SupersededError`.

        Raises:
            EngineClosedError: The worker is closed.
            EngineBusyError: Too many requests are queued, of this client or in all.
        """
        future = GenerationFuture(self, request, next(self._order))
        with self._changed:
            if self._closed:
                raise EngineClosedError("The engine has been shut down.", "Start it again.")
            superseded = [other for other in self._open() if request.supersedes(other.request)]
            self._check_queue(request.client, {*superseded})
            self._add_client(request.client)
            self._waiting.append(future)
            self._changed.notify()
            current = self._current
            if current and current.only_reads and request.priority < current.future.request.priority:
                self._engine.backend.abort()
        for other in superseded:
            self.end_early(other, SupersededError("A newer request took this one's place."), at_once=False)
        return future

    def end_early(self, future: GenerationFuture, error: NanoError, *, at_once: bool = True) -> bool:
        """End a request early with an error; False where it is done already.

        The running batch is aborted `at_once`, or finished.
        """
        with self._changed:
            if future.done():
                return False
            future.error = future.error or error
            waiting = future in self._waiting
            if waiting:
                self._waiting.remove(future)
            if at_once and self._current and self._current.future is future:
                self._engine.backend.abort()
        if waiting:
            future.set_exception(future.error)
        return True

    def close(self) -> None:
        """End all unfinished requests with `EngineClosedError`, wait for the thread, free the model."""
        with self._changed:
            self._closed = True
            pending = self._open()
            self._changed.notify()
        for future in pending:
            self.end_early(future, EngineClosedError("The engine was shut down.", "Start it again."))
        self._thread.join()
        self._engine.kv_cache.save_all()
        self._engine.backend.close()

    def _open(self) -> list[GenerationFuture]:
        return [*self._waiting, *(active.future for active in self._active)]

    def _check_queue(self, client: str, superseded: set[GenerationFuture]) -> None:
        waiting = [future for future in self._waiting if future not in superseded]
        of_client = sum(future.request.client == client for future in waiting)
        if len(waiting) >= MAX_WAITING or of_client >= MAX_WAITING_OF_CLIENT:
            raise EngineBusyError(f"{len(waiting)} requests are queued for the model already.", "Try again later.")

    def _add_client(self, client: str) -> None:
        """Start a client that was idle at the least model time of the others: being idle earns no credit."""
        present = {future.request.client for future in self._open()}
        if client not in present:
            least = min((self._spent_s.get(other, 0.0) for other in present), default=0.0)
            self._spent_s[client] = max(self._spent_s.get(client, 0.0), least)
            if len(self._spent_s) > _MAX_REMEMBERED:
                self._spent_s = {name: self._spent_s[name] for name in present | {client}}

    def _serve(self) -> None:
        """Run the requests step by step, until the worker is closed and no request is left."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._active or self._closed)
                # First: an abort after this line reaches the next batch.
                self._engine.backend.clear_abort()
                if self._current is None or self._current.may_pause:
                    self._current = self._choose()
                active = self._current
            if active is None:
                return
            future, request = active.future, active.future.request
            completion: Completion | None = None
            failure: Exception | None = future.error
            started = time.perf_counter()
            if failure is None:
                try:
                    generation = active.generation or active.begin(self._engine)
                    if generation.step() is not None and request.on_text:
                        request.on_text(generation.text)
                    if generation.finish_reason is not None:
                        completion = generation.completion()
                except Exception as error:  # noqa: BLE001 - any error ends the request; the thread goes on
                    failure = error
            self._spent_s[request.client] += time.perf_counter() - started
            if completion is None and failure is None:
                continue
            if active.generation:
                active.generation.close()
                self._totals += active.generation.counters
            with self._changed:
                self._active.remove(active)
                self._current = None
            if completion is not None:
                if self._on_completion:
                    self._on_completion()
                future.set_result(completion)
            else:
                future.set_exception(failure)

    def _choose(self) -> _ActiveRequest | None:
        """The request to run next; the caller holds the lock."""
        ending = next((entry for entry in self._active if entry.future.error), None)
        if ending:
            return ending
        active = min(self._active, key=lambda entry: self._rank(entry.future), default=None)
        future = min(self._waiting, key=self._rank, default=None)
        if future is not None and (active is None or self._begins_before(future, active.future)):
            self._waiting.remove(future)
            self._active.append(active := _ActiveRequest(future))
            return active
        current = self._current if self._current in self._active else None
        if active and current and self._keeps_running(current.future, active.future):
            return current
        return active

    def _rank(self, future: GenerationFuture) -> tuple[int, float, int]:
        return future.request.priority, self._spent_s.get(future.request.client, 0.0), future.order

    def _keeps_running(self, current: GenerationFuture, other: GenerationFuture) -> bool:
        """Whether the current request goes on, as its time slice is not used up."""
        if current.request.priority != other.request.priority:
            return current.request.priority < other.request.priority
        return self._spent_s[current.request.client] < self._spent_s[other.request.client] + _SLICE_S

    def _begins_before(self, waiting: GenerationFuture, active: GenerationFuture) -> bool:
        """Whether a queued request starts before an active one is done: more urgent, or a chat to interleave."""
        if waiting.request.priority != active.request.priority:
            return waiting.request.priority < active.request.priority
        if waiting.request.priority is not Priority.CHAT or self._keeps_running(active, waiting):
            return False
        chats = [entry.future.request for entry in self._active if entry.future.request.priority is Priority.CHAT]
        cells = sum(len(chat.prompt) + chat.params.max_tokens for chat in [*chats, waiting.request])
        others = all(chat.client != waiting.request.client for chat in chats)
        return others and len(chats) < _MAX_INTERLEAVED and cells <= self._engine.backend.spec.n_ctx
