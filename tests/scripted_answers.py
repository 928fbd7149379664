"""A feature's context whose model answers what a test says."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from nano_lsp.assistant.context import ClientState, FeatureContext
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import Completion, Counters, FinishReason, Token
from nano_lsp.settings import Settings
from nano_lsp.testing.scripted_backend import ScriptedBackend

BACKEND = ScriptedBackend()
T = TypeVar("T")


def run(feature: Callable[[FeatureContext], Coroutine[Any, Any, T]], *answers: str, otherwise: str = "") -> T:
    """The result of a feature, to whose requests the model gives these answers, and then always the other one."""
    left = iter(answers)

    async def generate(_request: GenerationRequest) -> Completion:
        return Completion(next(left, otherwise), (Token(1, b"x", 0.0),), FinishReason.STOP, Counters())

    try:  # it awaits nothing but the model, which does not wait
        context = FeatureContext(
            tokenizer=BACKEND, fim_order="spm_tail", state=ClientState(Settings()), generate=generate
        )
        feature(context).send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("The feature waits for something else than the model.")
