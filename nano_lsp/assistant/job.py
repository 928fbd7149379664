"""A job: a client's request to an assistant, as a self-contained value.

So a job can run in this process, or be sent to another one, which sends the result back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, get_args

from nano_lsp.assistant.context import FeatureContext

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
        """The result, without a request to the model.

        Raises:
            NanoError: The settings name an adapter that cannot be used.
        """
        context.find_adapter()
        return context.tokenizer.spec.n_ctx


@dataclass(frozen=True)
class CountTokens(Job[list[int]]):
    """Count the tokens of texts."""

    texts: tuple[str, ...]

    async def run(self, context: FeatureContext) -> list[int]:
        """The result, without a request to the model."""
        return [context.count_tokens(text) for text in self.texts]
