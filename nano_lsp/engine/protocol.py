"""What a client and the shared engine say to each other: jobs as JSON, what comes of them as server-sent events.

An event is `event: NAME` and `data: JSON` (WHATWG HTML, section 9.2), one of

- `loading` {what, done, total}: the model is on its way, in bytes;
- `notice` {text, is_new}: what people should know of how the model runs; at `LoadModel`;
- `progress` {done, total}: tokens of the prompt;
- `part` {done, total}: parts of the result;
- `text` {keep, add}: the text so far is as many characters of what it was, and these;
- `result` {value, counters}: the end;
- `error` {kind, message, remedy}: the end, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from nano_lsp import errors
from nano_lsp.assistant.job import CountTokens, Job, LoadModel
from nano_lsp.chat import Ask, Chat, CompletePrompt, Explain
from nano_lsp.completion.completer import Alternatives, Complete, Infill
from nano_lsp.config import Settings
from nano_lsp.docstrings import WriteDocstrings
from nano_lsp.edits.cells import FixCell, WriteCell
from nano_lsp.edits.rewrite import AddTypeHints, Fix, Simplify, WriteTest
from nano_lsp.errors import ConfigError, EngineError, NanoError
from nano_lsp.schema import Counters
from nano_lsp.tasks import Task

PREFIX = "/nano/v1"
PROTOCOL = 1
"""Raise it with each change of this module that an engine or a client of other code would misunderstand."""
MAX_BODY_BYTES = 64 << 20
"""A document may have 8 MB; JSON makes up to six bytes of one."""
T = TypeVar("T")
JOBS: dict[str, type[Job[Any]]] = {
    kind.__name__: kind
    for kind in (
        *(LoadModel, CountTokens),
        *(Complete, Alternatives, Infill),
        *(Ask, Chat, CompletePrompt, Explain),
        *(WriteDocstrings, Simplify, Fix, AddTypeHints, WriteTest, FixCell, WriteCell),
        Task,
    )
}
"""What an engine does for its clients, by name."""
_ERRORS = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NanoError)
}


class JobRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A job as it is sent.

    Attributes:
        client: names the program that asks.
        settings: of that program.
        job: the job's fields.
        workspace: folder whose files its documents import from; empty for none.
        changed: Paths of files and folders that have changed since the client's last job.
    """

    client: str
    settings: Settings
    job: msgspec.Raw
    workspace: str = ""
    changed: tuple[str, ...] = ()


class ServerInfo(msgspec.Struct):
    """Who an engine is.

    Attributes:
        version: of nano-lsp.
        pid: its process.
        proof: that it knows the token, where there is one; see `place.challenge_response`.
        draining: it takes no more jobs.
        protocol: Its `PROTOCOL`; 0 for engines from before there was one.
        code: Fingerprint of its code; see `nano_lsp.engine.installed_code`.
        installed: When that code was installed, in seconds since 1970.
    """

    version: str
    pid: int
    proof: str = ""
    draining: bool = False
    protocol: int = 0
    code: str = ""
    installed: float = 0.0


class Loading(msgspec.Struct):
    """The model is on its way, in bytes."""

    what: str
    done: int
    total: int


class Progress(msgspec.Struct):
    """So much is done."""

    done: int
    total: int


class Text(msgspec.Struct):
    """How a text goes on."""

    keep: int
    add: str


class Result(msgspec.Struct):
    """What came of a job, and what it has cost."""

    value: msgspec.Raw
    counters: Counters


class Failure(msgspec.Struct):
    """Why nothing came of it."""

    kind: str
    message: str
    remedy: str = ""

    @classmethod
    def of(cls, error: NanoError) -> Failure:
        """An error as it is sent."""
        return cls(type(error).__name__, error.message, error.remedy)

    def error(self) -> NanoError:
        """The error again."""
        return _ERRORS.get(self.kind, EngineError)(self.message, self.remedy)


@dataclass(frozen=True)
class Event:
    """A server-sent event: its name and its JSON."""

    name: str
    data: bytes


def encode_request(
    client: str, settings: Settings, job: Job[Any], workspace: str, changed: tuple[str, ...] = ()
) -> bytes:
    """A job as it is sent; half a surrogate pair, which UTF-8 has none of, becomes a question mark.

    A workspace whose path is not UTF-8 is left out, and so is a changed file: nothing is imported from them.

    Raises:
        ConfigError: The path of the model or the adapter is not UTF-8.
    """
    try:
        body = msgspec.json.encode(job)
    except UnicodeEncodeError:
        body = msgspec.json.encode(replace_surrogates(msgspec.to_builtins(job)))
    workspace = workspace if replace_surrogates(workspace) == workspace else ""
    changed = tuple(path for path in changed if replace_surrogates(path) == path)
    try:
        return msgspec.json.encode(JobRequest(client, settings, msgspec.Raw(body), workspace, changed))
    except UnicodeEncodeError as error:
        raise ConfigError("The path of the model is not UTF-8.", "Rename the file or its folder.") from error


def decode_job(name: str, fields: msgspec.Raw) -> Job[Any]:
    """A job as it was sent.

    Raises:
        msgspec.ValidationError: it is none.
    """
    kind = JOBS.get(name)
    if kind is None:
        raise msgspec.ValidationError(f"There is no job {name!r}.")
    job: Job[Any] = msgspec.json.decode(fields, type=kind)
    return job


def decode_result(job: Job[T], result: Result) -> T:
    """What came of a job."""
    value: T = msgspec.json.decode(result.value, type=job.result)
    return value


def encode_event(name: str, value: object) -> bytes:
    """An event as it is sent."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(value))


class EventReader:
    """Events out of bytes, which may come cut anywhere. Comments are left out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are complete now."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and line[:1] != b":")
            if b"event" in fields:
                yield Event(fields[b"event"].decode(), fields.get(b"data", b"null"))


def replace_surrogates(value: Any) -> Any:  # noqa: ANN401 - what JSON is made of
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: replace_surrogates(item) for key, item in value.items()}
    return [replace_surrogates(item) for item in value] if isinstance(value, list) else value
