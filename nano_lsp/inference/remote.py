"""Client of a model behind an OpenAI-compatible completions API (`/v1/completions`): vLLM, llama-server.

The server samples tokens and owns the KV cache; hooks run here, on the streamed text. Where a hook rolls back, or a
token is to be avoided, the server's most probable next tokens are requested, and the best other one is taken. Token
healing covers blanks, not words; grammars apply where the server supports them.
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
from nano_lsp.loopback import is_loopback
from nano_lsp.network import bearer, open_async_client, open_client
from nano_lsp.offline import require_network
from nano_lsp.schema import Completion, Counters, FinishReason, Notice, Token

_TIMEOUT = httpx.Timeout(60.0, connect=5.0, pool=None)
_RETRY_DELAYS_S = (0.25, 1.0)
_RETRY_STATUSES = {429, 502, 503, 504}
_N_TOP_LOGPROBS = 5  # OpenAI's limit on alternatives of a token
_MAX_ROLL_BACKS = 8
_DEFAULT_CONTEXT = 8192  # tokens, where the server reports none
OnConnection = Callable[["NanoError | None"], None]


@dataclass
class _RemoteGeneration:
    """State of a running generation."""

    request: GenerationRequest
    prompt: str
    healed: str  # blanks removed from the end of the prompt: mostly part of the model's first token
    started: float
    tokens: list[Token]
    first_token: float = 0.0
    n_prompt: int = 0
    roll_backs: int = 0

    @property
    def generated(self) -> str:
        """The text after the prompt, healed blanks included."""
        return b"".join(token.piece for token in self.tokens).decode("utf-8", "ignore")

    @property
    def text(self) -> str:
        """The text after the healed blanks."""
        return self.generated.removeprefix(self.healed)


class Remote:
    """A model on another server, with the attributes and methods of a model in this process.

    Create it with `Remote.connect`.
    """

    fim_order = "spm_tail"
    base = None  # which adapters apply is that server's choice

    def __init__(
        self, client: httpx.AsyncClient, tokenizer: ApproximateTokenizer, on_connection: OnConnection
    ) -> None:
        self.tokenizer = tokenizer
        self._client = client
        self._on_connection = on_connection
        self._disconnected = False
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
        """Connect to a server and look up its model.

        Args:
            address: URL of the server, with or without `/v1`.
            model: Name of the model on the server; where it has none of this name, its first one is taken.
            key: API key; empty for none. Never logged.
            on_connection: Receives the error when the server cannot be reached, and None when it can again.

        Raises:
            OfflineError: It is on another machine, and the setting `offline` is on.
            ConfigError: The address would send code unencrypted to another machine, or the key, a proxy or a file of
                certificates cannot be used.
            EngineError: The server cannot be reached, or serves no model.
        """
        parts = urlsplit(address)
        if parts.scheme != "https" and not is_loopback(parts.hostname):
            raise ConfigError(f"{address} would send code unencrypted to another machine.", "Use https://…")
        if not is_loopback(parts.hostname):
            require_network(f"The engine at {address}", "Set `engine` to `shared` for a model on this machine.")
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
            raise EngineError(f"{base} serves no model.", "Start that server with a model, or set engine to shared.")
        chosen = next((one for one in found if one.get("id") == model), found[0])
        n_ctx = chosen.get("max_model_len") or (chosen.get("meta") or {}).get("n_ctx_train") or _DEFAULT_CONTEXT
        tokenizer = ApproximateTokenizer(str(chosen.get("id", "")), int(n_ctx))
        connection = open_async_client(base, base_url=base, headers=headers, timeout=_TIMEOUT)
        return cls(connection, tokenizer, on_connection)

    @property
    def notice(self) -> Notice:
        """Notice for the user: always empty, as another server does not report how its model runs."""
        return Notice()

    @property
    def totals(self) -> Counters:
        """Counters summed over all requests of this process, as far as the server reports them."""
        return self._totals

    def n_missing(self, request: GenerationRequest) -> int:  # noqa: ARG002 - a model's method
        """0: the server's cache is not known."""
        return 0

    def submit(self, request: GenerationRequest) -> Future[Completion]:
        """Start a request; it supersedes an older one of the same client, priority and document.

        Raises:
            EngineClosedError: The connection is closed.
        """
        with self._lock:
            if self._closed:
                raise EngineClosedError("The connection to the engine has been closed.", "Open it again.")
            superseded = [future for future, other in self._open.items() if request.supersedes(other)]
            future: Future[Completion] = Future()
            self._open[future] = request
        for other in superseded:
            _end(other, SupersededError("A newer request took this one's place."))
        task = asyncio.run_coroutine_threadsafe(self._run_future(request, future), self._loop)
        future.add_done_callback(lambda _future: task.cancel())
        return future

    def close(self) -> None:
        """End all unfinished requests with `EngineClosedError`, and close the connection."""
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

    async def _run_future(self, request: GenerationRequest, future: Future[Completion]) -> None:
        try:
            completion = await self._generate(request)
        except Exception as error:  # noqa: BLE001 - any error ends the request
            _end(future, error)
        else:
            self._totals += completion.counters
            with contextlib.suppress(Exception):  # it was cancelled
                future.set_result(completion)
        finally:
            with self._lock:
                self._open.pop(future, None)

    async def _generate(self, request: GenerationRequest) -> Completion:
        if request.params.score:
            raise EngineError("A server of another program does not score texts.", "Choose the engine `shared`.")
        prompt = self.tokenizer.text(request.prompt)
        kept = prompt.rstrip(" \t") if request.params.heal else prompt
        if kept.endswith("\n"):  # an indentation is a token of its own
            kept = prompt
        tokens = [*request.params.begin]
        generation = _RemoteGeneration(request, kept, prompt[len(kept) :], time.perf_counter(), tokens)
        banned = {len(generation.tokens): set(request.params.avoid)}  # token ids by position
        while True:
            banned_here = banned.get(len(generation.tokens))
            found = await (self._replace(generation, banned_here) if banned_here else self._stream(generation))
            if isinstance(found, FinishReason):
                return self._finish(generation, found)
            if found is not None:
                position = len(generation.tokens)
                banned = {earlier: ids for earlier, ids in banned.items() if earlier <= position}
                banned.setdefault(position, set()).add(found)

    async def _stream(self, generation: _RemoteGeneration) -> FinishReason | int | None:
        """Stream tokens to the end; the reason why it ended, or the id of the token that a hook has rolled back."""
        max_tokens = generation.request.params.max_tokens - len(generation.tokens)
        if max_tokens <= 0:
            return FinishReason.LENGTH
        reason = FinishReason.STOP
        async with contextlib.aclosing(self._choices(generation, max_tokens, 0)) as choices:  # type: ignore[type-var]
            async for choice in choices:
                for token in self._tokens_of(choice):
                    generation.first_token = generation.first_token or time.perf_counter()
                    generation.tokens.append(token)
                    found = self._apply_hook(generation, ended=False)
                    if found is not None:
                        return found
                if choice.get("finish_reason") == "length":
                    reason = FinishReason.LENGTH
        found = self._apply_hook(generation, ended=True)
        return reason if found is None else found

    async def _replace(self, generation: _RemoteGeneration, banned: set[int]) -> FinishReason | int | None:
        """Append the most probable next token that is not banned; see `_stream`. Without one the text ends."""
        async with contextlib.aclosing(self._choices(generation, 1, _N_TOP_LOGPROBS)) as choices:  # type: ignore[type-var]
            async for choice in choices:
                for text, logprob in _top_tokens(choice):
                    token = self.tokenizer.intern(text)
                    if text and token not in banned:
                        generation.tokens.append(Token(token, text.encode(), logprob))
                        return self._apply_hook(generation, ended=False)
        return FinishReason.STOP

    def _apply_hook(self, generation: _RemoteGeneration, *, ended: bool) -> FinishReason | int | None:
        """Call the hook; the reason to end, or the id of the token that it rolled back; None to continue."""
        request, text = generation.request, generation.text
        if request.on_text and not ended:
            request.on_text(text)
        verdict = request.hook(text, generation.tokens, ended) if request.hook else None
        if verdict is None:
            return None
        kept = max(0, len(generation.tokens) - verdict.roll_back)
        removed = generation.tokens[kept:]
        del generation.tokens[kept:]
        generation.roll_backs += bool(removed)
        if verdict.stop or generation.roll_backs > _MAX_ROLL_BACKS or (ended and not removed):
            return FinishReason.STOP
        return removed[0].id if removed else None

    def _tokens_of(self, choice: dict[str, Any]) -> list[Token]:
        """The tokens of a chunk; without log-probabilities its whole text is one token of probability 1."""
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

    async def _choices(
        self, generation: _RemoteGeneration, max_tokens: int, n_top_logprobs: int
    ) -> AsyncIterator[dict[str, Any]]:
        """Choices of a streamed completion of the prompt and the text so far."""
        params = generation.request.params
        body: dict[str, Any] = {
            "model": self.tokenizer.spec.name,
            "prompt": generation.prompt + generation.generated,
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
            body["logprobs"] = n_top_logprobs or 1
        deadline = params.deadline_ms
        async for event in self._events(body):
            generation.n_prompt = (event.get("usage") or {}).get("prompt_tokens") or generation.n_prompt
            for choice in event.get("choices") or []:
                yield choice
            if deadline is not None and (time.perf_counter() - generation.started) * 1e3 > deadline:
                return

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Streamed events of a completion; retried where the server is busy or unreachable, or refuses `logprobs`."""
        delays = iter(_RETRY_DELAYS_S)
        has_started = False
        while True:
            try:
                async with self._client.stream("POST", "/v1/completions", json=body) as response:
                    if response.status_code == httpx.codes.OK:
                        has_started = True
                        if self._disconnected:
                            self._disconnected = False
                            self._on_connection(None)
                        async for line in response.aiter_lines():
                            if line.startswith("data: {"):
                                yield json.loads(line.removeprefix("data: "))
                        return
                    refusal = (await response.aread()).decode("utf-8", "replace")[:300]
                    if response.status_code not in _RETRY_STATUSES:
                        if "logprobs" in body and "logprob" in refusal:
                            self._with_logprobs = False
                            del body["logprobs"]
                            continue
                        raise EngineError(
                            f"The server refuses the request ({response.status_code}): {refusal}",
                            "See that server's log.",
                        )
                    failure = EngineError(f"The server is busy ({response.status_code}).", "Try again later.")
            except (httpx.TransportError, ValueError) as error:
                failure = _unreachable(str(self._client.base_url), error)
            delay = None if has_started else next(delays, None)
            if delay is None:
                self._disconnected = True
                self._on_connection(failure)
                raise failure
            await asyncio.sleep(delay)

    def _finish(self, generation: _RemoteGeneration, reason: FinishReason) -> Completion:
        ended, started = time.perf_counter(), generation.started
        first = generation.first_token or ended
        n_prompt = generation.n_prompt or len(generation.request.prompt)
        counters = Counters(
            prompt_tokens=n_prompt,
            evaluated_tokens=n_prompt,
            generated_tokens=len(generation.tokens),
            ttft_ms=(first - started) * 1e3,
            prompt_ms=(first - started) * 1e3,
            decode_ms=(ended - first) * 1e3,
            decoded_tokens=max(0, len(generation.tokens) - 1),
        )
        return Completion(generation.text, tuple(generation.tokens), reason, counters)


def _top_tokens(choice: dict[str, Any]) -> list[tuple[str, float]]:
    """Most probable tokens at a chunk's first position, best first, in the format of completions or of chats."""
    logprobs = choice.get("logprobs") or {}
    found: list[tuple[str, float]] = []
    for position in logprobs.get("top_logprobs") or []:
        found += [(str(token), float(value)) for token, value in (position or {}).items()]
        break
    for position in logprobs.get("content") or []:
        found += [(str(one["token"]), float(one["logprob"])) for one in position.get("top_logprobs") or []]
        break
    return sorted(found, key=lambda pair: -pair[1])


def _end(future: Future[Completion], error: Exception) -> None:
    with contextlib.suppress(Exception):  # it is done already
        future.set_exception(error)


def _unreachable(base: str, error: Exception) -> EngineError:
    why = explain_error(error) or NanoError(f"{error or type(error).__name__}.")
    remedy = "Check the setting engine, the network and the key (NANO_LSP_API_KEY), or set engine to shared."
    return EngineError(f"{base} cannot be reached: {why.message}", f"{why.remedy} {remedy}".strip())
