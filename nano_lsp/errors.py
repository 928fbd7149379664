"""Exception hierarchy: every error that the project raises deliberately.

    NanoError                      message and remedy
    ├── ConfigError                a setting is unknown or out of range            exit 2
    ├── DocumentError              a source file cannot be read as text            exit 2
    │   └── PositionError          a position outside the document                 exit 2
    ├── EvaluationError            an evaluation without usable data               exit 2
    ├── ForgeError                 a recipe, training data or training that fails  exit 2
    ├── StoreError                 the model store                                 exit 3
    │   ├── UnknownModelError      no manifest entry of that name
    │   ├── UnknownAdapterError    no installed adapter of that name
    │   ├── ModelMissingError      known model that is not downloaded
    │   ├── ChecksumError          size or SHA-256 differs from the manifest
    │   ├── DiskSpaceError         the file does not fit
    │   ├── StoreWriteError        the store cannot be written
    │   ├── StoreBusyError         another pull holds the lock
    │   └── SourcesError           no source could be reached
    ├── LibraryError               llama.cpp is missing or fails on this CPU       exit 3
    ├── ModelFileError             a model or adapter file that cannot be used     exit 4
    │   ├── GgufError              not GGUF, truncated, or with an invalid header
    │   ├── ArchitectureError      valid, but of an unsupported architecture
    │   └── AdapterError           not an adapter that can be used
    │       └── OtherModelError    a sound one that was made for another model
    ├── EngineError                inference                                       exit 5
    │   ├── PromptTooLongError     the prompt does not fit the context
    │   ├── MemoryShortageError    less memory than the model needs
    │   ├── KvCacheFullError       no free cell in the KV cache
    │   ├── GrammarError           a grammar or schema that cannot be compiled
    │   ├── EngineBusyError        the request queue is full
    │   └── EngineClosedError      the engine was shut down
    │       └── EngineGoneError    the engine's process ended during a job
    ├── TaskError                  a task or a summary has failed                  exit 6
    │   ├── SchemaError            a result type that cannot be used               exit 2
    │   ├── AnswerCutError         the answer exceeds the token limit
    │   └── TaskTimeoutError       the time limit was exceeded
    ├── BundleError                a part of an offline bundle cannot be created   exit 7
    ├── MachineError               the system or the network does not allow it     exit 8
    │   └── OfflineError           the setting `offline` forbids a connection
    └── CancelledError             the request was cancelled                       exit 130
        └── SupersededError        by a newer one of the same kind and document

An error's message says what happened, its remedy what the user can do; both are shown.
"""

from __future__ import annotations


class NanoError(Exception):
    """Base class of all errors that are raised deliberately.

    Attributes:
        message: One sentence that says what happened.
        remedy: What the user can do about it; empty if nothing can be done.
        exit_code: Exit code of the command line program.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ConfigError(NanoError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = 2


class DocumentError(NanoError):
    """A source file cannot be read as text."""

    exit_code = 2


class PositionError(DocumentError):
    """A position lies outside its document."""


class EvaluationError(NanoError):
    """There is no data to evaluate on, or the results do not belong together."""

    exit_code = 2


class ForgeError(NanoError):
    """A recipe that is not valid, training data that cannot be made, or training that cannot begin or go on."""

    exit_code = 2


class StoreError(NanoError):
    """An operation of the model store failed."""

    exit_code = 3


class UnknownModelError(StoreError):
    """The manifest has no model of that name."""


class UnknownAdapterError(StoreError):
    """No installed adapter has that name."""


class ModelMissingError(StoreError):
    """The file of a known model has not been downloaded to this machine."""


class ChecksumError(StoreError):
    """A file's size or SHA-256 differs from the manifest."""


class DiskSpaceError(StoreError):
    """The file does not fit on the disk."""


class StoreWriteError(StoreError):
    """The store's folder cannot be written."""


class StoreBusyError(StoreError):
    """Another process is downloading a model into the store."""


class SourcesError(StoreError):
    """No source of a model could be reached."""


class LibraryError(NanoError):
    """The library that runs the model, llama.cpp, is missing or does not work on this CPU."""

    exit_code = 3


class ModelFileError(NanoError):
    """A model or adapter file that cannot be used."""

    exit_code = 4


class GgufError(ModelFileError):
    """The file is not GGUF, is truncated, or has an invalid header."""


class ArchitectureError(ModelFileError):
    """A valid GGUF file of an unsupported architecture."""


class AdapterError(ModelFileError):
    """A valid GGUF file that is not an adapter, or that cannot be used as one."""


class OtherModelError(AdapterError):
    """An adapter that was made for another model."""


class EngineError(NanoError):
    """Inference failed."""

    exit_code = 5


class PromptTooLongError(EngineError):
    """The prompt does not fit the context."""


class MemoryShortageError(EngineError):
    """There is less memory than the model needs."""


class KvCacheFullError(EngineError):
    """No free cell is left in the KV cache."""


class GrammarError(EngineError):
    """A grammar or JSON schema that cannot be compiled."""


class EngineBusyError(EngineError):
    """The request queue is full."""


class EngineClosedError(EngineError):
    """The engine was shut down, or its process ended, before it could answer."""


class EngineGoneError(EngineClosedError):
    """The engine's process ended during a job; another one is started."""


class TaskError(NanoError):
    """A task failed to produce a result."""

    exit_code = 6


class SchemaError(TaskError):
    """A result type or a JSON schema that cannot be used.

    Attributes:
        path: Property names leading to the faulty part of the schema; empty for the whole schema.
    """

    exit_code = 2
    path: tuple[str, ...] = ()


class AnswerCutError(TaskError):
    """The answer was cut off at the token limit."""


class TaskTimeoutError(TaskError):
    """The time limit was exceeded before there was a result."""


class BundleError(NanoError):
    """A part of a bundle for machines without a network could not be created."""

    exit_code = 7


class MachineError(NanoError):
    """The operating system, the file system or the network does not allow a necessary operation."""

    exit_code = 8


class OfflineError(MachineError):
    """An operation needs a connection to another machine, and the setting `offline` forbids those."""


class CancelledError(NanoError):
    """The request was cancelled."""

    exit_code = 130


class SupersededError(CancelledError):
    """The request was replaced by a newer one of the same kind and document."""
