"""A job: what a client asks of an assistant, as a value that says all there is to know.

So a job runs in this process or in another one, which is sent the job and sends the result back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from nano_lsp.assistant.context import NULL_LISTENER, FeatureContext, ProgressListener
from nano_lsp.config import Settings
from nano_lsp.schema import Counters, Notice

T = TypeVar("T")


class Job(Generic[T]):
    """Something to do.

    Attributes:
        result: Type of its result.
    """

    result: ClassVar[Any]  # [Any] also where it is set: without, Python 3.10 cannot evaluate it for msgspec

    @property
    def document(self) -> str:
        """The path or URI of the document that it is about; empty where that makes no difference."""
        return ""

    async def run(self, context: FeatureContext) -> T:
        """Do it.

        Raises:
            EngineError: Inference failed.
            PromptTooLongError: The input does not fit the model's context.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class LoadModel(Job[int]):
    """Load the model; the result is its context in tokens."""

    result: ClassVar[Any] = int

    async def run(self, context: FeatureContext) -> int:
        """Nothing is asked of the model."""
        return context.tokenizer.spec.n_ctx


@dataclass(frozen=True)
class CountTokens(Job[list[int]]):
    """Count the tokens of some texts."""

    texts: tuple[str, ...]
    result: ClassVar[Any] = list[int]

    async def run(self, context: FeatureContext) -> list[int]:
        """Nothing is asked of the model."""
        return [context.count_tokens(text) for text in self.texts]


class Assistant(Protocol):
    """Runs jobs, wherever the model is. Close it to let go of the model."""

    @property
    def notice(self) -> Notice:
        """What people should know of how the model runs."""
        ...

    @property
    def totals(self) -> Counters:
        """What all jobs have cost."""
        ...

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest requests, in milliseconds; 0 where there was none."""
        ...

    def run(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """Run a job and wait for its result; leaving early, as with Ctrl-C, calls it off.

        Raises:
            EngineError: Inference failed.
            PromptTooLongError: The input does not fit the model's context.
        """
        ...

    async def run_async(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """As `run`, for an event loop; cancelling the task calls the job off."""
        ...

    def forget(self, document: str) -> None:
        """Forget a document that has been closed."""
        ...

    def use_workspace(
        self,
        root: Path,
        settings: Settings | None = None,
        *,
        reads: bool = True,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a folder of the workspace: its limits hold for its documents, which know what they import from it.

        Its Python files are indexed first. Of folders in one another a document belongs to the innermost; one that is
        in none to the folder added first.

        Args:
            root: The folder.
            settings: Limits of jobs about documents in it; None: the assistant's own.
            reads: Whether its files may be read.
            stopped: Asked before each file; True calls the indexing off, and what is indexed counts.
        """
        ...

    def leave_workspace(self, root: Path) -> None:
        """Remove a folder from the workspace."""
        ...

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Note that files or folders were saved, made, renamed or deleted: the next job reads them again."""
        ...

    def close(self) -> None:
        """Let go of the model."""
        ...
