"""What the model says of candidates: which tokens it evaluates, and when it stops."""

from __future__ import annotations

import pytest

from nano_lsp.assistant.context import ClientState, FeatureContext
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.next_edit.scoring import Choice, ScoreEdits, make_choice, show_edits
from nano_lsp.schema import Completion
from nano_lsp.settings import Settings
from nano_lsp.testing.scripted_backend import ScriptedBackend, reply_script

EDIT = ("f(w)\n", "f(width)\n")


def score(backend: ScriptedBackend, *choices: Choice) -> list[float]:
    """The gains of choices, by an engine on a scripted model."""
    engine = Engine(backend)

    async def generate(request: GenerationRequest) -> Completion:
        return Generation(engine, request.key, request.prompt, request.params).run()

    context = FeatureContext(tokenizer=backend, fim_order="psm", state=ClientState(Settings()), generate=generate)
    try:
        ScoreEdits("a.py", (EDIT,), choices).run(context).send(None)
    except StopIteration as done:
        return list(done.value)
    raise AssertionError


def test_the_lines_that_the_model_expects_gain() -> None:
    backend = ScriptedBackend(reply_script({"x = 1\n": "g(width)\nend\n"}))
    text = "x = 1\ng(w)\nend\n"
    choice = make_choice(text, 6, "g(w)\n", "g(width)\n", 99.0)
    opposite = make_choice(text.replace("(w)", "(width)"), 6, "g(width)\n", "g(w)\n", 99.0)
    gain, loss = score(backend, choice, opposite)
    assert gain > 5
    assert loss == pytest.approx(-gain, abs=0.1)


def test_the_first_gain_that_is_enough_is_the_last() -> None:
    backend = ScriptedBackend(reply_script({"\n\n": "g(width)\n"}))
    enough, more = Choice("", "g(w)\n", "g(width)\n", "", 1.0), Choice("", "h(w)\n", "h(width)\n", "", 1.0)
    assert len(score(backend, enough, more)) == 1
    assert len(score(backend, more, enough)) == 2


def test_the_tokens_evaluated_are_bounded() -> None:
    backend = ScriptedBackend()
    long = "".join(f"v{i} = load(w, {i})\n" for i in range(12))
    choices = [Choice(long, long, long.replace("w", "width"), long, 99.0) for _ in range(3)]
    score(backend, *choices)
    assert backend.evaluated <= 300


def test_edits_are_shown_as_a_diff() -> None:
    assert show_edits([EDIT, ("", "x\ny")]) == "@@\n-f(w)\n+f(width)\n@@\n+x\n+y\n\n"
