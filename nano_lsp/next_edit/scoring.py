"""What the model says of candidates: it reads their old and their new lines after the newest edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import build_fim_prompt
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.lines import split_lines
from nano_lsp.next_edit.history import Edit
from nano_lsp.next_edit.places import Place
from nano_lsp.schema import GenerateParams, Priority

_MAX_EDITS = 4
_MAX_EDIT_TOKENS = 128
_LINES_ABOVE, _LINES_BELOW = 6, 3
_SEQUENCE = "#next-edit"


@dataclass(frozen=True)
class Choice:
    """Lines of a document, and what may take their place.

    Attributes:
        above: The lines above them.
        old: The lines as they are.
        new: The lines as they may have to be.
        below: The lines below them.
    """

    above: str
    old: str
    new: str
    below: str

    @classmethod
    def of(cls, place: Place, text: str) -> Choice:
        """A place in a text, with the lines around it."""
        above = split_lines(text[: place.start], keep_ends=True)[-_LINES_ABOVE:]
        below = split_lines(text[place.end :], keep_ends=True)[:_LINES_BELOW]
        return cls("".join(above), place.old, place.new, "".join(below))


@dataclass(frozen=True)
class ScoreEdits(Job[list[float]]):
    """How much more probable the new lines of each choice are than the old ones, after edits.

    The result is for each choice the log-probability of its new lines less that of its old ones, in nats.

    Attributes:
        name: Name of the document that was edited last.
        edits: Old and new lines of the newest edits, the newest last.
        choices: The choices.
    """

    name: str
    edits: tuple[tuple[str, str], ...]
    choices: tuple[Choice, ...]

    @property
    def document(self) -> str:
        """The document that was edited last."""
        return self.name

    async def run(self, context: FeatureContext) -> list[float]:
        """The scores, by two readings for each choice that share their prompt."""
        edits = show_edits(self.edits)
        return [await self._gain(choice, edits, context) for choice in self.choices]

    async def _gain(self, choice: Choice, edits: str, context: FeatureContext) -> float:
        prompt = build_fim_prompt(
            context.tokenizer, choice.above, choice.below, order=context.fim_order, context=edits
        )
        new, old = [await self._read(prompt, text, context) for text in (choice.new, choice.old)]
        return new - old

    async def _read(self, prompt: Sequence[int], text: str, context: FeatureContext) -> float:
        """Log-probability of a text after a prompt."""
        ids = tuple(context.tokenizer.tokenize(text))
        if not ids:
            return 0.0
        request = GenerationRequest(
            prompt=tuple(prompt),
            params=GenerateParams(max_tokens=len(ids), draft=False, score=ids),
            priority=Priority.CHAT,
            document=_SEQUENCE,
        )
        completion = await context.generate(request)
        return sum(token.logprob for token in completion.tokens)


def score_edits(edits: Sequence[Edit], choices: Sequence[Choice]) -> ScoreEdits:
    """The job that scores choices after edits, the newest of which comes first."""
    newest = [(edit.old, edit.new) for edit in edits[:_MAX_EDITS]]
    return ScoreEdits(edits[0].document, tuple(reversed(newest)), tuple(choices))


def show_edits(edits: Sequence[tuple[str, str]]) -> str:
    """Edits as a diff, as the model has seen many."""
    parts = []
    for old, new in edits:
        removed, added = (
            "".join(f"{sign}{line}\n" for line in split_lines(side)) for sign, side in (("-", old), ("+", new))
        )
        parts.append(f"@@\n{removed}{added}")
    return "".join(parts) + "\n"
