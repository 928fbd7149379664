"""Methods that are evaluated on sessions of editing: the next edit as editors get it, and a rewritten window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.fences import extract_code, fenced
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.requests import build_chat_request
from nano_lsp.evaluation.edit_runner import Method, Proposal
from nano_lsp.lines import split_lines
from nano_lsp.next_edit.candidates import find_candidates
from nano_lsp.next_edit.evidence import choose, needed_gain
from nano_lsp.next_edit.history import Edit
from nano_lsp.next_edit.renames import Source
from nano_lsp.next_edit.scoring import make_choice, score_edits, show_edits

if TYPE_CHECKING:
    from typing import Protocol

    from nano_lsp.schema import Counters

    T = TypeVar("T")

    class Runner(Protocol):
        """An assistant that runs jobs."""

        @property
        def totals(self) -> Counters:
            """What all requests have cost."""
            ...

        def run(self, job: Job[T]) -> T:
            """Run a job."""
            ...


WINDOW_LINES = 21
"""Lines that are rewritten: as many as other programs rewrite."""
_EDITS = 4


def make_next_edit(assistant: Runner) -> Method:
    """The method of this package."""

    def find(edits: Sequence[Edit], sources: Sequence[Source]) -> tuple[Proposal | None, int]:
        before = _evaluated(assistant.totals)
        places = find_candidates(edits, sources)
        texts = {source.name: source.text for source in sources}
        choices = [make_choice(texts[p.document], p.start, p.old, p.new, needed_gain(p)) for p in places]
        gains = assistant.run(score_edits(edits, choices)) if choices else []
        best = choose(places, gains)
        if best is None:
            return None, 0
        name = best.place.document
        proposal = Proposal(name, best.place.apply(texts[name]), best.is_shown, best.log_odds)
        return proposal, _evaluated(assistant.totals) - before

    return find


def make_rewriter(assistant: Runner) -> Method:
    """The usual method: the model rewrites the lines around the newest edit."""

    def find(edits: Sequence[Edit], sources: Sequence[Source]) -> tuple[Proposal | None, int]:
        before = _evaluated(assistant.totals)
        name = edits[0].document
        source = next(source for source in sources if source.name == name)
        lines = split_lines(source.text, keep_ends=True)
        first = max(0, len(split_lines(source.text[: edits[0].start])) - WINDOW_LINES // 2)
        window = "".join(lines[first : first + WINDOW_LINES])
        shown = show_edits([(edit.old, edit.new) for edit in reversed(edits[:_EDITS])])
        answer = assistant.run(RewriteWindow(shown, window))
        text = "".join([*lines[:first], answer.strip("\n") + "\n", *lines[first + WINDOW_LINES :]])
        is_silent = not answer.strip() or answer.split() == window.split()
        return None if is_silent else Proposal(name, text), _evaluated(assistant.totals) - before

    return find


@dataclass(frozen=True)
class RewriteWindow(Job[str]):
    """Rewrite a part of a document as it is after the next edit.

    Attributes:
        edits: The newest edits as a diff.
        window: The part of the document.
    """

    edits: str
    window: str

    async def run(self, context: FeatureContext) -> str:
        """The rewritten part."""
        question = (
            f"These edits were just made:\n\n{fenced(self.edits, 'diff')}\n\nRewrite this code with the next edit "
            f"that follows from them. If nothing is left to do, repeat it unchanged.\n\n{fenced(self.window)}"
        )
        n_tokens = context.count_tokens(self.window)
        request = build_chat_request(question, context, code=True, max_tokens=n_tokens + n_tokens // 2 + 64)
        return extract_code((await context.generate(request)).text)


def _evaluated(counters: Counters) -> int:
    return counters.evaluated_tokens + counters.drafted_tokens + counters.decoded_tokens
