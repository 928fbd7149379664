"""The OpenAI- and llama-server-compatible API: completions and chat, `/infill` and what goes with it.

After OpenAI's API reference (`/v1/completions`, `/v1/chat/completions`, `/v1/models`) and the README of llama.cpp's
server (`/infill`, `/health`, `/props`, `/tokenize`, `/detokenize`), as far as llama.vim, llama.vscode, minuet and
Continue use them. Sampling is greedy unless a request sets it; unknown fields are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from nano_lsp.assistant.job import Job
from nano_lsp.chat import Chat, CompletePrompt
from nano_lsp.completion.completer import Infill
from nano_lsp.config import SCRIPTED, is_path
from nano_lsp.engine import protocol
from nano_lsp.engine.event_stream import EventBuffer, EventStream
from nano_lsp.engine.model_manager import ClientInfo, ModelManager
from nano_lsp.engine.openai_messages import (
    ChatRequest,
    CompletionRequest,
    DetokenizeRequest,
    InfillRequest,
    TextRequest,
    TokenizeRequest,
    about,
    describe_model,
    finish,
    logprobs,
    timings,
    usage,
    without_nulls,
)
from nano_lsp.engine.request_body import read_body, until_disconnected
from nano_lsp.errors import (
    ConfigError,
    EngineBusyError,
    EngineClosedError,
    EngineError,
    NanoError,
    UnknownModelError,
)
from nano_lsp.schema import Completion
from nano_lsp.settings import Settings

_POSTED = ("/v1/completions", "/v1/chat/completions", "/infill", "/tokenize", "/detokenize")
_SHOWN = ("/v1/models", "/v1/models/{name}", "/health", "/props")
METHODS = {**dict.fromkeys(_POSTED, "POST"), **dict.fromkeys(_SHOWN, "GET")}
"""The method of each path."""
_STATUSES = (
    (EngineBusyError, 429),
    (EngineClosedError, 503),
    (EngineError, 400),
    (ConfigError, 400),  # a value of the request's; clients repeat what has failed with 500
    (UnknownModelError, 404),
)
_DONE = b"data: [DONE]\n\n"
B = TypeVar("B")


class OpenAiApi:
    """The routes of the API; the engine's own model answers where a request names none that is known."""

    def __init__(self, models: ModelManager, settings: Settings) -> None:
        self._manager = models
        self._settings = settings

    def routes(self, guard: Callable[[Callable[[Request], Any]], Callable[[Request], Any]]) -> list[Route]:
        """The routes, each behind a guard that checks the token."""
        handlers = {
            "/v1/completions": self._completions,
            "/v1/chat/completions": self._chat,
            "/infill": self._infill,
            "/tokenize": self._tokenize,
            "/detokenize": self._detokenize,
            "/v1/models": self._models,
            "/v1/models/{name}": self._model,
            "/health": self._health,
            "/props": self._props,
        }
        return [Route(path, guard(_answering(handlers[path])), methods=[METHODS[path]]) for path in METHODS]

    async def _completions(self, request: Request) -> Response:
        asked = await _read(request, CompletionRequest)
        if asked.n != 1:
            raise EngineError("One completion is made at a time.", "Ask again for each.")
        prompt, params = asked.text_or_ids(), asked.params(128)
        job: Job[Completion] = CompletePrompt(prompt, params)
        if asked.suffix and isinstance(prompt, str):
            job = Infill(prompt, asked.suffix, max_tokens=params.max_tokens, sampling=params.sampling)
        header = about("cmpl", "text_completion", asked.model or self._settings.model)

        def choice(text: str, done: Completion | None) -> dict[str, object]:
            return {"index": 0, "text": text, "logprobs": logprobs(asked.logprobs, done), **finish(done)}

        return await self._answer(request, asked, job, header, choice)

    async def _chat(self, request: Request) -> Response:
        asked = await _read(request, ChatRequest)
        asked.check()
        job = Chat(tuple(one.message() for one in asked.messages), asked.params(512))
        header = about("chatcmpl", "chat.completion" + ".chunk" * asked.stream, asked.model or self._settings.model)

        def choice(text: str, done: Completion | None) -> dict[str, object]:
            said = {"role": "assistant", "content": text}
            return {"index": 0, ("delta" if asked.stream else "message"): said, **finish(done)}

        return await self._answer(request, asked, job, header, choice)

    async def _infill(self, request: Request) -> Response:
        asked = await _read(request, InfillRequest)
        job = Infill(
            prefix=asked.input_prefix + asked.prompt,
            suffix=asked.input_suffix,
            context="\n".join(f"# {extra.filename}\n{extra.text}" for extra in asked.readable_extra()),
            max_tokens=asked.length(128),
            deadline_ms=asked.t_max_predict_ms or None,
            sampling=asked.sampling(),
        )

        def body(text: str, done: Completion | None) -> dict[str, object]:
            return {"content": text, "stop": done is not None, **(timings(done) if done else {})}

        if asked.stream:
            return self._stream(request, asked, job, body, lambda _done: b"")
        return _json(body(*await self._complete(request, asked, job)))

    async def _tokenize(self, request: Request) -> Response:
        asked = await _read(request, TokenizeRequest)
        async with self._manager.acquire(self._client(request, ""), _ignore_loading) as assistant:
            tokenizer = assistant.model.tokenizer
            tokens: Sequence[object] = tokenizer.tokenize(asked.content, parse_special=True)
            if asked.with_pieces:
                tokens = [{"id": i, "piece": tokenizer.piece(int(str(i))).decode("utf-8", "replace")} for i in tokens]
        return _json({"tokens": tokens})

    async def _detokenize(self, request: Request) -> Response:
        asked = await _read(request, DetokenizeRequest)
        async with self._manager.acquire(self._client(request, ""), _ignore_loading) as assistant:
            tokenizer = assistant.model.tokenizer
            known = (token for token in asked.tokens if 0 <= token < tokenizer.spec.n_vocab)
            return _json({"content": b"".join(map(tokenizer.piece, known)).decode("utf-8", "replace")})

    async def _models(self, _request: Request) -> Response:
        return _json({"object": "list", "data": [describe_model(name) for name in self._known()]})

    async def _model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._known():
            raise UnknownModelError(f"There is no model {name!r}.", "GET /v1/models has their names.")
        return _json(describe_model(name))

    async def _health(self, _request: Request) -> Response:
        return _json({"status": "ok"})

    async def _props(self, request: Request) -> Response:
        async with self._manager.acquire(self._client(request, ""), _ignore_loading) as assistant:
            spec = assistant.model.tokenizer.spec
        settings = {"n_ctx": spec.n_ctx, "n_predict": -1}
        props = {"total_slots": 1, "model_path": spec.name, "chat_template": spec.chat_template or ""}
        return _json({"default_generation_settings": settings, **props})

    def _known(self) -> dict[str, str]:
        """Models by the names that clients see: a file's name without folders and `.gguf`."""
        names = [self._settings.model, *(model.name for model in self._manager.statuses())]
        known: dict[str, str] = {}
        for name in names:
            known.setdefault(Path(name).name.removesuffix(".gguf") if is_path(name) else name, name)
        return known

    def _client(self, request: Request, model: str) -> ClientInfo:
        """The client of a request: clients of one kind share their KV sequences."""
        known = self._known()
        chosen = known.get(model, model if model in known.values() else "")
        settings = self._settings
        if chosen and not chosen.startswith(SCRIPTED):
            settings = replace(settings, model=chosen)
        return ClientInfo(f"api-{request.headers.get('user-agent', '')[:40]}", settings)

    async def _complete(self, request: Request, asked: TextRequest, job: Job[Completion]) -> tuple[str, Completion]:
        event_buffer = EventBuffer()
        async with self._manager.acquire(self._client(request, asked.model), event_buffer.on_load) as assistant:
            done = await until_disconnected(request, assistant.run_async(job, event_buffer))
        return done.text, done

    async def _answer(
        self,
        request: Request,
        asked: TextRequest,
        job: Job[Completion],
        header: dict[str, object],
        choice: Callable[[str, Completion | None], dict[str, object]],
    ) -> Response:
        if asked.stream:

            def body(text: str, done: Completion | None) -> dict[str, object]:
                return {**header, "choices": [choice(text, done)]}

            def end(done: Completion | NanoError) -> bytes:
                if isinstance(done, NanoError) or not asked.wants_usage:
                    return _DONE
                return _chunk({**header, "choices": [], "usage": usage(done)}) + _DONE

            return self._stream(request, asked, job, body, end)
        text, done = await self._complete(request, asked, job)
        return _json({**header, "choices": [choice(text, done)], "usage": usage(done)})

    def _stream(
        self,
        request: Request,
        asked: TextRequest,
        job: Job[Completion],
        body: Callable[[str, Completion | None], dict[str, object]],
        end: Callable[[Completion | NanoError], bytes],
    ) -> Response:
        """Chunks of an answer as they come."""
        said = ""

        def encode(event: protocol.Event) -> bytes:
            nonlocal said
            if not isinstance(event, protocol.Text) or event.keep != len(said):
                return b""
            said += event.add
            return _chunk(body(event.add, None))

        def encode_last(done: Completion | NanoError) -> bytes:
            if isinstance(done, NanoError):
                return _chunk(_failure(done)[0]) + end(done)
            rest = done.text[len(said) :] if done.text.startswith(said) else ""
            return _chunk(body(rest, done)) + end(done)

        async def respond(_scope: Scope, receive: Receive, send: Send) -> None:
            event_buffer = EventBuffer()
            stream = EventStream(
                event_buffer, encode=encode, media_type="text/event-stream", keep_alive=b": keep-alive\n\n"
            )
            client = self._client(request, asked.model)
            async with stream.open(receive, send):
                try:
                    async with self._manager.acquire(client, event_buffer.on_load) as assistant:
                        done = await assistant.run_async(job, event_buffer)
                except NanoError as error:
                    stream.last = partial(encode_last, error)
                else:
                    stream.last = partial(encode_last, done)

        return respond  # type: ignore[return-value]


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except NanoError as error:
            body, status = _failure(error)
            return Response(msgspec.json.encode(body), status, media_type="application/json")

    return answer


async def _read(request: Request, kind: type[B]) -> B:
    body = await read_body(request)
    try:
        return msgspec.convert(without_nulls(_decode(body)), kind, strict=False)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EngineError(f"The request cannot be read: {error}.", "See docs/reference/engine.md.") from error


def _decode(body: bytes) -> object:
    """Parse JSON; half a surrogate pair, which JavaScript sends where it cuts a text, becomes a question mark."""
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        if b"\\ud" not in body.lower():
            raise
        return protocol.replace_surrogates(json.loads(body, parse_constant=_refuse_constant))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid in JSON")


def _failure(error: NanoError) -> tuple[dict[str, object], int]:
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    return {"error": {"message": str(error), "type": type(error).__name__, "code": status}}, status


def _chunk(body: object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(body)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _ignore_loading(what: str, done: int, total: int) -> None:
    """The client is not told of the model being loaded."""
