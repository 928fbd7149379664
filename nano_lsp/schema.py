"""Values that cross layers: frozen dataclasses, no behaviour beyond what follows from their fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum


class Priority(IntEnum):
    """What runs first; a smaller number pre-empts a larger one."""

    COMPLETION = 0
    CHAT = 1
    PREFETCH = 2


class WeightLayout(str, Enum):
    """How llama.cpp holds a model's weights in memory: the two ways differ in the kernels that read them."""

    REPACKED = "repacked"  # copied into layouts that suit the CPU, AMX included: the fastest
    AS_STORED = "as-stored"  # read from the mapped file as they are: fewer kernels, fewer ways to fail


class FinishReason(str, Enum):
    """Why a generation ended."""

    STOP = "stop"  # an end token, a stop string, a stop id, or the hook said so
    LENGTH = "length"  # the token limit, or the context is full
    DEADLINE = "deadline"  # the time allowed ran out


@dataclass(frozen=True)
class SamplingParams:
    """How the next token is chosen. The default is greedy.

    Attributes:
        temperature: 0 is greedy; otherwise logits are divided by it.
        top_k: keep the k most probable tokens; 0 keeps all.
        top_p: keep the smallest set whose probability reaches p; 1 keeps all.
        min_p: drop tokens less probable than min_p times the most probable one; 0 keeps all.
        repeat_penalty: divides positive and multiplies negative logits of recent tokens; 1 is off
            (Keskar et al. 2019, CTRL, arXiv 1909.05858, section 4.1).
        repeat_last_n: how many of the newest generated tokens count as recent.
        seed: of the random numbers; None takes a new one each time.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    seed: int | None = None


@dataclass(frozen=True)
class Token:
    """One generated token.

    Attributes:
        id: in the model's tokenizer.
        piece: its bytes; a character may be split over several tokens.
        logprob: natural logarithm of the probability the model gave it, before temperature and filters; while a
            cut word is regrown, among the tokens that fit it.
    """

    id: int
    piece: bytes
    logprob: float


@dataclass(frozen=True)
class GenerateParams:
    """What to generate and when to stop.

    Attributes:
        max_tokens: at most so many tokens; 0 only evaluates the prompt (a warm-up).
        min_tokens: no end token before so many, and before there is some text; 0 for no such limit.
        stop: strings that end the text; they are not part of it.
        stop_ids: token ids that end the text, besides the model's own end tokens.
        deadline_ms: wall-clock limit from the start of the work; what is there by then is returned.
        sampling: how tokens are chosen.
        grammar: GBNF that the text must follow.
        heal: regrow the word that the end of the prompt cuts.
        draft: let n-gram drafts run where they are measured to pay.
        draft_text: token ids to look for drafts in, besides the prompt and the text itself (a suggestion that
            has just diverged).
        begin: tokens that the answer begins with, as an earlier answer to the same prompt did.
        avoid: ids that do not come next after those.
    """

    max_tokens: int = 128
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    stop_ids: frozenset[int] = frozenset()
    deadline_ms: float | None = None
    sampling: SamplingParams = field(default_factory=SamplingParams)
    grammar: str | None = None
    heal: bool = False
    draft: bool = True
    draft_text: tuple[int, ...] = ()
    begin: tuple[Token, ...] = ()
    avoid: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """What a hook says after each token.

    Attributes:
        roll_back: remove so many of the newest tokens first.
        stop: end here; otherwise, after a roll back, go on with another token than the one that stood there, even if
            the text had ended.
    """

    roll_back: int = 0
    stop: bool = False


Hook = Callable[[str, Sequence[Token], bool], Verdict | None]
"""From the text so far, its tokens, and whether it has ended, to a verdict; None goes on, or lets it end."""


@dataclass(frozen=True)
class Counters:
    """What one request cost. Token counts first: they are the latency on a CPU.

    Attributes:
        prompt_tokens: length of the prompt.
        cached_tokens: of these, taken from the KV cache.
        evaluated_tokens: prompt tokens that went through the model.
        generated_tokens: tokens of the answer.
        drafted_tokens: draft tokens sent along for verification.
        accepted_tokens: draft tokens that were right.
        ttft_ms: from the start of the work to the first token.
        prompt_ms: time spent on the prompt.
        decode_ms: time spent on the answer, after the prompt.
        decoded_tokens: tokens of the answer that decode_ms was spent on: those taken back afterwards included, the
            newest left out, as nothing follows it.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    evaluated_tokens: int = 0
    generated_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    ttft_ms: float = 0.0
    prompt_ms: float = 0.0
    decode_ms: float = 0.0
    decoded_tokens: int = 0

    @property
    def prompt_tokens_per_s(self) -> float:
        """Prompt tokens evaluated per second; 0 where none was."""
        return self.evaluated_tokens / self.prompt_ms * 1e3 if self.prompt_ms else 0.0

    @property
    def decode_tokens_per_s(self) -> float:
        """Answer tokens decoded per second; 0 where none was."""
        return self.decoded_tokens / self.decode_ms * 1e3 if self.decode_ms else 0.0

    def __add__(self, other: Counters) -> Counters:
        """The sum of two requests, field by field."""
        return Counters(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Completion:
    """The answer to a request.

    Attributes:
        text: the text, stop string removed.
        tokens: the tokens it was made of.
        finish_reason: why it ended.
        counters: what it cost.
        warnings: sentences for the user, such as a prompt past the length where quality drifts.
    """

    text: str
    tokens: tuple[Token, ...]
    finish_reason: FinishReason
    counters: Counters
    warnings: tuple[str, ...] = ()

    @property
    def confidence(self) -> float:
        """Geometric mean of the probabilities that the model gave its tokens, 0 to 1; 0 without tokens."""
        if not self.tokens:
            return 0.0
        return math.exp(sum(token.logprob for token in self.tokens) / len(self.tokens))


@dataclass(frozen=True)
class FimTokens:
    """Ids of a model's fill-in-the-middle tokens (Bavarian et al. 2022, arXiv 2207.14255)."""

    prefix: int
    suffix: int
    middle: int


@dataclass(frozen=True)
class ModelSpec:
    """What the layers above need to know of a loaded model.

    Attributes:
        name: as the user calls it.
        fingerprint: names weights, adapter and KV types; a KV snapshot fits only the same one.
        n_vocab: size of the tokenizer.
        n_ctx: context in tokens, shared by all sequences.
        n_ctx_train: context the model was trained for.
        n_batch: tokens evaluated at once, at most.
        n_seq_max: KV sequences, at most.
        eog_ids: ids that end a generation.
        bos_id: id that starts a text; None where the model has none.
        fim: fill-in-the-middle tokens; None where the model was not trained for it.
        chat_template: Jinja source; None where the file has none.
    """

    name: str
    fingerprint: str
    n_vocab: int
    n_ctx: int
    n_ctx_train: int
    n_batch: int
    n_seq_max: int
    eog_ids: frozenset[int]
    bos_id: int | None
    fim: FimTokens | None
    chat_template: str | None


@dataclass(frozen=True)
class Notice:
    """What people should know of how a model runs.

    Attributes:
        text: One or two sentences; empty for nothing.
        is_new: Whether it has come up with the latest loading of the model.
    """

    text: str = ""
    is_new: bool = False


@dataclass(frozen=True)
class MemoryAccount:
    """Where a loaded model's memory goes, in bytes.

    Attributes:
        weights_bytes: tensors, as repacked for this CPU.
        kv_cache_bytes: keys and values for the whole context.
        compute_bytes: scratch buffers and the logits.
    """

    weights_bytes: int
    kv_cache_bytes: int
    compute_bytes: int
