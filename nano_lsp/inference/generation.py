"""The generation loop: evaluate missing tokens, choose the next one, apply the hook, decide when to end.

The token list (prompt and output) is authoritative; the tokens of it that the KV sequence lacks are evaluated, in
chunks. So a prompt, the next token, a roll back and a sequence that was evicted meanwhile are one case. Independent
of requests, threads and queues: the caller of `step` may run other generations between two steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nano_lsp.config import DRIFT_TOKENS
from nano_lsp.errors import EngineError, KvCacheFullError, PromptTooLongError
from nano_lsp.inference.backend import MAX_LOGITS, Aborted, Backend
from nano_lsp.inference.chunk_size import ChunkSize
from nano_lsp.inference.detokenizer import Detokenizer
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.inference.sampling import Sampler, logprob
from nano_lsp.inference.speculative import MAX_SPECULATIVE_TOKENS, NgramIndex, SpeculationPolicy
from nano_lsp.inference.token_healing import mask_unfitting, split_unfinished
from nano_lsp.models.adapter_file import AdapterFile
from nano_lsp.schema import Completion, Counters, FinishReason, GenerateParams, Hook, Token

_MAX_ROLL_BACKS = 32


class Engine:
    """A backend with the state that its generations share: the KV cache and what has been measured."""

    def __init__(
        self,
        backend: Backend,
        kv_cache: KvCache | None = None,
        speculation: SpeculationPolicy | None = None,
        chunk_size: ChunkSize | None = None,
    ) -> None:
        self.backend = backend
        self.kv_cache = kv_cache or KvCache(backend)
        self.speculation = speculation or SpeculationPolicy()
        self.chunk_size = chunk_size or ChunkSize(backend.spec.n_batch)


class Generation:
    """A running generation: iterate over it for tokens, or call `step` for each batch; read `text` for the output.

    A hook that rolls back removes tokens that were yielded already: display all of `text` then.

    Attributes:
        finish_reason: Reason why it ended; None while it runs.
        warnings: Sentences for the user.
    """

    def __init__(
        self,
        engine: Engine,
        key: str,
        prompt: Sequence[int],
        params: GenerateParams,
        *,
        adapter: AdapterFile | None = None,
        hook: Hook | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Prepare; nothing is evaluated before the first step. Holds a KV sequence until `close`.

        Args:
            engine: The model.
            key: Key of the KV sequence to continue.
            prompt: Token ids of the prompt, at least one.
            params: Limits, sampling and grammar.
            adapter: Adapter to evaluate all tokens with; None for the model alone.
            hook: Called after each token; may roll back or stop.
            on_progress: Receives the number of prompt tokens in the KV cache and the length of the prompt.

        Raises:
            EngineError: The prompt is empty.
            PromptTooLongError: The context has no room for a token after the prompt.
            GrammarError: The grammar cannot be parsed.
        """
        spec = engine.backend.spec
        if not prompt:
            raise EngineError("The prompt is empty.", "Give it at least one token.")
        if len(prompt) >= spec.n_ctx:
            raise PromptTooLongError(
                f"The prompt is {len(prompt):,} tokens long, the context has room for {spec.n_ctx:,}.",
                "Shorten the input, or raise the setting n_ctx (at most 32768).",
            )
        self.finish_reason: FinishReason | None = None
        self.warnings: tuple[str, ...] = ()
        if len(prompt) > DRIFT_TOKENS:
            self.warnings = (f"The prompt is {len(prompt):,} tokens long; past {DRIFT_TOKENS:,} the answers drift.",)
        self._engine = engine
        self._backend = engine.backend
        self._params = params
        self._hook = hook
        self._on_progress = on_progress
        kept, healed = split_unfinished(prompt, self._backend.piece) if params.heal else (list(prompt), b"")
        self._tokens = kept + [token.id for token in params.begin]
        self._n_prompt = len(kept)
        self._detokenizer = Detokenizer(healed, params.stop)
        self._sampler = Sampler(params.sampling)
        self._grammar = self._backend.compile_grammar(params.grammar) if params.grammar else None
        for token in params.begin:
            self._detokenizer.append(token)
            if self._grammar:
                self._grammar.accept(token.id)
        self._index = NgramIndex(params.draft_text, self._tokens) if params.draft else None
        self._speculated: list[int] = []  # speculative tokens in the KV cache, after the accepted ones
        self._row = 0
        self._banned: dict[int, set[int]] = {len(self._tokens): set(params.avoid)}
        self._roll_backs = 0
        self._n_evaluated = self._n_decoded = self._n_speculated = self._n_accepted = 0
        self._awaits_hook = False  # the newest token
        self._began = time.perf_counter()
        self._clock = _Stopwatch()
        self._prompt_done_s = self._first_token_s = 0.0  # by that clock
        with self._clock:
            self._sequence = engine.kv_cache.acquire(key, self._tokens, adapter)
        self._n_cached = len(self._sequence.tokens)
        self._is_open = True

    @property
    def text(self) -> str:
        """The output so far, without an incomplete character or the beginning of a stop string at its end."""
        return self._detokenizer.text

    @property
    def reads_prompt(self) -> bool:
        """Whether the prompt is still being evaluated."""
        return not self._prompt_done_s

    @property
    def only_reads(self) -> bool:
        """Whether the running batch belongs to a prompt or to a text to score: it may be aborted and repeated."""
        return self.reads_prompt or bool(self._params.score)

    @property
    def may_pause(self) -> bool:
        """Whether another generation may run before the next step: all logits of the last batch have been used."""
        return not (self._speculated and self._speculated[0] == self._tokens[-1])

    @property
    def counters(self) -> Counters:
        """Tokens and times so far; time spent on other requests in between is left out."""
        prompt_s = self._prompt_done_s or self._clock.seconds
        return Counters(
            prompt_tokens=self._n_prompt,
            cached_tokens=self._n_cached,
            evaluated_tokens=self._n_evaluated,
            generated_tokens=len(self._detokenizer.tokens),
            drafted_tokens=self._n_speculated,
            accepted_tokens=self._n_accepted,
            ttft_ms=self._first_token_s * 1e3,
            prompt_ms=prompt_s * 1e3,
            decode_ms=(self._clock.seconds - prompt_s) * 1e3,
            decoded_tokens=self._n_decoded,
        )

    def run(self) -> Completion:
        """Generate to the end and return the completion."""
        for _ in self:
            pass
        return self.completion()

    def completion(self) -> Completion:
        """The completion, once the iteration is over."""
        assert self.finish_reason is not None  # noqa: S101 - a mistake of the caller, not of the user
        return Completion(
            self._detokenizer.text, tuple(self._detokenizer.tokens), self.finish_reason, self.counters, self.warnings
        )

    def __iter__(self) -> Iterator[Token]:
        """Yield token by token."""
        try:
            while self.finish_reason is None:
                if (token := self.step()) is not None:
                    yield token
        finally:
            self.close()

    def close(self) -> None:
        """Give the KV sequence back; what has been evaluated stays in the cache."""
        if self._is_open:
            self._is_open = False
            self._engine.kv_cache.release(self._sequence)

    def step(self) -> Token | None:
        """Evaluate one batch at most; returns the next token, None where none is chosen yet or the text has ended.

        Time between two steps is not counted.
        """
        with self._clock:
            if self._awaits_hook:
                self._awaits_hook = False
                if not self._apply_hook(ended=self._detokenizer.stopped):
                    self._finish(FinishReason.STOP)
                    return None
            if (self.reads_prompt or not self._is_full) and not self._take_speculative():
                if self._is_late:
                    self._finish(FinishReason.DEADLINE)
                    return None
                batch, proposed, n_logits = self._next_batch()
                started_s = self._clock.seconds
                try:
                    self._engine.kv_cache.decode(self._sequence, batch, n_logits)
                except Aborted:  # by the caller, who decides what runs next
                    return None
                except KvCacheFullError:
                    if self.reads_prompt:
                        raise
                    self._finish(FinishReason.LENGTH)
                    return None
                self._measure(len(batch), n_logits, started_s)
                if not n_logits:
                    return None
                self._use_logits(proposed)
            full = self._is_full
            token = None if full else self._choose()
            if token is not None:
                self._append(token)
            elif not self._apply_hook(ended=True):
                self._finish(FinishReason.LENGTH if full else FinishReason.STOP)
            return token

    @property
    def _is_full(self) -> bool:
        return len(self._detokenizer.tokens) >= self._params.max_tokens

    @property
    def _is_late(self) -> bool:
        limit_ms = self._params.deadline_ms
        return limit_ms is not None and (time.perf_counter() - self._began) * 1e3 >= limit_ms

    def _finish(self, reason: FinishReason) -> None:
        self.finish_reason = reason
        self._detokenizer.close()

    def _choose(self) -> Token | None:
        """Sample the next token, or take that of the text to score; None where the text ends."""
        raw = self._backend.logits(self._row)
        if self._params.score:
            scored = self._params.score[len(self._detokenizer.tokens)]
            return Token(scored, self._backend.piece(scored), logprob(raw, scored))
        fitting: NDArray[np.float32] = raw
        if self._detokenizer.missing:
            fitting = mask_unfitting(raw, self._detokenizer.missing, self._backend.piece)
        logits = fitting
        banned = self._banned.get(len(self._tokens), set())
        ends = self._backend.spec.eog_ids | self._params.stop_ids
        min_tokens, output = self._params.min_tokens, self._detokenizer
        if len(output.tokens) < min_tokens or (min_tokens and not output.text):  # healed bytes are no text yet
            banned = banned | ends
        if banned:
            logits = logits.copy() if logits is raw else logits
            logits[list(banned)] = -np.inf
        recent = self._tokens[self._n_prompt :]
        token = self._sampler.choose(logits, recent)
        if token is not None and self._grammar and not self._grammar.allows(token):
            # Sampling first and masking only a token that is refused saves most steps a pass over the vocabulary.
            token = self._sampler.choose(self._grammar.mask(logits), recent)
        # A control token other than the end tokens has no text: what follows it is not part of this output.
        if token is None or token in ends or not self._backend.piece(token):
            return None
        return Token(token, self._backend.piece(token), logprob(fitting, token))

    def _append(self, token: Token) -> None:
        self._awaits_hook = True
        self._first_token_s = self._first_token_s or self._clock.seconds
        if self._index:
            ngram, proposed = self._index.propose(1)
            if proposed:
                self._engine.speculation.measured_acceptance(ngram, proposed[0] == token.id)
            self._index.extend([token.id])
        if self._grammar:
            self._grammar.accept(token.id)
        self._tokens.append(token.id)
        self._detokenizer.append(token)

    def _take_speculative(self) -> bool:
        """Whether the newest token was a speculative one: the last batch has the logits after it."""
        if not self._speculated or self._speculated[0] != self._tokens[-1]:
            return False
        del self._speculated[0]
        self._row += 1
        self._n_accepted += 1
        self._n_decoded += 1
        return True

    def _propose(self) -> list[int]:
        if self._params.score:  # all but the last one, whose logits nobody needs
            rest = self._params.score[len(self._detokenizer.tokens) : -1]
            return [*rest[: min(MAX_LOGITS, self._backend.spec.n_batch) - 1]]
        if self.reads_prompt or not self._index or self._detokenizer.missing:
            return []
        ngram, proposed = self._index.propose(MAX_SPECULATIVE_TOKENS)
        room = min(
            self._engine.speculation.choose_length(ngram),
            self._params.max_tokens - len(self._detokenizer.tokens) - 1,
            self._backend.spec.n_ctx - len(self._tokens),
            self._backend.spec.n_batch - 1,
        )
        return proposed[: max(0, room)]

    def _next_batch(self) -> tuple[list[int], list[int], int]:
        """The next tokens that the KV cache lacks, the proposed ones among them, and the number of rows of logits."""
        cached = self._sequence.tokens
        self._engine.kv_cache.trim(self._sequence, len(self._tokens) - 1)
        if self.reads_prompt and self._on_progress:
            self._on_progress(len(cached), self._n_prompt)
        rest = self._tokens[len(cached) :]
        proposed = self._propose()
        n_left = len(rest) + len(proposed)
        n_next = self._engine.chunk_size.next(n_left)
        if n_next == n_left or len(rest) <= n_next:
            proposed = proposed[: n_next - len(rest)]
            return rest + proposed, proposed, 1 + len(proposed)
        return rest[: min(n_next, len(rest) - 1)], [], 0

    def _use_logits(self, proposed: list[int]) -> None:
        """The last batch had the logits for the next token."""
        self._speculated, self._row = proposed, 0
        self._n_speculated += len(proposed)
        if self.reads_prompt:
            self._prompt_done_s = self._clock.seconds
        else:
            self._n_decoded += 1

    def _measure(self, n_tokens: int, n_logits: int, started_s: float) -> None:
        elapsed_ms = (self._clock.seconds - started_s) * 1e3
        if self.reads_prompt:
            self._n_evaluated += n_tokens - max(0, n_logits - 1)
        if n_logits == n_tokens:
            self._engine.speculation.measured_batch(n_tokens, elapsed_ms)
        elif not n_logits:
            self._engine.speculation.measured_prompt(n_tokens, elapsed_ms)
            self._engine.chunk_size.measured(n_tokens, elapsed_ms)

    def _apply_hook(self, *, ended: bool) -> bool:
        """Call the hook and roll back as it says; False where the generation is to end."""
        verdict = self._hook(self._detokenizer.text, self._detokenizer.tokens, ended) if self._hook else None
        if verdict is None:
            return not ended
        n = max(0, len(self._detokenizer.tokens) - verdict.roll_back)
        if n < len(self._detokenizer.tokens):
            removed = self._detokenizer.tokens[n].id
            self._detokenizer.truncate(n)
            del self._tokens[self._n_prompt + n :]
            self._speculated = []
            self._banned = {position: ids for position, ids in self._banned.items() if position <= len(self._tokens)}
            self._banned.setdefault(len(self._tokens), set()).add(removed)
            self._roll_backs += 1
            if self._grammar:
                self._grammar.reset()
                for token in self._detokenizer.tokens:
                    self._grammar.accept(token.id)
        elif ended:
            return False
        return not verdict.stop and self._roll_backs <= _MAX_ROLL_BACKS


class _Stopwatch:
    """Measures the time spent in its `with` blocks."""

    def __init__(self) -> None:
        self._ended_s = 0.0
        self._began: float | None = None

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._ended_s, self._began = self.seconds, None

    @property
    def seconds(self) -> float:
        """Seconds spent so far, the current block included."""
        return self._ended_s + (time.perf_counter() - self._began if self._began is not None else 0.0)
