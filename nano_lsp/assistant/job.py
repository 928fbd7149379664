"""A job: a client's request to an assistant, as a self-contained value.

So a job can run in this process, or be sent to another one, which sends the result back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_args

from nano_lsp.assistant.context import NULL_LISTENER, FeatureContext, ProgressListener
from nano_lsp.config import Settings
from nano_lsp.schema import Counters, Notice

T = TypeVar("T")


class Job(Generic[T]):
    """A request to an assistant.

    Attributes:
        result: Type of the result.
    """

    result: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        cls.result = get_args(cls.__orig_bases__[0])[0]  # type: ignore[attr-defined] # of Job[…]

    @property
    def document(self) -> str:
        """The path or URI of the document that the job is about; empty for none."""
        return ""

    async def run(self, context: FeatureContext) -> T:
        """Run the job.

        Raises:
            EngineError: Inference failed.
            PromptTooLongError: The input does not fit the model's context.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class LoadModel(Job[int]):
    """Load the model; the result is its context length in tokens."""

    async def run(self, context: FeatureContext) -> int:
        """The result, without a request to the model."""
        return context.tokenizer.spec.n_ctx


@dataclass(frozen=True)
class CountTokens(Job[list[int]]):
    """Count the tokens of texts."""

    texts: tuple[str, ...]

    async def run(self, context: FeatureContext) -> list[int]:
        """The result, without a request to the model."""
        return [context.count_tokens(text) for text in self.texts]


class Assistant(Protocol):
    """Runs jobs, in this process or in the engine. Close it to release the model."""

    @property
    def notice(self) -> Notice:
        """Information for the user on how the model runs."""
        ...

    @property
    def totals(self) -> Counters:
        """Tokens and times of all jobs."""
        ...

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest requests, in milliseconds; 0 without requests."""
        ...

    def run(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """Run a job and wait for its result; an interruption such as Ctrl-C cancels it.

        Raises:
            EngineError: Inference failed.
            PromptTooLongError: The input does not fit the model's context.
        """
        ...

    async def run_async(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """Run a job on an event loop; cancelling the asyncio task cancels the job."""
        ...

    def forget(self, document: str) -> None:
        """Release the state of a document that has been closed."""
        ...

    def use_workspace(
        self,
        root: Path,
        settings: Settings | None = None,
        *,
        reads: bool = True,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a workspace folder: its settings and its index of definitions apply to its documents.

        Its Python files are indexed first. A document in nested folders belongs to the innermost, one outside all
        folders to the folder added first.

        Args:
            root: The folder.
            settings: Settings with the limits of jobs about documents in it; None for the assistant's own.
            reads: Whether its files may be read.
            stopped: Called before each file; True stops the indexing and keeps the files indexed so far.
        """
        ...

    def leave_workspace(self, root: Path) -> None:
        """Remove a folder from the workspace."""
        ...

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Record that files or folders were saved, created, renamed or deleted: the next job reads them again."""
        ...

    def close(self) -> None:
        """Release the model."""
        ...
