"""Generation on the scripted backend: stops, hooks, healing, grammars, speculation, counters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.errors import EngineError, GrammarError, PromptTooLongError
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.inference.sampling import logprob
from nano_lsp.inference.snapshots import Snapshots
from nano_lsp.inference.speculative import MAX_SPECULATIVE_TOKENS, SpeculationPolicy
from nano_lsp.schema import (
    Completion,
    FinishReason,
    GenerateParams,
    Hook,
    SamplingParams,
    Token,
    Verdict,
)
from nano_lsp.testing.scripted_backend import ScriptedBackend, hashed_script, reply_script


def engine_for(replies: dict[str, str]) -> Engine:
    return Engine(ScriptedBackend(reply_script(replies)))


def run(engine: Engine, prompt: str, hook: Hook | None = None, key: str = "a", **params: object) -> Completion:
    ids = engine.backend.tokenize(prompt)
    return Generation(engine, key, ids, GenerateParams(**params), hook=hook).run()  # type: ignore[arg-type]


def test_an_end_token_ends_the_text() -> None:
    done = run(engine_for({"def f": "(x): return x"}), "def f")
    assert (done.text, done.finish_reason) == ("(x): return x", FinishReason.STOP)


def test_a_stop_string_is_not_part_of_the_text() -> None:
    done = run(engine_for({"a": "bc\n\ndef"}), "a", stop=("\n\n",))
    assert (done.text, done.finish_reason) == ("bc", FinishReason.STOP)


def test_a_stop_id_ends_the_text() -> None:
    assert run(engine_for({"a": "bcd"}), "a", stop_ids=frozenset({ord("d")})).text == "bc"


def test_the_token_limit() -> None:
    done = run(engine_for({"a": "bcxyz"}), "a", max_tokens=3)
    assert (done.text, done.finish_reason, done.counters.generated_tokens) == ("bcx", FinishReason.LENGTH, 3)


def test_a_warm_up_evaluates_the_prompt_and_generates_nothing() -> None:
    engine = engine_for({"abc": "def"})
    assert run(engine, "abc", max_tokens=0).text == ""
    assert run(engine, "abc").counters.evaluated_tokens == 1


def test_a_deadline_returns_what_is_there() -> None:
    done = run(engine_for({"a": "bcd"}), "a", deadline_ms=0)
    assert (done.text, done.finish_reason) == ("", FinishReason.DEADLINE)


def test_a_full_context_ends_the_text() -> None:
    engine = Engine(ScriptedBackend(reply_script({"a": "b" * 50}), n_ctx=16))
    done = run(engine, "a", draft=False)
    assert (done.text, done.finish_reason) == ("b" * 16, FinishReason.LENGTH)


@pytest.mark.parametrize("n", [16, 17, 400])
def test_a_prompt_that_does_not_fit_is_refused(n: int) -> None:
    engine = Engine(ScriptedBackend(n_ctx=16))
    with pytest.raises(PromptTooLongError) as caught:
        run(engine, "x" * n)
    assert "n_ctx" in caught.value.remedy


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(EngineError):
        run(Engine(ScriptedBackend()), "")


def test_a_prompt_past_16k_tokens_warns_of_drift() -> None:
    engine = Engine(ScriptedBackend(reply_script({}), n_ctx=20_000, n_batch=512))
    (warning,) = run(engine, "x" * 16_385).warnings
    assert "16,384" in warning
    assert run(engine, "x" * 16_384).warnings == ()


def test_the_log_probability_is_the_models_own() -> None:
    (token, *_) = run(engine_for({"a": "b"}), "a").tokens
    assert -0.02 < token.logprob < 0.0  # one logit of 10 over zeros


def test_a_hook_stops_and_takes_back() -> None:
    def hook(text: str, tokens: Sequence[Token], ended: bool) -> Verdict | None:
        return Verdict(roll_back=2, stop=True) if text.endswith("d") else None

    done = run(engine_for({"a": "bcdxy"}), "a", hook)
    assert (done.text, done.finish_reason) == ("b", FinishReason.STOP)


def test_after_a_roll_back_another_token_comes() -> None:
    refused: list[str] = []

    def hook(text: str, tokens: Sequence[Token], ended: bool) -> Verdict | None:
        if len(tokens) == 3 and len(refused) < 2:
            refused.append(text)
            return Verdict(roll_back=1)
        return None

    engine = Engine(ScriptedBackend())
    done = run(engine, "ab", hook, max_tokens=5, draft=False)
    third = {text.encode("latin-1", "replace")[-1:] for text in refused}
    assert len(refused) == len(set(refused)) == 2, third
    assert len(done.tokens) == 5
    history = engine.backend.tokenize("ab")
    for i, token in enumerate(done.tokens):
        if i != 2:
            assert token.id == int(hashed_script(history).argmax()) or token.id in engine.backend.spec.eog_ids
        history.append(token.id)


def test_the_speed_counts_tokens_that_were_taken_back() -> None:
    taken_back: list[str] = []

    def hook(text: str, tokens: Sequence[Token], ended: bool) -> Verdict | None:
        if len(tokens) == 8 and not taken_back:
            taken_back.append(text)
            return Verdict(roll_back=7, stop=True)
        return None

    counters = run(engine_for({"a": "bcdefghijk"}), "a", hook).counters
    assert (counters.generated_tokens, counters.decoded_tokens) == (1, 7)
    assert counters.decode_tokens_per_s == pytest.approx(7e3 / counters.decode_ms)
    assert run(engine_for({"a": "b"}), "a", max_tokens=1).counters.decode_tokens_per_s == 0


def test_after_an_end_a_hook_may_roll_back() -> None:
    asked: list[tuple[str, bool]] = []

    def hook(text: str, tokens: Sequence[Token], ended: bool) -> Verdict | None:
        asked.append((text, ended))
        return Verdict(roll_back=1) if ended and len(asked) < 5 else None

    done = run(engine_for({"a": "xy"}), "a", hook, max_tokens=3, draft=False)
    assert asked[:3] == [("x", False), ("xy", False), ("xy", True)]
    assert done.text.startswith("x")
    assert done.text[1] != "y"
    assert asked[-1] == (done.text, True)


def test_no_end_before_min_tokens() -> None:
    engine = engine_for({"a": ""})
    assert run(engine, "a").text == ""
    assert len(run(engine, "a", min_tokens=2, max_tokens=4).tokens) >= 2


def test_the_number_of_roll_backs_is_limited() -> None:
    done = run(Engine(ScriptedBackend()), "ab", lambda _text, _tokens, _ended: Verdict(roll_back=1), max_tokens=5)
    assert done.finish_reason is FinishReason.STOP


def test_token_healing_regenerates_a_cut_word() -> None:
    engine = engine_for({"def f():": " return 1"})
    engine.backend.script = follow("def f(): return 1")  # type: ignore[attr-defined]
    healed = run(engine, "def f(): ret", heal=True)
    assert healed.text == "urn 1"
    assert healed.tokens[0].piece == b" return"


def follow(text: str) -> object:
    """A script that writes one text, however its beginning was tokenized."""
    backend = ScriptedBackend()

    def script(history: Sequence[int]) -> int:
        written = b"".join(backend.piece(token) for token in history).decode()
        rest = text[len(written) :] if text.startswith(written) else ""
        return backend.tokenize(rest)[0] if rest else next(iter(backend.spec.eog_ids))

    return script


def test_a_grammar_constrains_the_text() -> None:
    engine = Engine(ScriptedBackend())
    done = run(engine, "yes or no? ", grammar='root ::= "yes" | "no"')
    assert done.text in {"yes", "no"}
    assert done.finish_reason is FinishReason.STOP
    with pytest.raises(GrammarError):
        run(engine, "x", grammar="no grammar")


class AlwaysSpeculate(SpeculationPolicy):
    """Proposes as many tokens as it can, whether that saves time or not."""

    def choose_length(self, ngram: int) -> int:
        return MAX_SPECULATIVE_TOKENS if ngram else 0


prompts = st.text("ab\n ", min_size=1, max_size=60)


@given(
    prompt=prompts,
    sampling=st.builds(SamplingParams, temperature=st.sampled_from([0.0, 0.8]), seed=st.just(3)),
)
@settings(max_examples=40)
def test_speculation_never_changes_the_output(prompt: str, sampling: SamplingParams) -> None:
    plain = run(Engine(ScriptedBackend()), prompt, max_tokens=24, sampling=sampling, draft=False)
    engine = Engine(ScriptedBackend(), speculation=AlwaysSpeculate())
    speculative = run(engine, prompt, max_tokens=24, sampling=sampling, draft_text=tuple(t.id for t in plain.tokens))
    assert [t.id for t in speculative.tokens] == [t.id for t in plain.tokens]
    assert speculative.counters.accepted_tokens <= speculative.counters.drafted_tokens


def test_accepted_speculative_tokens_save_batches() -> None:
    text = "return x\n" * 6
    engine = Engine(ScriptedBackend(reply_script({"go:": text})), speculation=AlwaysSpeculate())
    done = run(engine, "go:")
    assert done.text == text
    assert done.counters.accepted_tokens > 0
    assert len(engine.backend.batches) < done.counters.generated_tokens  # type: ignore[attr-defined]


@given(st.lists(prompts, min_size=1, max_size=6), st.booleans())
@settings(max_examples=40)
def test_warm_and_cold_cache_give_the_same_ids(edits: list[str], one_key: bool) -> None:
    warm = Engine(ScriptedBackend(n_ctx=96, n_seq_max=4))
    for i, text in enumerate(edits):
        hot = run(warm, text, key="a" if one_key else str(i), max_tokens=8)
        cold = run(Engine(ScriptedBackend(n_ctx=96)), text, max_tokens=8)
        assert [t.id for t in hot.tokens] == [t.id for t in cold.tokens]


@given(prompt=prompts)
@settings(max_examples=40)
def test_a_sequence_that_shares_another_one_gives_the_same_ids(prompt: str) -> None:
    engine = Engine(ScriptedBackend())
    first = run(engine, prompt, max_tokens=8)
    evaluated = engine.backend.evaluated  # type: ignore[attr-defined]
    again = run(engine, prompt, key="b", max_tokens=8)
    assert [t.id for t in again.tokens] == [t.id for t in first.tokens]
    assert again.counters.evaluated_tokens == 1
    assert engine.backend.evaluated > evaluated  # type: ignore[attr-defined]


@given(prompt=st.text("ab\n ", min_size=80, max_size=120), kept=st.integers(70, 80))
@settings(max_examples=30)
def test_a_sequence_restored_from_disk_gives_the_same_ids(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, kept: int
) -> None:
    snapshots = Snapshots(tmp_path_factory.mktemp("kv"), "scripted")
    tokens = ScriptedBackend().tokenize(prompt)
    writing = KvCache(ScriptedBackend(n_batch=200), snapshots, min_new_tokens=1)
    sequence = writing.acquire("a", tokens[:kept])
    writing.decode(sequence, tokens[:kept], 1)
    writing.save_all()
    backend = ScriptedBackend()
    restored = run(Engine(backend, KvCache(backend, snapshots)), prompt, max_tokens=8)
    cold = run(Engine(ScriptedBackend()), prompt, max_tokens=8)
    assert [t.id for t in restored.tokens] == [t.id for t in cold.tokens]
    shared = min(kept, len(tokens) - 1)
    assert restored.counters.cached_tokens == (shared if shared >= 64 else 0)


@given(prompt=prompts, added=st.text("xyz", min_size=1, max_size=20))
@settings(max_examples=40)
def test_a_warm_request_evaluates_what_was_typed(prompt: str, added: str) -> None:
    engine = Engine(ScriptedBackend())
    run(engine, prompt, max_tokens=8)
    done = run(engine, prompt + added, max_tokens=8)
    counters = done.counters
    assert counters.evaluated_tokens <= len(engine.backend.tokenize(added)) + 1
    assert counters.cached_tokens + counters.evaluated_tokens == counters.prompt_tokens


def test_a_cancelled_generation_keeps_its_kv_cells() -> None:
    engine = Engine(ScriptedBackend())
    prompt = engine.backend.tokenize("x" * 200)
    generation = Generation(engine, "a", prompt, GenerateParams())
    for _ in range(3):
        generation.step()
    generation.close()
    assert engine.backend.batches == [32, 32, 32]  # type: ignore[attr-defined]
    again = Generation(engine, "a", prompt, GenerateParams(max_tokens=1)).run()
    assert (again.counters.cached_tokens, again.counters.evaluated_tokens) == (96, 104)


def test_a_sequence_that_was_evicted_meanwhile_is_evaluated_again() -> None:
    backend = ScriptedBackend(n_ctx=96)
    engine = Engine(backend, KvCache(backend))
    cold = run(Engine(ScriptedBackend(n_ctx=96)), "a" * 40, max_tokens=12, draft=False)
    prompt = backend.tokenize("a" * 40)
    generation = Generation(engine, "a", prompt, GenerateParams(max_tokens=12, draft=False))
    for i, _ in enumerate(generation):
        if i == 7:
            run(engine, "b" * 90, key="other", max_tokens=2, draft=False)
    done = generation.completion()
    assert [t.id for t in done.tokens] == [t.id for t in cold.tokens]


@given(st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=100), st.integers(1, 40))
@settings(max_examples=30)
def test_a_scored_text_has_the_probabilities_of_its_tokens(text: str, n_prompt: int) -> None:
    backend = ScriptedBackend(hashed_script)
    engine, ids = Engine(backend), tuple(backend.tokenize(text))
    prompt = backend.tokenize("x" * n_prompt)
    params = GenerateParams(score=ids, max_tokens=len(ids), draft=False)
    done = Generation(engine, "a", prompt, params).run()
    assert tuple(token.id for token in done.tokens) == ids
    assert done.text == text
    history = list(prompt)
    for token in done.tokens:
        assert token.logprob == pytest.approx(logprob(hashed_script(history), token.id), abs=1e-5)
        history.append(token.id)
    assert backend.evaluated == len(prompt) + len(ids) - 1  # nobody needs what follows the last one


def test_a_second_text_is_scored_without_reading_the_prompt_again() -> None:
    backend = ScriptedBackend(hashed_script)
    engine, prompt = Engine(backend), backend.tokenize("def area(w, h):\n")
    for text in ("old", "new"):
        ids = tuple(backend.tokenize(text))
        Generation(engine, "a", prompt, GenerateParams(score=ids, max_tokens=len(ids))).run()
    assert backend.evaluated == len(prompt) + 2 + 1 + 2
