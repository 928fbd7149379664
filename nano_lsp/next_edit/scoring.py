"""What the model says of candidates: it reads their old and their new lines after the newest edits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.job import Job
from nano_lsp.inference.backend import Tokenizer
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.inference.snapshots import common_prefix
from nano_lsp.lines import split_lines
from nano_lsp.next_edit.history import Edit
from nano_lsp.schema import GenerateParams, Priority

_MAX_EDITS = 4
_MAX_EDIT_TOKENS = 100
_LINES_ABOVE, _LINES_BELOW = 5, 2
_MAX_ABOVE_TOKENS = 64
_MAX_READ_TOKENS = 40  # of each side, from the first difference on
_ENOUGH_TOKENS = 140  # after which no other choice is read: another one takes up to 144 more
_MET_TOKENS = 6  # after old and new have met again: what follows is equally probable after both
_DOCUMENT = "#next-edit"


@dataclass(frozen=True)
class Choice:
    """Lines of a document, and what may take their place.

    Attributes:
        above: The lines above them.
        old: The lines as they are.
        new: The lines as they may have to be.
        below: The lines below them.
        needed: Gain that is enough to show the edit.
    """

    above: str
    old: str
    new: str
    below: str
    needed: float = 0.0


def make_choice(text: str, start: int, old: str, new: str, needed: float) -> Choice:
    """A choice at an offset of a text, with the lines around it."""
    above = split_lines(text[:start], keep_ends=True)[-_LINES_ABOVE:]
    below = split_lines(text[start + len(old) :], keep_ends=True)[:_LINES_BELOW]
    return Choice("".join(above), old, new, "".join(below), needed)


@dataclass(frozen=True)
class Reading:
    """What the model reads of a choice, as token ids.

    Attributes:
        prompt: The newest edits, the lines above, and what both sides begin with.
        new: The new lines from the first difference on, and what follows until old and new have met again.
        old: The old lines, likewise.
    """

    prompt: Sequence[int]
    new: Sequence[int]
    old: Sequence[int]


@dataclass(frozen=True)
class ScoreEdits(Job[list[float]]):
    """How much more probable the new lines of choices are than the old ones, after edits.

    The result is the gain of each choice: the log-probability of its new lines less that of its old ones, in nats.
    It ends with the first gain that is enough, or when enough tokens were evaluated.

    Attributes:
        name: Name of the document that was edited last.
        edits: Old and new lines of the newest edits, the newest last.
        choices: The choices, the likeliest first.
    """

    name: str
    edits: tuple[tuple[str, str], ...]
    choices: tuple[Choice, ...]

    @property
    def document(self) -> str:
        """The document that was edited last."""
        return self.name

    async def run(self, context: FeatureContext) -> list[float]:
        """The gains, by two readings for each choice that share their prompt."""
        gains: list[float] = []
        n_evaluated = 0
        for choice in self.choices:
            gain, n_tokens = await _gain(make_reading(self.edits, choice, context.tokenizer), context)
            gains.append(gain)
            n_evaluated += n_tokens
            if gain >= choice.needed or n_evaluated > _ENOUGH_TOKENS:
                break
        return gains


def score_edits(edits: Sequence[Edit], choices: Iterable[Choice]) -> ScoreEdits:
    """The job that scores choices after edits, the newest of which comes first."""
    return ScoreEdits(edits[0].document, newest_sides(edits), tuple(choices))


def newest_sides(edits: Sequence[Edit]) -> tuple[tuple[str, str], ...]:
    """Old and new lines of the newest edits, the newest last; of the edits, it comes first."""
    return tuple((edit.old, edit.new) for edit in reversed(edits[:_MAX_EDITS]))


def show_edits(edits: Sequence[tuple[str, str]]) -> str:
    """Edits as a diff, as the model has seen many."""
    parts = []
    for old, new in edits:
        signed = [(sign, line) for sign, side in (("-", old), ("+", new)) for line in split_lines(side)]
        parts += ["@@\n", *(f"{sign}{line}\n" for sign, line in signed)]
    return "".join([*parts, "\n"])


def make_reading(edits: Sequence[tuple[str, str]], choice: Choice, tokenizer: Tokenizer) -> Reading:
    """What the model reads of a choice after edits, the newest of which comes last; the oldest ones may be left out.

    What both sides begin with belongs to the prompt; both end soon after they have met again.
    """
    tokenize = tokenizer.tokenize
    while len(edits) > 1 and len(tokenize(show_edits(edits))) > _MAX_EDIT_TOKENS:
        edits = edits[1:]
    old, new = (tokenize(side + choice.below) for side in (choice.old, choice.new))
    n_first = common_prefix(old, new)
    above = (tokenize(choice.above) + new[:n_first])[-_MAX_ABOVE_TOKENS:]
    sides = new[n_first:], old[n_first:]
    n_left_out = max(0, common_prefix(sides[0][::-1], sides[1][::-1]) - _MET_TOKENS)
    read = [side[: min(len(side) - n_left_out, _MAX_READ_TOKENS)] for side in sides]
    return Reading(tokenize(show_edits(edits))[-_MAX_EDIT_TOKENS:] + above, *read)


async def _gain(reading: Reading, context: FeatureContext) -> tuple[float, int]:
    """The gain of a choice, and the number of tokens evaluated for it."""
    new, old = [await _read(reading.prompt, side, context) for side in (reading.new, reading.old)]
    return new[0] - old[0], new[1] + old[1]


async def _read(prompt: Sequence[int], text: Sequence[int], context: FeatureContext) -> tuple[float, int]:
    """Log-probability of a text after a prompt, and the number of tokens evaluated for it."""
    if not text:
        return 0.0, 0
    request = GenerationRequest(
        prompt=tuple(prompt),
        params=GenerateParams(max_tokens=len(text), draft=False, score=tuple(text)),
        priority=Priority.CHAT,
        document=_DOCUMENT,
    )
    completion = await context.generate(request)
    n_evaluated = completion.counters.evaluated_tokens + len(text)
    return sum(token.logprob for token in completion.tokens), n_evaluated
