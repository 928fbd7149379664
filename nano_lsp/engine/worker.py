"""One thread owns the model and answers requests by priority.

- A completion runs before a chat, a chat before a warm-up: at the next batch the running request lets a more
  urgent one through, then goes on where it was.
- A newer request of the same priority and document supersedes the older one, which still finishes its batch: the
  newer one mostly begins with the same tokens.
- Cancelling takes effect within a running batch; what the batches before it evaluated stays in the KV cache.
- Every request is answered: with a completion, or with the error that ended it.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from concurrent.futures import Future

from nano_lsp.engine.generate import Engine, Generation
from nano_lsp.engine.request import Request
from nano_lsp.errors import CancelledError, EngineClosedError, NanoError, SupersededError
from nano_lsp.schema import Completion, Counters


class Ticket(Future[Completion]):
    """The answer to a request, to be. `cancel` works at any time before it is there."""

    def __init__(self, worker: Worker, request: Request) -> None:
        super().__init__()
        self.request = request
        self._worker = worker
        self.error: NanoError | None = None  # set once: why the request is to end early

    def cancel(self) -> bool:
        """Call the request off; False where it has been answered already."""
        return self._worker.call_off(self, CancelledError("The request was called off."))


class Worker:
    """The owner of an engine. Close it to free the model."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: list[tuple[int, int, Ticket]] = []
        self._order = itertools.count()
        self._running: list[Ticket] = []  # innermost last
        self._changed = threading.Condition()
        self._closed = False
        self._totals = Counters()
        self._thread = threading.Thread(target=self._serve, name="nano-lsp-engine", daemon=True)
        self._thread.start()

    @property
    def totals(self) -> Counters:
        """The sum over all requests of this process, those cancelled included."""
        return self._totals

    def submit(self, request: Request) -> Ticket:
        """Queue a request; superseded ones are answered with `SupersededError`.

        Raises:
            EngineClosedError: the worker is closed.
        """
        ticket = Ticket(self, request)
        with self._changed:
            if self._closed:
                raise EngineClosedError("The engine has been shut down.", "Start it again.")
            older = [t for t in self._open() if request.document and _same_work(t.request, request)]
            heapq.heappush(self._queue, (request.priority, next(self._order), ticket))
            self._changed.notify()
            if self._running and request.priority < self._running[-1].request.priority:
                self._engine.backend.abort()
        for ticket_before in older:
            self.call_off(ticket_before, SupersededError("A newer request took this one's place."), at_once=False)
        return ticket

    def call_off(self, ticket: Ticket, error: NanoError, *, at_once: bool = True) -> bool:
        """End a request early with an error; False where it has been answered already.

        Args:
            ticket: of the request.
            error: its answer.
            at_once: do not wait for the end of the batch that is running.
        """
        with self._changed:
            if ticket.done():
                return False
            ticket.error = ticket.error or error
            waiting = [entry for entry in self._queue if entry[2] is ticket]
            for entry in waiting:
                self._queue.remove(entry)
                heapq.heapify(self._queue)
            if at_once and self._running and self._running[-1] is ticket:
                self._engine.backend.abort()
        if waiting:
            ticket.set_exception(ticket.error)
        return True

    def close(self) -> None:
        """Answer everything still open with `EngineClosedError`, wait for the thread, free the model."""
        with self._changed:
            self._closed = True
            pending = self._open()
            self._changed.notify()
        for ticket in pending:
            self.call_off(ticket, EngineClosedError("The engine was shut down.", "Start it again."))
        self._thread.join()
        self._engine.backend.close()

    def _open(self) -> list[Ticket]:
        return [entry[2] for entry in self._queue] + self._running

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                ticket = self._next()
            self._answer(ticket)

    def _next(self) -> Ticket:
        """The most urgent ticket, now running; the caller holds the lock."""
        ticket = heapq.heappop(self._queue)[2]
        self._running.append(ticket)
        return ticket

    def _answer(self, ticket: Ticket) -> None:
        """Run a request and answer it, whatever happens."""
        completion: Completion | None = None
        try:
            completion = self._generate(ticket)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer; the thread goes on
            failure: Exception = error
        with self._changed:
            self._running.remove(ticket)
        if completion is not None:
            ticket.set_result(completion)
        else:
            ticket.set_exception(failure)

    def _generate(self, ticket: Ticket) -> Completion:
        request = ticket.request
        generation = Generation(
            self._engine,
            request.sequence or request.document,
            request.prompt,
            request.params,
            hook=request.hook,
            checkpoint=lambda: self._checkpoint(ticket),
            on_progress=request.on_progress,
        )
        try:
            for _ in generation:
                if request.on_text:
                    request.on_text(generation.text)
        finally:
            self._totals += generation.counters
        return generation.completion()

    def _checkpoint(self, ticket: Ticket) -> None:
        """Between two batches of a request: end it if it was called off, let more urgent ones through."""
        self._engine.backend.clear_abort()  # first: whoever aborts after this line is seen by the next batch
        while ticket.error is None:
            with self._changed:
                if not self._queue or self._queue[0][0] >= ticket.request.priority:
                    return
                urgent = self._next()
            self._answer(urgent)
            self._engine.backend.clear_abort()
        raise ticket.error


def _same_work(a: Request, b: Request) -> bool:
    return a.priority == b.priority and a.document == b.document
