"""The worker: priorities, superseding, cancelling; every future is completed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.errors import CancelledError, EngineBusyError, EngineClosedError, EngineError, SupersededError
from nano_lsp.inference.generation import Engine
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.inference.worker import MAX_WAITING_OF_CLIENT, GenerationFuture, Worker
from nano_lsp.schema import GenerateParams, Priority
from nano_lsp.testing.scripted_backend import ScriptedBackend

LIMIT_S = 60  # far beyond what anything here takes; only a hang reaches it


class Gate:
    """Blocks the model at the start of each batch until the test lets it through."""

    def __init__(self) -> None:
        self._permits = threading.Semaphore(0)
        self._arrivals = threading.Semaphore(0)
        self.opened = False

    def __call__(self) -> None:
        self._arrivals.release()
        if not self.opened:
            assert self._permits.acquire(timeout=LIMIT_S)

    def wait_for_batch(self) -> None:
        assert self._arrivals.acquire(timeout=LIMIT_S)

    def let_through(self) -> None:
        self._permits.release()

    def open(self) -> None:
        self.opened = True
        self._permits.release(100)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def backend(gate: Gate) -> ScriptedBackend:
    return ScriptedBackend(on_decode=gate)


@pytest.fixture
def worker(backend: ScriptedBackend, gate: Gate) -> Iterator[Worker]:
    worker = Worker(Engine(backend))
    yield worker
    gate.open()
    worker.close()


def request(text: str = "x" * 100, **fields: object) -> GenerationRequest:
    prompt = tuple(ScriptedBackend().tokenize(text))
    return GenerationRequest(prompt, GenerateParams(max_tokens=3, draft=False), **fields)  # type: ignore[arg-type]


def finish_order(*futures: GenerationFuture) -> tuple[list[int], Callable[[], None]]:
    order: list[int] = []
    for i, future in enumerate(futures):
        future.add_done_callback(lambda _, i=i: order.append(i))  # type: ignore[misc]

    def wait() -> None:
        for future in futures:
            future.exception(timeout=LIMIT_S)

    return order, wait


def test_a_more_urgent_request_preempts_a_running_one(worker: Worker, gate: Gate) -> None:
    prefetch = worker.submit(request("w" * 100, priority=Priority.PREFETCH, document="w"))
    gate.wait_for_batch()
    chat = worker.submit(request("c" * 100, priority=Priority.CHAT, document="c"))
    completion = worker.submit(request("k" * 100, priority=Priority.COMPLETION, document="k"))
    order, wait = finish_order(prefetch, chat, completion)
    gate.open()
    wait()
    assert order == [2, 1, 0]
    assert all(future.exception() is None for future in (prefetch, chat, completion))


def test_a_preempted_request_gives_the_same_output(worker: Worker, gate: Gate) -> None:
    slow = worker.submit(request("w" * 100, priority=Priority.PREFETCH, document="w"))
    gate.wait_for_batch()
    worker.submit(request("k" * 100, document="k"))
    gate.open()
    interrupted = slow.result(LIMIT_S)
    alone = worker.submit(request("w" * 100, document="other")).result(LIMIT_S)
    assert interrupted.tokens == alone.tokens


def test_a_newer_request_supersedes_one_of_its_kind_and_document(worker: Worker, gate: Gate) -> None:
    running = worker.submit(request(document="a"))
    gate.wait_for_batch()
    waiting = worker.submit(request(document="a"))
    other = worker.submit(request(document="b"))
    chat = worker.submit(request(document="a", priority=Priority.CHAT))
    newest = worker.submit(request(document="a"))
    gate.open()
    for future in (running, waiting):
        assert isinstance(future.exception(LIMIT_S), SupersededError)
    for future in (other, chat, newest):
        assert future.exception(LIMIT_S) is None


def test_cancelling_within_a_prompt_ends_within_one_batch_and_keeps_the_work(
    worker: Worker, gate: Gate, backend: ScriptedBackend
) -> None:
    future = worker.submit(request("x" * 2000))
    for _ in range(10):
        gate.wait_for_batch()
        gate.let_through()
    gate.wait_for_batch()  # the eleventh is about to be evaluated
    before = backend.evaluated
    assert future.cancel()
    gate.open()
    assert isinstance(future.exception(LIMIT_S), CancelledError)
    assert backend.evaluated - before <= 32
    again = worker.submit(request("x" * 2000)).result(LIMIT_S)
    assert again.counters.cached_tokens == before
    assert again.counters.evaluated_tokens == 2000 - before


def test_cancelling_a_queued_request(worker: Worker, gate: Gate) -> None:
    running = worker.submit(request(document="a"))
    gate.wait_for_batch()
    waiting = worker.submit(request(document="b"))
    assert waiting.cancel()
    assert isinstance(waiting.exception(LIMIT_S), CancelledError)
    gate.open()
    assert running.exception(LIMIT_S) is None
    assert not running.cancel()


def test_an_error_ends_the_request_and_the_worker_goes_on(worker: Worker, gate: Gate) -> None:
    gate.open()
    assert isinstance(worker.submit(GenerationRequest(())).exception(LIMIT_S), EngineError)

    def broken(text: str) -> None:
        raise ZeroDivisionError

    assert isinstance(worker.submit(request(on_text=broken)).exception(LIMIT_S), ZeroDivisionError)
    assert worker.submit(request()).exception(LIMIT_S) is None


def test_closing_completes_every_future(gate: Gate, backend: ScriptedBackend) -> None:
    worker = Worker(Engine(backend))
    futures = [worker.submit(request(document=name)) for name in "abc"]
    gate.wait_for_batch()
    closer = threading.Thread(target=worker.close)
    closer.start()
    while not all(future.done() or future.error for future in futures):
        threading.Event().wait(0.001)
    gate.open()
    closer.join(LIMIT_S)
    assert all(isinstance(future.exception(LIMIT_S), EngineClosedError) for future in futures)
    with pytest.raises(EngineClosedError):
        worker.submit(request())


def test_totals_count_cancelled_work_as_well(worker: Worker, gate: Gate, backend: ScriptedBackend) -> None:
    gate.open()
    done = [worker.submit(request(text)).result(LIMIT_S) for text in ("x" * 50, "y" * 70)]
    assert worker.totals.evaluated_tokens == 120
    assert worker.totals.generated_tokens == sum(len(completion.tokens) for completion in done)

    def broken(text: str) -> None:
        raise CancelledError("enough")

    assert worker.submit(request("z" * 40, on_text=broken)).exception(LIMIT_S)
    assert worker.totals.evaluated_tokens == 160


actions = st.lists(
    st.tuples(st.sampled_from(Priority), st.sampled_from("abc"), st.booleans(), st.integers(1, 120)),
    max_size=20,
)


@given(actions)
@settings(max_examples=40)
def test_every_future_is_completed_and_outputs_do_not_depend_on_scheduling(
    work: list[tuple[Priority, str, bool, int]],
) -> None:
    worker = Worker(Engine(ScriptedBackend(n_ctx=256, n_seq_max=4)))
    futures = []
    for priority, document, cancel, n in work:
        future = worker.submit(request(document * n, priority=priority, document=document))
        if cancel:
            future.cancel()
        futures.append((future, document * n))
    for future, text in futures:
        error = future.exception(LIMIT_S)
        if error is None:
            alone = Worker(Engine(ScriptedBackend(n_ctx=256)))
            assert alone.submit(request(text)).result(LIMIT_S).tokens == future.result().tokens
            alone.close()
        else:
            assert isinstance(error, CancelledError)
    worker.close()


def test_equally_urgent_requests_are_scheduled_fairly_between_clients(worker: Worker, gate: Gate) -> None:
    first = worker.submit(request("a" * 90, client="a", document="1"))
    gate.wait_for_batch()
    many = [worker.submit(request("a" * 90, client="a", document=str(i))) for i in range(2, 6)]
    other = worker.submit(request("b" * 90, client="b", document="1"))
    order, wait = finish_order(first, *many, other)
    gate.open()
    wait()
    assert order.index(5) == 1  # right behind what was running


def test_chats_of_two_clients_are_interleaved_with_the_same_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nano_lsp.inference.worker._SLICE_S", 0.02)
    both = threading.Event()

    def decode() -> None:
        assert both.wait(LIMIT_S)
        time.sleep(0.002)

    backend = ScriptedBackend(script=lambda history: 97 + sum(history) % 26, on_decode=decode)
    worker = Worker(Engine(backend))
    params = GenerateParams(max_tokens=60, draft=False)

    def chat(client: str, **fields: object) -> GenerationRequest:
        prompt = tuple(backend.tokenize(client * 50))
        return GenerationRequest(prompt, params, Priority.CHAT, client=client, sequence="chat", **fields)  # type: ignore[arg-type]

    speakers: list[str] = []
    asked = [worker.submit(chat(client, on_text=lambda _, it=client: speakers.append(it))) for client in "ab"]
    both.set()
    together = [future.result(LIMIT_S).text for future in asked]
    assert "aba" in re.sub(r"(.)\1+", r"\1", "".join(speakers))  # each went on before the other had ended
    assert together == [worker.submit(chat(client)).result(LIMIT_S).text for client in "ab"]
    worker.close()


def test_the_documents_of_two_clients_are_not_the_same(worker: Worker, gate: Gate) -> None:
    ours = worker.submit(request(client="a", document="x"))
    gate.wait_for_batch()
    theirs = worker.submit(request(client="b", document="x"))
    gate.open()
    assert (ours.exception(LIMIT_S), theirs.exception(LIMIT_S)) == (None, None)


def test_the_queue_of_a_client_is_bounded(worker: Worker, gate: Gate) -> None:
    worker.submit(request(document="first"))
    gate.wait_for_batch()
    waiting = [worker.submit(request(document=str(i))) for i in range(MAX_WAITING_OF_CLIENT)]
    with pytest.raises(EngineBusyError):
        worker.submit(request(document="one more"))
    newest = worker.submit(request(document="7"))  # supersedes a queued one
    others = [worker.submit(request(client="other", document=str(i))) for i in range(3)]
    gate.open()
    ends = [future.exception(LIMIT_S) for future in [*waiting, newest, *others]]
    assert [type(error) for error in ends if error] == [SupersededError]


def test_a_more_urgent_request_interrupts_the_scoring_of_a_text(
    worker: Worker, backend: ScriptedBackend, gate: Gate
) -> None:
    text = tuple(backend.tokenize("y" * 100))
    params = GenerateParams(score=text, max_tokens=len(text), draft=False)
    scored = worker.submit(GenerationRequest((1,), params, Priority.CHAT, document="s"))
    for _ in range(3):  # batches of the text, not of the prompt
        gate.let_through()
        gate.wait_for_batch()
    gate.wait_for_batch()
    n_evaluated = backend.evaluated
    completion = worker.submit(request("k", document="k"))
    order, wait = finish_order(scored, completion)
    gate.open()
    wait()
    assert order == [1, 0]
    assert tuple(token.id for token in scored.result().tokens) == text
    assert backend.evaluated == 1 + len(text) - 1 + 1 + 2  # what was aborted had not been evaluated
    assert n_evaluated < len(text)
