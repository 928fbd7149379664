"""The wire between a client and the shared engine: a job as JSON, answered by events as NDJSON, a line each.

A line is a JSON object whose `type` says what it is (see `Event`); an empty line says that the engine is still there.
The last one is `result` or `error`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, TypeAlias, TypeVar

import msgspec

from nano_lsp import errors
from nano_lsp.assistant.job import Job
from nano_lsp.errors import ConfigError, EngineError, NanoError
from nano_lsp.schema import Counters, Notice
from nano_lsp.settings import Settings

PREFIX = "/nano/v1"
PROTOCOL = 3
"""Protocol number: raise it with each change of this module that the other side would misunderstand."""
MAX_BODY_BYTES = 64 << 20
"""Maximum size of a request: a document may have 8 MB, and JSON makes up to six bytes of one."""
T = TypeVar("T")
JOBS = {
    name: f"nano_lsp.{module}"
    for module, names in {
        "assistant.job": ("LoadModel", "CountTokens"),
        "completion.completer": ("Complete", "Alternatives", "Infill", "ReadAhead"),
        "chat": ("Ask", "Chat", "CompletePrompt", "Explain"),
        "docstrings": ("WriteDocstrings",),
        "edits.framework_tests": ("WriteFrameworkTest",),
        "edits.rewrite": ("Simplify", "Fix", "AddTypeHints", "WriteTest"),
        "edits.cells": ("FixCell", "WriteCell"),
        "next_edit.scoring": ("ScoreEdits",),
        "tasks": ("Task",),
    }.items()
    for name in names
}
"""The jobs that an engine runs for its clients, and their modules, which are imported when they are needed."""
_ERRORS = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NanoError)
}


class JobRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A job as it is sent.

    Attributes:
        client: Name of the client program, different for each process.
        settings: Settings of that program.
        job: The job's fields.
        workspace: Folder whose files its documents import from; empty for none.
        changed: Paths of files and folders that have changed since the client's last job.
    """

    client: str
    settings: Settings
    job: msgspec.Raw
    workspace: str = ""
    changed: tuple[str, ...] = ()


class ServerInfo(msgspec.Struct):
    """What an engine says of itself before a client sends it anything.

    Attributes:
        version: Version of nano-lsp.
        pid: Process id.
        proof: Shows that it knows the token, where there is one; see `endpoint.challenge_response`.
        draining: It takes no more jobs.
        protocol: Its `PROTOCOL`; 0 for engines from before there was one.
        code: Fingerprint of its code; see `nano_lsp.engine.installed_code`.
        installed: Time when that code was installed, in seconds since 1970.
    """

    version: str
    pid: int
    proof: str = ""
    draining: bool = False
    protocol: int = 0
    code: str = ""
    installed: float = 0.0


class Loading(msgspec.Struct, tag="loading"):
    """The model is being verified or loaded, in bytes."""

    what: str
    done: int
    total: int


class Noticed(msgspec.Struct, tag="notice"):
    """What people should know of how the model runs; sent with `LoadModel`."""

    notice: Notice


class Progress(msgspec.Struct, tag="progress"):
    """Number of prompt tokens evaluated, and of all."""

    done: int
    total: int


class PartProgress(msgspec.Struct, tag="part"):
    """Number of parts of the result that are done, and of all."""

    done: int
    total: int


class Text(msgspec.Struct, tag="text"):
    """The text so far: the first characters of the one before, and these."""

    keep: int
    add: str


class Result(msgspec.Struct, tag="result"):
    """The result of a job, and what it has cost."""

    value: msgspec.Raw
    counters: Counters


class Failure(msgspec.Struct, tag="error"):
    """Why a job has no result: the class of the error, its message and its remedy."""

    kind: str
    message: str
    remedy: str = ""

    @classmethod
    def of(cls, error: NanoError) -> Failure:
        """An error as it is sent."""
        return cls(type(error).__name__, error.message, error.remedy)

    def error(self) -> NanoError:
        """The error that was sent."""
        return _ERRORS.get(self.kind, EngineError)(self.message, self.remedy)


Event: TypeAlias = Loading | Noticed | Progress | PartProgress | Text | Result | Failure
"""A line of an answer."""
_DECODER = msgspec.json.Decoder(Event)


def encode_request(
    client: str, settings: Settings, job: Job[Any], workspace: str, changed: tuple[str, ...] = ()
) -> bytes:
    """A job as it is sent; half a surrogate pair, which UTF-8 cannot encode, becomes a question mark.

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
        msgspec.ValidationError: There is no such job, or it has other fields.
    """
    if name not in JOBS:
        raise msgspec.ValidationError(f"There is no job {name!r}.")
    job: Job[Any] = msgspec.json.decode(fields, type=getattr(import_module(JOBS[name]), name))
    return job


def decode_result(job: Job[T], result: Result) -> T:
    """The value of a job's result."""
    value: T = msgspec.json.decode(result.value, type=job.result)
    return value


def encode_event(event: Event) -> bytes:
    """An event as it is sent: a line of JSON."""
    return msgspec.json.encode(event) + b"\n"


class EventReader:
    """Decodes events out of bytes, which may come cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are complete now.

        Raises:
            msgspec.MsgspecError: A line does not contain an event.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        return (_DECODER.decode(line) for line in lines if line)


def replace_surrogates(value: Any) -> Any:  # noqa: ANN401 - what JSON is made of
    """JSON with a question mark for each half of a surrogate pair."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: replace_surrogates(item) for key, item in value.items()}
    return [replace_surrogates(item) for item in value] if isinstance(value, list) else value
