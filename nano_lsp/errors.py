"""Every error the project raises on purpose, in one tree.

    NanoError                      what went wrong + what to do about it
    ├── ConfigError                a setting is unknown or out of range            exit 2
    ├── DocumentError              a source file cannot be read as text            exit 2
    │   └── PositionError          a position outside the document                 exit 2
    ├── EvaluationError            an evaluation without usable data               exit 2
    ├── StoreError                 the model store                                 exit 3
    │   ├── UnknownModelError      no entry of that name
    │   ├── ModelMissingError      known, but not on this machine
    │   ├── ChecksumError          size or SHA-256 is not what the manifest says
    │   ├── DiskSpaceError         the file does not fit
    │   ├── StoreWriteError        the store cannot be written
    │   ├── StoreBusyError         another pull holds the lock
    │   └── SourcesError           no source could be reached
    ├── LibraryError               llama.cpp is missing, or fails on this CPU      exit 3
    ├── ModelFileError             a model or adapter file that cannot be used     exit 4
    │   ├── GgufError              not GGUF, cut off, or its header makes no sense
    │   └── ArchitectureError      sound, but of an architecture that is not served
    ├── EngineError                inference                                       exit 5
    │   ├── PromptTooLongError     the prompt does not fit the context
    │   ├── MemoryShortageError    less memory than the model needs
    │   ├── KvCacheFullError       no free cell in the KV cache
    │   ├── GrammarError           a grammar or schema that cannot be compiled
    │   ├── EngineBusyError        too many requests wait already
    │   └── EngineClosedError      the engine was shut down
    │       └── EngineGoneError    its process ended in the middle of a job
    ├── TaskError                  a task or a summary that did not come off       exit 6
    │   ├── SchemaError            a result type that cannot be used               exit 2
    │   ├── AnswerCutError         the answer needs more tokens than it may have
    │   └── TaskTimeoutError       the time allowed ran out
    ├── BundleError                a part of a bundle that could not be made       exit 7
    ├── MachineError               the system or the network does not allow it     exit 8
    └── CancelledError             the request was called off                      exit 130
        └── SupersededError        by a newer one of the same kind and document

An error's message says what happened, its remedy what the user can do; both are shown.
"""

from __future__ import annotations


class NanoError(Exception):
    """Base of every deliberate error.

    Attributes:
        message: what happened, one sentence.
        remedy: what the user can do about it; empty where nothing can be done.
        exit_code: what a command line program exits with.
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
    """There is nothing to evaluate on, or results that do not belong together."""

    exit_code = 2


class StoreError(NanoError):
    """The model store cannot do what was asked."""

    exit_code = 3


class UnknownModelError(StoreError):
    """No entry of that name in the manifest."""


class ModelMissingError(StoreError):
    """A known model whose file is not on this machine."""


class ChecksumError(StoreError):
    """A file's size or SHA-256 is not what the manifest says."""


class DiskSpaceError(StoreError):
    """The file does not fit on the disk."""


class StoreWriteError(StoreError):
    """The store's folder cannot be written."""


class StoreBusyError(StoreError):
    """Another process is pulling into the store."""


class SourcesError(StoreError):
    """No source of a model could be reached."""


class LibraryError(NanoError):
    """The library that runs the model, llama.cpp, is missing or does not work on this CPU."""

    exit_code = 3


class ModelFileError(NanoError):
    """A model or adapter file that cannot be used."""

    exit_code = 4


class GgufError(ModelFileError):
    """Not a GGUF file, cut off, or with a header that makes no sense."""


class ArchitectureError(ModelFileError):
    """A sound GGUF file of an architecture that is not served."""


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
    """Too many requests wait already."""


class EngineClosedError(EngineError):
    """The engine was shut down, or its process has gone, before it could answer."""


class EngineGoneError(EngineClosedError):
    """The engine's process ended in the middle of a job; another one is started."""


class TaskError(NanoError):
    """A task did not come to a result."""

    exit_code = 6


class SchemaError(TaskError):
    """A result type or a JSON schema that cannot be used.

    Attributes:
        path: Names of the properties that lead to the part it is about; empty for the whole.
    """

    exit_code = 2
    path: tuple[str, ...] = ()


class AnswerCutError(TaskError):
    """The answer ended at the token limit before it was whole."""


class TaskTimeoutError(TaskError):
    """The time allowed ran out before there was a result."""


class BundleError(NanoError):
    """A part of a bundle for machines without a network could not be made."""

    exit_code = 7


class MachineError(NanoError):
    """The operating system, the file system or the network does not allow what is needed."""

    exit_code = 8


class CancelledError(NanoError):
    """The request was called off."""

    exit_code = 130


class SupersededError(CancelledError):
    """A newer request of the same kind and document took this one's place."""
