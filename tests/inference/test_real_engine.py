"""The engine on real weights: smol, a llama model of 135 M parameters."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nano_lsp.chat import Ask
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import (
    CancelledError,
    EngineError,
    GgufError,
    GrammarError,
    KvCacheFullError,
    PromptTooLongError,
)
from nano_lsp.inference.backend import Aborted
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.inference.llama_backend import LlamaBackend
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.inference.selftest import SelfTest, require_layout
from nano_lsp.inference.snapshots import Snapshots
from nano_lsp.inference.speculative import MAX_SPECULATIVE_TOKENS, SpeculationPolicy
from nano_lsp.inference.worker import GenerationFuture, Worker
from nano_lsp.models.adapter_file import AdapterFile, BaseModel, check_adapter
from nano_lsp.schema import Completion, GenerateParams, SamplingParams
from nano_lsp.settings import Settings
from nano_lsp.tasks.schema_grammar import compile_schema
from tests.gguf_files import write_adapter, write_model

# Where llama.cpp hangs in this process, no signal handler of Python runs: a thread prints stacks and ends the run.
pytestmark = [pytest.mark.real, pytest.mark.timeout(method="thread")]
LIMIT_S = 120
Load = Callable[..., LlamaBackend]
SOURCE = Path(__file__).read_text(encoding="utf-8")
# In batches of other sizes, and with other sequences in the cache, llama.cpp adds up numbers in another order: the
# same token's log-probability differs by up to 0.3 on these weights. So answers are compared up to a tie.
ROUNDING = 0.5


@pytest.fixture(scope="module")
def load(selftest: SelfTest) -> Load:
    """Loads a model in the layout of its weights in which llama.cpp works on this CPU."""
    return partial(LlamaBackend.load, layout=require_layout(selftest.run()))


@pytest.fixture(scope="module")
def backend(load: Load, smol_file: Path) -> Iterator[LlamaBackend]:
    backend = load(smol_file, Settings(n_ctx=2560))
    yield backend
    backend.close()


def same(one: Completion, two: Completion) -> bool:
    """Whether two greedy answers have the same ids, up to a place where two tokens are equally good within rounding.

    All tokens before it must have the same log-probability within rounding, too: a cache that holds the wrong tokens
    shows there first.
    """
    for a, b in zip(one.tokens, two.tokens, strict=False):
        if abs(a.logprob - b.logprob) > ROUNDING:
            return False
        if a.id != b.id:
            return True
    return len(one.tokens) == len(two.tokens)


@pytest.fixture
def engine(backend: LlamaBackend) -> Iterator[Engine]:
    engine = Engine(backend)
    yield engine
    engine.kv_cache = KvCache(engine.backend)


def run(engine: Engine, prompt: list[int], key: str = "a", **params: object) -> Completion:
    defaults: dict[str, object] = {"max_tokens": 12, "draft": False}
    return Generation(engine, key, prompt, GenerateParams(**{**defaults, **params})).run()  # type: ignore[arg-type]


def cold(engine: Engine, prompt: list[int]) -> Completion:
    engine.kv_cache = KvCache(engine.backend)
    return run(engine, prompt, key="cold")


starts, lengths = st.integers(0, 3000), st.integers(1, 240)
one_backend = settings(
    max_examples=8,
    phases=[Phase.generate],  # an example takes seconds; a smaller one would not tell more
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(start=starts, first=lengths, typed=st.integers(1, 40), shared=st.booleans())
@one_backend
def test_cold_warm_and_shared_caches_give_the_same_ids(
    engine: Engine, start: int, first: int, typed: int, shared: bool
) -> None:
    tokens = engine.backend.tokenize(SOURCE[start : start + 2000])
    prompt = tokens[: first + typed]
    reference = cold(engine, prompt)
    engine.kv_cache = KvCache(engine.backend)
    run(engine, tokens[:first])
    warm = run(engine, prompt, key="b" if shared else "a")
    assert same(warm, reference)
    assert warm.counters.evaluated_tokens <= len(prompt) - min(first, len(prompt)) + 1
    assert warm.counters.cached_tokens + warm.counters.evaluated_tokens == len(prompt)


@given(start=starts, length=st.integers(80, 300), kept=st.integers(70, 128))
@one_backend
def test_a_restored_sequence_gives_the_same_ids(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, start: int, length: int, kept: int
) -> None:
    folder = tmp_path_factory.mktemp("kv")
    prompt = engine.backend.tokenize(SOURCE[start : start + 2500])[:length]
    reference = cold(engine, prompt)
    snapshots = Snapshots(folder, engine.backend.spec.fingerprint)
    writing = KvCache(engine.backend, snapshots, min_new_tokens=1)
    engine.kv_cache = KvCache(engine.backend)
    sequence = writing.acquire("a", prompt[:kept])
    writing.decode(sequence, prompt[len(sequence.tokens) : kept][:128], 1)
    writing.save_all()
    writing.release(sequence)
    restored = run(Engine(engine.backend, KvCache(engine.backend, snapshots)), prompt)
    assert restored.counters.cached_tokens >= min(kept, length) - 1
    assert same(restored, reference)


def test_the_comparison_detects_stale_tokens(engine: Engine) -> None:
    """Precondition of the tests above: with eight stale tokens in the cache, outputs do not count as equal."""
    tokens = engine.backend.tokenize(SOURCE[:2000])
    stale = engine.backend.tokenize("the quick brown fox jumps over the lazy dog")[:8]
    ends = range(61, 301, 20)  # at some, the model says the same with and without them
    right = [cold(engine, tokens[:n]) for n in ends]
    wrong = [cold(engine, tokens[: n - 4] + stale + tokens[n - 4 : n]) for n in ends]
    assert not all(same(a, b) for a, b in zip(right, wrong, strict=True))


class AlwaysSpeculate(SpeculationPolicy):
    """Proposes as many tokens as it can."""

    def choose_length(self, ngram: int) -> int:
        return MAX_SPECULATIVE_TOKENS if ngram else 0


def test_speculation_gives_the_same_ids(backend: LlamaBackend) -> None:
    prompt = backend.tokenize(SOURCE[:1500])
    plain = run(Engine(backend), prompt, max_tokens=60)
    engine = Engine(backend, speculation=AlwaysSpeculate())
    speculative = run(engine, prompt, max_tokens=60, draft=True)
    engine.kv_cache = KvCache(engine.backend)
    assert same(speculative, plain)
    assert speculative.counters.accepted_tokens > 0


def test_a_prompt_is_cancelled_at_once_and_its_work_is_reused(load: Load, smol_file: Path) -> None:
    """Cancelled just before a batch of 128, nothing of it is evaluated: llama.cpp ends at the next graph node."""
    backend = load(smol_file, Settings(n_ctx=2560))
    engine = Engine(backend)
    worker = Worker(engine)
    prompt = tuple(backend.tokenize(SOURCE)[:2000])
    futures: list[GenerationFuture] = []
    submitted = threading.Event()
    seen: list[int] = []

    def on_progress(done: int, total: int) -> None:
        seen.append(done)
        if done >= 512:
            assert submitted.wait(LIMIT_S)
            futures[0].cancel()

    request = GenerationRequest(prompt, GenerateParams(max_tokens=1), document="a", on_progress=on_progress)
    futures.append(worker.submit(request))
    submitted.set()
    assert isinstance(futures[0].exception(LIMIT_S), CancelledError)
    assert seen == [0, 128, 256, 384, 512]
    assert len(engine.kv_cache.held("a")) == 512
    again = worker.submit(GenerationRequest(prompt, GenerateParams(max_tokens=1), document="a")).result(LIMIT_S)
    assert (again.counters.cached_tokens, again.counters.evaluated_tokens) == (512, 1488)
    worker.close()


def test_an_abort_leaves_the_cache_as_it_was(backend: LlamaBackend) -> None:
    tokens = backend.tokenize(SOURCE)[:32]
    backend.abort()
    with pytest.raises(Aborted):
        backend.decode(tokens, n_past=0, seq_id=0)
    backend.clear_abort()
    backend.decode(tokens, n_past=0, seq_id=0)
    backend.seq_trim(0, 0)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0xFFFF)))  # smol has no tokens for the bytes of others
@settings(max_examples=60)
def test_tokens_of_a_text_are_its_bytes(backend: LlamaBackend, text: str) -> None:
    tokens = backend.tokenize(text)
    assert b"".join(map(backend.piece, tokens)) == text.encode("utf-8", "replace")
    assert not set(tokens) & backend.spec.eog_ids


def test_control_tokens_are_read_only_on_request(backend: LlamaBackend) -> None:
    assert len(backend.tokenize("<|im_end|>", parse_special=True)) == 1
    assert len(backend.tokenize("<|im_end|>")) > 1


def test_log_probabilities_are_those_of_the_logits(engine: Engine) -> None:
    prompt = engine.backend.tokenize("The capital of France is")
    token = run(engine, prompt, max_tokens=1).tokens[0]
    logits = engine.backend.logits(0).astype(np.float64)
    assert token.id == int(logits.argmax())
    assert token.logprob == pytest.approx(logits[token.id] - np.logaddexp.reduce(logits), abs=1e-3)


def test_a_seed_fixes_a_sampled_answer(engine: Engine) -> None:
    prompt = engine.backend.tokenize("Once upon a time")
    sampling = SamplingParams(temperature=1.0, top_k=40, top_p=0.95, min_p=0.02, repeat_penalty=1.1, seed=11)
    one, two = (run(engine, prompt, sampling=sampling).text for _ in range(2))
    assert one == two


def test_a_json_schema_constrains_the_output(engine: Engine) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 10}, "age": {"type": "integer", "maximum": 150}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    grammar = compile_schema(schema)
    prompt = engine.backend.tokenize("A person as JSON: ")
    answer = json.loads(run(engine, prompt, max_tokens=80, grammar=grammar).text)
    assert set(answer) == {"name", "age"}
    assert isinstance(answer["age"], int)


def test_a_grammar_that_cannot_be_parsed(backend: LlamaBackend) -> None:
    for bad in ("", "root ::= (", "other ::= [a]", "root ::= root"):
        with pytest.raises(GrammarError):
            backend.compile_grammar(bad)


def test_a_prompt_longer_than_the_context(engine: Engine) -> None:
    with pytest.raises(PromptTooLongError):
        run(engine, [5] * 2560)


def test_the_cache_is_full_when_it_is_full(load: Load, smol_file: Path) -> None:
    small = load(smol_file, Settings(n_ctx=512))
    for at in range(0, 512, 128):
        small.decode([5] * 128, n_past=at, seq_id=0, n_logits=0)
    with pytest.raises(KvCacheFullError):
        small.decode([5], n_past=512, seq_id=0)
    small.close()


def test_a_batch_that_does_not_fit_is_refused(backend: LlamaBackend) -> None:
    for tokens, n_logits in (([], 0), ([5] * 129, 1), ([5] * 20, 20), ([10**9], 1)):
        with pytest.raises(EngineError):
            backend.decode(tokens, n_past=0, seq_id=0, n_logits=n_logits)


def test_a_saved_state_of_another_kind_is_refused(backend: LlamaBackend) -> None:
    with pytest.raises(EngineError):
        backend.seq_load(0, b"nonsense" * 10)


@pytest.mark.parametrize("kv_type", ["q8_0", "q4_0"])
def test_a_smaller_kv_cache_works(load: Load, smol_file: Path, backend: LlamaBackend, kv_type: str) -> None:
    small = load(smol_file, Settings(n_ctx=2560, kv_type=kv_type))
    try:
        assert small.memory().kv_cache_bytes < 0.6 * backend.memory().kv_cache_bytes
        assert small.spec.fingerprint != backend.spec.fingerprint
        assert run(Engine(small), small.tokenize("The capital of France is")).text
    finally:
        small.close()


def test_adapters_are_switched_on_one_context(load: Load, smol_file: Path, tmp_path: Path) -> None:
    """Four adapters, twice what stays loaded, and the model alone, back and forth: each as in a run of its own."""
    base = BaseModel("smol", smol_file)
    files = [
        write_adapter(tmp_path / f"{seed}.gguf", layers=30, width=576, kv_width=192, scale=scale, seed=seed)
        for seed, scale in enumerate((0.0, 0.3, 0.3, 0.3))
    ]
    adapters = [None, *(check_adapter(file, base) for file in files)]
    backend = load(smol_file, Settings(n_ctx=1024))
    try:
        prompt = backend.tokenize("def fibonacci(n):\n    ")

        def answer(engine: Engine, adapter: AdapterFile | None) -> Completion:
            params = GenerateParams(max_tokens=16, draft=False)
            return Generation(engine, "a", prompt, params, adapter=adapter).run()

        alone = [answer(Engine(backend), adapter) for adapter in adapters]
        assert alone[0].tokens == alone[1].tokens  # zeros change nothing
        assert len({each.text for each in alone}) == 4
        engine = Engine(backend)
        for i in (0, 3, 0, 2, 4, 1, 0, 4, 3, 3, 2, 0):
            assert same(answer(engine, adapters[i]), alone[i])
    finally:
        backend.close()


def test_an_adapter_changes_suggestions_and_no_chats(load: Load, smol_file: Path, tmp_path: Path) -> None:
    file = write_adapter(tmp_path / "lora.gguf", layers=30, width=576, kv_width=192)
    base = BaseModel("smol", smol_file)
    answers = []
    for setting in ("none", str(file)):
        model = LoadedModel(load(smol_file, Settings(n_ctx=1024)), base=base)
        with LocalAssistant(model, Settings(n_ctx=1024, adapter=setting), find_folders()) as assistant:
            cursor = CompletionInput("a.py", "def fibonacci(n):\n    \n", 22)
            suggestion = assistant.run(Complete(cursor, speculative=False))
            answers.append((suggestion, assistant.run(Ask("What is 1 + 1?", max_tokens=12))))
    (plain, chat), (adapted, same_chat) = answers
    assert plain.text != adapted.text
    assert same(chat, same_chat)


def test_snapshots_of_an_adapter_are_its_own(load: Load, smol_file: Path, tmp_path: Path) -> None:
    file = write_adapter(tmp_path / "lora.gguf", layers=30, width=576, kv_width=192)
    adapter = check_adapter(file, BaseModel("smol", smol_file))
    backend = load(smol_file, Settings(n_ctx=1024))
    try:
        prompt = backend.tokenize("def fibonacci(n):\n    " * 20)
        params = GenerateParams(max_tokens=8, draft=False)
        found: dict[bool, list[Completion]] = {True: [], False: []}
        for _ in range(2):
            cache = KvCache(backend, Snapshots(tmp_path / "kv", backend.spec.fingerprint), min_new_tokens=1)
            for with_adapter in (True, False):
                used = adapter if with_adapter else None
                generation = Generation(Engine(backend, cache), "a", prompt, params, adapter=used)
                found[with_adapter].append(generation.run())
            cache.save_all()
        assert all(same(*answers) for answers in found.values())
        assert found[True][0].text != found[False][0].text
        assert [answers[1].counters.cached_tokens for answers in found.values()] == [len(prompt) - 1] * 2
    finally:
        backend.close()


def test_an_adapter_that_llama_cpp_refuses_is_an_error(backend: LlamaBackend, tmp_path: Path) -> None:
    wrong = write_adapter(tmp_path / "wrong.gguf", layers=3, width=64, kv_width=64)
    with pytest.raises(GgufError, match=r"cannot load .*wrong\.gguf"):
        backend.set_adapter(check_adapter(wrong))
    with pytest.raises(GgufError, match="has changed"):
        backend.set_adapter(AdapterFile("0" * 64, wrong))


def test_a_sound_header_with_an_unsound_model_is_refused(load: Load, tmp_path: Path) -> None:
    with pytest.raises(GgufError, match="cannot load"):
        load(write_model(tmp_path / "tiny.gguf"), Settings(n_ctx=512))


def test_loading_can_be_cancelled(load: Load, smol_file: Path) -> None:
    with pytest.raises(CancelledError):
        load(smol_file, Settings(n_ctx=512), on_progress=lambda share: share < 0.3)


def test_the_memory_account_is_about_the_file_and_the_context(smol_file: Path, backend: LlamaBackend) -> None:
    account = backend.memory()
    assert account.kv_cache_bytes == 30 * 3 * 64 * 2 * 2 * 2560
    assert 0.6 * smol_file.stat().st_size < account.weights_bytes < 1.1 * smol_file.stat().st_size
    assert account.compute_bytes > 0
