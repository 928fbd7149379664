"""Requests and responses of the OpenAI- and llama-server-compatible API, as JSON; see `openai_api`."""

from __future__ import annotations

import logging
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec

from nano_lsp.assistant.prompts import Message
from nano_lsp.code.document import is_secret
from nano_lsp.errors import EngineError
from nano_lsp.schema import Completion, FinishReason, GenerateParams, SamplingParams

logger = logging.getLogger(__name__)


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """JSON without fields and items that are null: clients send null for what they do not set."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


class TextRequest(msgspec.Struct):
    """Fields that all requests for text share."""

    model: str = ""
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None
    stream: bool = False
    stop: str | list[str] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n_predict: int | None = None
    stream_options: dict[str, Any] = {}

    @property
    def wants_usage(self) -> bool:
        """Whether the last chunk of a stream says what the answer has cost."""
        return bool(self.stream_options.get("include_usage"))

    def params(self, default_tokens: int) -> GenerateParams:
        """What to generate."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return GenerateParams(self.length(default_tokens), stop=tuple(filter(None, stop)), sampling=self.sampling())

    def length(self, default: int) -> int:
        """The maximum number of tokens of the answer: the request's, or else a default."""
        given = (self.max_tokens, self.max_completion_tokens, self.n_predict)
        found = next((n for n in given if n is not None), default)
        return default if found < 0 else found

    def sampling(self) -> SamplingParams:
        """How tokens are chosen."""
        names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if given.get("seed") == -1:  # llama-server's name for none
            del given["seed"]
        if given.get("top_k") == -1:  # vLLM's and llama-server's name for all
            del given["top_k"]
        return SamplingParams(**given)


class CompletionRequest(TextRequest):
    """`/v1/completions`: a prompt as it is, or with a suffix what goes between."""

    prompt: str | list[str | int | list[int]] = ""
    suffix: str | None = None
    logprobs: int | None = None
    n: int = 1

    def text_or_ids(self) -> str | tuple[int, ...]:
        """The one prompt.

        Raises:
            EngineError: there are several.
        """
        if isinstance(self.prompt, str):
            return self.prompt
        ids = tuple(part for part in self.prompt if isinstance(part, int))
        if len(ids) == len(self.prompt):
            return ids
        if len(self.prompt) > 1:
            raise EngineError("One prompt is completed at a time.", "Ask again for each.")
        (only,) = self.prompt
        return tuple(only) if isinstance(only, list) else str(only)


class ChatMessage(msgspec.Struct):
    """A turn of a conversation."""

    role: str
    content: str | list[dict[str, Any]] | None = ""

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The parts of the turn, each with its `text`, if it is one."""
        return self.content if isinstance(self.content, list) else [{"text": self.content or ""}]

    def message(self) -> Message:
        """The turn."""
        return Message(self.role, "".join(str(part.get("text", "")) for part in self.parts))


class ChatRequest(TextRequest):
    """`/v1/chat/completions`."""

    messages: list[ChatMessage] = []
    n: int = 1
    response_format: dict[str, Any] = {}

    def check(self) -> None:
        """Refuse what would be left out of the answer without a word.

        Raises:
            EngineError: Several answers, JSON or something other than text is asked for.
        """
        if self.n != 1:
            raise EngineError("One answer is made at a time.", "Ask again for each.")
        if self.response_format.get("type", "text") != "text":
            raise EngineError("Answers are text, not JSON.", "For JSON by a schema, use `nano-lsp task`.")
        parts = [part for one in self.messages for part in one.parts if "text" not in part]
        if kinds := {str(part.get("type", "text")) for part in parts} - {"text"}:
            raise EngineError(f"The model reads text only, no {', '.join(sorted(kinds))}.", "Leave it out.")


class Extra(msgspec.Struct):
    """Code of another file."""

    text: str = ""
    filename: str = ""


class InfillRequest(TextRequest):
    """`/infill`."""

    input_prefix: str = ""
    input_suffix: str = ""
    input_extra: list[Extra] = []
    prompt: str = ""
    t_max_predict_ms: int = 0

    def readable_extra(self) -> list[Extra]:
        """The code of other files, without those that usually hold secrets; that is logged."""
        secret = [extra.filename for extra in self.input_extra if is_secret(extra.filename)]
        if secret:
            logger.warning("Left out of a prompt, as files like these usually hold secrets: %s.", ", ".join(secret))
        return [extra for extra in self.input_extra if extra.filename not in secret]


class TokenizeRequest(msgspec.Struct):
    """`/tokenize`."""

    content: str = ""
    with_pieces: bool = False


class DetokenizeRequest(msgspec.Struct):
    """`/detokenize`."""

    tokens: list[int] = []


def about(prefix: str, kind: str, model: str) -> dict[str, object]:
    """What all chunks of an answer say of it."""
    name = Path(model).stem
    return {"id": f"{prefix}-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": name}


def describe_model(name: str) -> dict[str, object]:
    """What `/v1/models` says of a model."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "nano-lsp"}


def finish(done: Completion | None) -> dict[str, object]:
    """Why an answer has ended; None while it goes on."""
    if done is None:
        return {"finish_reason": None}
    return {"finish_reason": "stop" if done.finish_reason is FinishReason.STOP else "length"}


def usage(done: Completion) -> dict[str, int]:
    """What an answer has cost."""
    prompt, said = done.counters.prompt_tokens, done.counters.generated_tokens
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}


def logprobs(wanted: int | None, done: Completion | None) -> dict[str, object] | None:
    """The log-probabilities of an answer's tokens, where they are wanted."""
    if wanted is None or done is None:
        return None
    tokens = [token.piece.decode("utf-8", "replace") for token in done.tokens]
    return {"tokens": tokens, "token_logprobs": [token.logprob for token in done.tokens]}


def timings(done: Completion) -> dict[str, object]:
    """What llama-server tells of an answer, as far as its clients show it."""
    c = done.counters
    return {
        "tokens_predicted": c.generated_tokens,
        "tokens_evaluated": c.prompt_tokens,
        "tokens_cached": c.cached_tokens,
        "truncated": False,
        "timings": {
            "prompt_n": c.evaluated_tokens,
            "prompt_ms": c.prompt_ms,
            "prompt_per_token_ms": c.prompt_ms / max(1, c.evaluated_tokens),
            "prompt_per_second": c.prompt_tokens_per_s,
            "predicted_n": c.generated_tokens,
            "predicted_ms": c.decode_ms,
            "predicted_per_token_ms": c.decode_ms / max(1, c.generated_tokens),
            "predicted_per_second": c.decode_tokens_per_s,
        },
    }
