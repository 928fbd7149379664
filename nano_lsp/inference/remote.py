"""The way to a model on a server that completes raw prompts, as OpenAI's `/v1/completions` does: vLLM, llama-server.

The server chooses tokens and owns its cache; hooks judge here, on the text as it streams. Where a hook rolls back, or
a token is to be avoided, the server is asked for the most probable next ones, and the best other one is taken. Only
blanks are healed, words are not regrown; grammars hold where the server has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from nano_lsp.errors import ConfigError, EngineClosedError, EngineError, NanoError, SupersededError
from nano_lsp.explain_errors import explain_error
from nano_lsp.inference.approximate_tokenizer import ApproximateTokenizer
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.network import LOOPBACK, bearer, open_async_client, open_client
from nano_lsp.schema import Completion, Counters, FinishReason, Notice, Token

_TIMEOUT = httpx.Timeout(60.0, connect=5.0, pool=None)
_PAUSES_S = (0.25, 1.0)  # before another try
_WORTH_A_TRY = {429, 502, 503, 504}
_N_OTHERS = 5  # OpenAI's limit on alternatives of a token
_MAX_ROLL_BACKS = 8
_DEFAULT_CONTEXT = 8192
OnConnection = Callable[["NanoError | None"], None]


@dataclass
class _Answer:
    """An answer in the making."""

    request: GenerationRequest
    prompt: str
    healed: str  # blanks that stood at the prompt's end: the model mostly makes them part of its first token
    started: float
    tokens: list[Token]
    first_token: float = 0.0
    n_prompt: int = 0
    roll_backs: int = 0

    @property
    def said(self) -> str:
        """What follows the prompt."""
        return b"".join(token.piece for token in self.tokens).decode("utf-8", "ignore")

    @property
    def text(self) -> str:
        """What follows the blanks."""
        return self.said.removeprefix(self.healed)


class Remote:
    """Another one's model; see `nano_lsp.inference.request.ServedModel`. Make it with `Remote.connect`."""

    fim_order = "spm_tail"

    def __init__(
        self, client: httpx.AsyncClient, tokenizer: ApproximateTokenizer, on_connection: OnConnection
    ) -> None:
        self.tokenizer = tokenizer
        self._client = client
        self._on_connection = on_connection
        self._lost = False
        self._with_logprobs = True
        self._totals = Counters()
        self._open: dict[Future[Completion], GenerationRequest] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nano-lsp-remote", daemon=True)
        self._thread.start()

    @classmethod
    def connect(cls, address: str, model: str, key: str, on_connection: OnConnection) -> Remote:
        """Find out what a server has.

        Args:
            address: of the server, with or without `/v1`.
            model: as the server calls it; of another name, the server's first is taken.
            key: to show; empty for none. Never logged.
            on_connection: is told when the server cannot be reached, and with None when it can again.

        Raises:
            ConfigError: the address would send code unencrypted to another machine, or the key, a proxy or a file of
                certificates cannot be used.
            EngineError: the server cannot be reached, or has no models.
        """
        parts = urlsplit(address)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise ConfigError(f"{address} would send code unencrypted to another machine.", "Use https://…")
        base = address.rstrip("/").removesuffix("/v1")
        headers = bearer(key) if key else {}
        found: list[dict[str, Any]] = []
        try:
            with open_client(base, base_url=base, headers=headers, timeout=_TIMEOUT) as client:
                response = client.get("/v1/models")
                response.raise_for_status()
                found = response.json()["data"]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise _unreachable(base, error) from error
        if not found:
            raise EngineError(f"{base} serves no model.", "Start it with one.")
        chosen = next((one for one in found if one.get("id") == model), found[0])
        n_ctx = chosen.get("max_model_len") or (chosen.get("meta") or {}).get("n_ctx_train") or _DEFAULT_CONTEXT
        tokenizer = ApproximateTokenizer(str(chosen.get("id", "")), int(n_ctx))
        connection = open_async_client(base, base_url=base, headers=headers, timeout=_TIMEOUT)
        return cls(connection, tokenizer, on_connection)

    @property
    def notice(self) -> Notice:
        """Nothing is known of how another server runs its model."""
        return Notice()

    @property
    def totals(self) -> Counters:
        """What all requests of this process have cost, as far as the server tells."""
        return self._totals

    def submit(self, request: GenerationRequest) -> Future[Completion]:
        """Begin to answer a request; a newer one of the same client, priority and document takes its place.

        Raises:
            EngineClosedError: the connection is closed.
        """
        with self._lock:
            if self._closed:
                raise EngineClosedError("The connection to the engine has been closed.", "Open it again.")
            older = [future for future, before in self._open.items() if request.same_work(before)]
            future: Future[Completion] = Future()
            self._open[future] = request
        for before in older:
            _end(before, SupersededError("A newer request took this one's place."))
        work = asyncio.run_coroutine_threadsafe(self._answer_future(request, future), self._loop)
        future.add_done_callback(lambda _future: work.cancel())
        return future

    def close(self) -> None:
        """Answer everything still open with `EngineClosedError`, and close the connection."""
        with self._lock:
            pending, was_closed, self._closed = [*self._open], self._closed, True
        if was_closed:
            return
        for future in pending:
            _end(future, EngineClosedError("The connection to the engine has been closed.", "Open it again."))
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()

    async def _answer_future(self, request: GenerationRequest, future: Future[Completion]) -> None:
        try:
            completion = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer
            _end(future, error)
        else:
            self._totals += completion.counters
            with contextlib.suppress(Exception):  # it has been called off
                future.set_result(completion)
        finally:
            with self._lock:
                self._open.pop(future, None)

    async def _answer(self, request: GenerationRequest) -> Completion:
        prompt = self.tokenizer.text(request.prompt)
        kept = prompt.rstrip(" \t") if request.params.heal else prompt
        if kept.endswith("\n"):  # an indentation is a token of its own
            kept = prompt
        tokens = [*request.params.begin]
        answer = _Answer(request, kept, prompt[len(kept) :], time.perf_counter(), tokens)
        banned = {len(answer.tokens): set(request.params.avoid)}  # by place
        while True:
            here = banned.get(len(answer.tokens))
            found = await (self._replace(answer, here) if here else self._stream(answer))
            if isinstance(found, FinishReason):
                return self._finish(answer, found)
            if found is not None:
                place = len(answer.tokens)
                banned = {earlier: ids for earlier, ids in banned.items() if earlier <= place}
                banned.setdefault(place, set()).add(found)

    async def _stream(self, answer: _Answer) -> FinishReason | int | None:
        """Let the answer grow; why it ended, or the token that a hook has rolled back."""
        left = answer.request.params.max_tokens - len(answer.tokens)
        if left <= 0:
            return FinishReason.LENGTH
        reason = FinishReason.STOP
        async with contextlib.aclosing(self._ask(answer, left, 0)) as choices:  # type: ignore[type-var]
            async for choice in choices:
                for token in self._tokens_of(choice):
                    answer.first_token = answer.first_token or time.perf_counter()
                    answer.tokens.append(token)
                    found = self._judge(answer, ended=False)
                    if found is not None:
                        return found
                if choice.get("finish_reason") == "length":
                    reason = FinishReason.LENGTH
        found = self._judge(answer, ended=True)
        return reason if found is None else found

    async def _replace(self, answer: _Answer, banned: set[int]) -> FinishReason | int | None:
        """Go on with the most probable next token that is not banned; see `_stream`. The end where none is known."""
        async with contextlib.aclosing(self._ask(answer, 1, _N_OTHERS)) as choices:  # type: ignore[type-var]
            async for choice in choices:
                for text, logprob in _others(choice):
                    token = self.tokenizer.intern(text)
                    if text and token not in banned:
                        answer.tokens.append(Token(token, text.encode(), logprob))
                        return self._judge(answer, ended=False)
        return FinishReason.STOP

    def _judge(self, answer: _Answer, *, ended: bool) -> FinishReason | int | None:
        """What the hook says: why to end, or the token that it has rolled back; None to go on."""
        request, text = answer.request, answer.text
        if request.on_text and not ended:
            request.on_text(text)
        verdict = request.hook(text, answer.tokens, ended) if request.hook else None
        if verdict is None:
            return None
        kept = max(0, len(answer.tokens) - verdict.roll_back)
        removed = answer.tokens[kept:]
        del answer.tokens[kept:]
        answer.roll_backs += bool(removed)
        if verdict.stop or answer.roll_backs > _MAX_ROLL_BACKS or (ended and not removed):
            return FinishReason.STOP
        return removed[0].id if removed else None

    def _tokens_of(self, choice: dict[str, Any]) -> list[Token]:
        """The tokens of a chunk; its whole text is one, sure, where the server tells no probabilities."""
        text = choice.get("text") or ""
        logprobs = choice.get("logprobs") or {}
        pairs = [(str(one.get("token", "")), one.get("logprob")) for one in logprobs.get("content") or []]
        pairs = pairs or [*zip(logprobs.get("tokens") or [], logprobs.get("token_logprobs") or [], strict=False)]
        if "".join(token for token, _ in pairs) != text:
            pairs = [(text, 0.0)]
        return [
            Token(self.tokenizer.intern(token), token.encode("utf-8", "replace"), min(0.0, float(logprob or 0.0)))
            for token, logprob in pairs
            if token
        ]

    async def _ask(self, answer: _Answer, max_tokens: int, n_others: int) -> AsyncIterator[dict[str, Any]]:
        """The choices of a streamed completion of the prompt and the answer so far."""
        params = answer.request.params
        body: dict[str, Any] = {
            "model": self.tokenizer.spec.name,
            "prompt": answer.prompt + answer.said,
            "max_tokens": max_tokens,
            "temperature": params.sampling.temperature,
            "top_p": params.sampling.top_p,
            "stream": True,
        }
        body |= {"stop": [*params.stop]} if params.stop else {}
        body |= {"seed": params.sampling.seed} if params.sampling.seed is not None else {}
        if params.grammar:  # llama-server's name for it, and vLLM's
            body |= {"grammar": params.grammar, "structured_outputs": {"grammar": params.grammar}}
        if self._with_logprobs:
            body["logprobs"] = n_others or 1
        deadline = params.deadline_ms
        async for event in self._events(body):
            answer.n_prompt = (event.get("usage") or {}).get("prompt_tokens") or answer.n_prompt
            for choice in event.get("choices") or []:
                yield choice
            if deadline is not None and (time.perf_counter() - answer.started) * 1e3 > deadline:
                return

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What the server streams; asked again where it was busy or not there, and without what it refuses."""
        pauses = iter(_PAUSES_S)
        begun = False
        while True:
            try:
                async with self._client.stream("POST", "/v1/completions", json=body) as response:
                    if response.status_code == httpx.codes.OK:
                        begun = True
                        self._tell_back()
                        async for line in response.aiter_lines():
                            if line.startswith("data: {"):
                                yield json.loads(line.removeprefix("data: "))
                        return
                    refusal = (await response.aread()).decode("utf-8", "replace")[:300]
                    if response.status_code not in _WORTH_A_TRY:
                        if "logprobs" in body and "logprob" in refusal:
                            self._with_logprobs = False
                            del body["logprobs"]
                            continue
                        raise EngineError(f"The server refuses ({response.status_code}): {refusal}", "See its log.")
                    failure = EngineError(f"The server is busy ({response.status_code}).", "Ask again later.")
            except (httpx.TransportError, ValueError) as error:
                failure = _unreachable(str(self._client.base_url), error)
            pause = None if begun else next(pauses, None)
            if pause is None:
                self._lost = True
                self._on_connection(failure)
                raise failure
            await asyncio.sleep(pause)

    def _finish(self, answer: _Answer, reason: FinishReason) -> Completion:
        ended, started = time.perf_counter(), answer.started
        first = answer.first_token or ended
        n_prompt = answer.n_prompt or len(answer.request.prompt)
        counters = Counters(
            prompt_tokens=n_prompt,
            evaluated_tokens=n_prompt,
            generated_tokens=len(answer.tokens),
            ttft_ms=(first - started) * 1e3,
            prompt_ms=(first - started) * 1e3,
            decode_ms=(ended - first) * 1e3,
            decoded_tokens=max(0, len(answer.tokens) - 1),
        )
        return Completion(answer.text, tuple(answer.tokens), reason, counters)

    def _tell_back(self) -> None:
        if self._lost:
            self._lost = False
            self._on_connection(None)


def _others(choice: dict[str, Any]) -> list[tuple[str, float]]:
    """The most probable tokens at a chunk's first place, best first, in OpenAI's older form or the one of chats."""
    logprobs = choice.get("logprobs") or {}
    found: list[tuple[str, float]] = []
    for place in logprobs.get("top_logprobs") or []:
        found += [(str(token), float(value)) for token, value in (place or {}).items()]
        break
    for place in logprobs.get("content") or []:
        found += [(str(one["token"]), float(one["logprob"])) for one in place.get("top_logprobs") or []]
        break
    return sorted(found, key=lambda pair: -pair[1])


def _end(future: Future[Completion], error: Exception) -> None:
    with contextlib.suppress(Exception):  # it has been answered already
        future.set_exception(error)


def _unreachable(base: str, error: Exception) -> EngineError:
    why = explain_error(error) or NanoError(f"{error or type(error).__name__}.")
    remedy = "Check the setting engine, the network and the key (NANO_LSP_API_KEY), or set engine to shared."
    return EngineError(f"{base} cannot be reached: {why.message}", f"{why.remedy} {remedy}".strip())
