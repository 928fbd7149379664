"""The generation loop: evaluate missing tokens, choose the next one, apply the hook, decide when to end.

The token list (prompt and output) is authoritative; the tokens of it that the KV sequence lacks are evaluated, in
chunks. So a prompt, the next token, a roll back and a sequence that was evicted meanwhile are one case. Independent
of requests, threads and queues: the caller of `steps` may run other generations between two steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nano_lsp.config import DRIFT_TOKENS
from nano_lsp.errors import EngineError, KvCacheFullError, PromptTooLongError
from nano_lsp.inference.backend import Aborted, Backend
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
    """A running generation: iterate over it for tokens, over `steps` for batches; read `text` for the output.

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
        """Prepare; nothing is evaluated before the iteration starts.

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
        self._key = key
        self._adapter = adapter
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
        self._n_cached = self._n_evaluated = self._n_decoded = self._n_speculated = self._n_accepted = 0
        self._paused = 0.0
        self._started = self._prompt_done = self._first_token = self._ended = 0.0

    @property
    def text(self) -> str:
        """The output so far, without an incomplete character or the beginning of a stop string at its end."""
        return self._detokenizer.text

    @property
    def reads_prompt(self) -> bool:
        """Whether the prompt is still being evaluated."""
        return not self._prompt_done

    @property
    def may_pause(self) -> bool:
        """Whether another generation may run before the next step: all logits of the last batch have been used."""
        return not (self._speculated and self._speculated[0] == self._tokens[-1])

    @property
    def counters(self) -> Counters:
        """Tokens and times so far; time spent on other requests in between is left out."""
        prompt_done = self._prompt_done or self._ended
        return Counters(
            prompt_tokens=self._n_prompt,
            cached_tokens=self._n_cached,
            evaluated_tokens=self._n_evaluated,
            generated_tokens=len(self._detokenizer.tokens),
            drafted_tokens=self._n_speculated,
            accepted_tokens=self._n_accepted,
            ttft_ms=(self._first_token - self._started) * 1e3 if self._first_token else 0.0,
            prompt_ms=(prompt_done - self._started) * 1e3,
            decode_ms=max(0.0, (self._ended or self._now()) - prompt_done) * 1e3,
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
        return (token for token in self.steps() if token is not None)

    def steps(self) -> Generator[Token | None]:
        """Yield after each batch at the latest: a token, or None where none has been chosen yet.

        The next step evaluates one batch at most. Evaluated tokens stay in the KV cache however the iteration ends;
        time between two steps is not counted.
        """
        self._started = self._now()
        cache = self._engine.kv_cache
        self._sequence = cache.acquire(self._key, self._tokens, self._adapter)
        self._n_cached = len(self._sequence.tokens)
        try:
            if not (yield from self._evaluate([])):
                return
            self._prompt_done = self._now()
            while True:
                full = len(self._detokenizer.tokens) >= self._params.max_tokens
                token = None if full else self._choose()
                if token is not None:
                    if not self._first_token:
                        self._first_token = self._now()
                    self._append(token)
                    yield from self._pause(token)
                if not self._apply_hook(ended=token is None or self._detokenizer.stopped):
                    self._finish(FinishReason.LENGTH if full else FinishReason.STOP)
                    return
                if len(self._detokenizer.tokens) < self._params.max_tokens:
                    if not (yield from self._step()):
                        return
                    self._n_decoded += 1
        finally:
            self._ended = self._now()
            cache.release(self._sequence)

    def _finish(self, reason: FinishReason) -> None:
        self.finish_reason = reason
        self._detokenizer.close()

    def _choose(self) -> Token | None:
        """Sample the next token; None where the text ends."""
        raw = self._backend.logits(self._row)
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
        if self._index:
            ngram, proposed = self._index.propose(1)
            if proposed:
                self._engine.speculation.measured_acceptance(ngram, proposed[0] == token.id)
            self._index.extend([token.id])
        if self._grammar:
            self._grammar.accept(token.id)
        self._tokens.append(token.id)
        self._detokenizer.append(token)

    def _step(self) -> Generator[Token | None, None, bool]:
        """Provide logits for the position after the newest token; False where the generation ended instead."""
        if self._speculated and self._speculated[0] == self._tokens[-1]:
            del self._speculated[0]
            self._row += 1
            self._n_accepted += 1
            return True
        self._engine.kv_cache.trim(self._sequence, len(self._tokens) - 1)
        return (yield from self._evaluate(self._propose()))

    def _propose(self) -> list[int]:
        if not self._index or self._detokenizer.missing:
            return []
        ngram, proposed = self._index.propose(MAX_SPECULATIVE_TOKENS)
        room = min(
            self._engine.speculation.choose_length(ngram),
            self._params.max_tokens - len(self._detokenizer.tokens) - 1,
            self._backend.spec.n_ctx - len(self._tokens),
            self._backend.spec.n_batch - 1,
        )
        return proposed[: max(0, room)]

    def _evaluate(self, proposed: list[int]) -> Generator[Token | None, None, bool]:
        """Evaluate the tokens that the KV cache lacks and the proposed ones; False where the generation ended."""
        sequence = self._sequence
        prefill, limit_ms = not self._prompt_done, self._params.deadline_ms
        while True:
            if prefill and self._on_progress:
                self._on_progress(len(sequence.tokens), self._n_prompt)
            if limit_ms is not None and (time.perf_counter() - self._started) * 1e3 >= limit_ms:
                self._finish(FinishReason.DEADLINE)
                return False
            rest = self._tokens[len(sequence.tokens) :]
            n_left = len(rest) + len(proposed)
            n_next = self._engine.chunk_size.next(n_left)
            last = n_next == n_left
            batch = rest + proposed if last else rest[: min(n_next, len(rest) - 1)]
            n_logits = 1 + len(proposed) if last else 0
            started = self._now()
            try:
                self._engine.kv_cache.decode(sequence, batch, n_logits)
            except Aborted:
                yield from self._pause()  # the caller of `steps` has aborted: it decides what runs next
                continue
            except KvCacheFullError:
                if prefill:
                    raise
                self._finish(FinishReason.LENGTH)
                return False
            self._measure(len(batch), n_logits, started, prefill)
            if last:
                self._speculated = list(proposed)
                self._n_speculated += len(proposed)
                self._row = 0
                return True
            yield from self._pause()

    def _measure(self, n_tokens: int, n_logits: int, started: float, prefill: bool) -> None:
        elapsed_ms = (self._now() - started) * 1e3
        if prefill:
            self._n_evaluated += n_tokens
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

    def _pause(self, token: Token | None = None) -> Generator[Token | None]:
        """End a step; the time until the next one is not counted."""
        started = time.perf_counter()
        yield token
        self._paused += time.perf_counter() - started

    def _now(self) -> float:
        return time.perf_counter() - self._paused
