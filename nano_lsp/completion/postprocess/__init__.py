"""Decoding with postprocess: what becomes of the tokens that the model offers.

Small models run on: past the suffix, past the block, in circles, into prose. Each step looks for one such thing and
may only cut. Those that can tell early end the generation; all of them see the finished text, in `STEPS`' order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nano_lsp.code.cursor_context import CursorContext
from nano_lsp.completion.postprocess.candidate import Candidate, Step
from nano_lsp.completion.postprocess.closers import drop_closers
from nano_lsp.completion.postprocess.confidence import cut_unsure
from nano_lsp.completion.postprocess.duplicates import drop_duplicates
from nano_lsp.completion.postprocess.line_limit import end_line, limit_lines
from nano_lsp.completion.postprocess.markup import cut_markup
from nano_lsp.completion.postprocess.placeholders import refuse_stubs
from nano_lsp.completion.postprocess.repetition import stop_repetition
from nano_lsp.completion.postprocess.scope import stop_at_scope_end
from nano_lsp.completion.postprocess.suffix import stop_at_suffix
from nano_lsp.completion.postprocess.syntax_guard import SyntaxGuard
from nano_lsp.completion.postprocess.undefined_names import reject_undefined_names
from nano_lsp.schema import Token, Verdict

LEAST_TOKEN = 0.3
"""The `min_token_probability` of suggestions that nobody asked for: on 300 cursor points it takes away 40 % of the characters
shown and 39 % of the tokens generated, for 3 % of the characters saved (docs/quality.md)."""


@dataclass(frozen=True)
class PostprocessOptions:
    """How strict to be.

    Attributes:
        off: names of steps to leave out (see `STEPS`).
        automatic: nobody has asked: one statement, or the block that the cursor is in.
        min_token_probability: probability below which a token ends the suggestion; 0 for none.
        max_lines: that a suggestion may have; 0 for any number.
    """

    off: frozenset[str] = frozenset()
    automatic: bool = False
    min_token_probability: float = 0.0
    max_lines: int = 0


def _go_on(_draft: Candidate) -> None:
    """A step that has nothing to say."""


STEPS: tuple[tuple[str, Callable[[PostprocessOptions, SyntaxGuard], Step]], ...] = (
    ("markup", lambda _how, _guard: cut_markup),
    ("suffix", lambda _how, _guard: stop_at_suffix),
    ("scope", lambda how, _guard: partial(stop_at_scope_end, automatic=how.automatic)),
    ("repetition", lambda _how, _guard: stop_repetition),
    ("line", lambda how, _guard: end_line if how.automatic else _go_on),
    ("lines", lambda how, _guard: partial(limit_lines, most=how.max_lines)),
    ("confidence", lambda how, _: partial(cut_unsure, min_token_probability=how.min_token_probability)),
    ("syntax", lambda _how, guard: guard),
    ("closers", lambda _how, guard: partial(drop_closers, guard=guard)),
    ("duplicates", lambda _how, _guard: drop_duplicates),
    ("stubs", lambda _how, _guard: refuse_stubs),
    ("names", lambda _how, _guard: reject_undefined_names),
)
"""Every step by its name, in the order they run."""


class Postprocessor:
    """Judges the drafts of one request."""

    def __init__(self, cursor: CursorContext, how: PostprocessOptions) -> None:
        self._site = cursor
        guard = SyntaxGuard(cursor)
        self._steps = [(name, make(how, guard)) for name, make in STEPS if name not in how.off]
        self._passed = 0  # offset in the text up to which the steps have nothing against it
        self._first: Candidate | None = None  # the suggestion that was tried once more

    def hook(self, text: str, tokens: Sequence[Token], ended: bool) -> Verdict | None:
        """Whether to end or to roll back, after each token; see `nano_lsp.schema.Hook`."""
        candidate = Candidate(text, tokens, self._site)
        live = next((cut for _, step in self._steps if (cut := step(candidate))), None)
        if live is None and not ended:
            self._passed = len(text[: text.rfind("\n") + 1].rstrip())
            return None
        if self._first is None:
            resample_from = (
                live.resample_from if live and live.resample_from is not None else self._apply(candidate)[1]
            )
            n_kept = len(tokens) if resample_from is None else candidate.n_tokens_within(resample_from)
            if n_kept < len(tokens):
                self._first = candidate
                self._passed = min(self._passed, candidate.trim(resample_from or 0))
                return Verdict(roll_back=len(tokens) - n_kept)
        return Verdict(stop=True)

    def stable_prefix(self, text: str) -> str:
        """What can be shown of a text while it grows: its first line, and those that the steps have let pass."""
        first_line = text.find("\n") if "\n" in text else len(text)
        return text[: max(first_line, self._passed)]

    def finish(self, text: str, tokens: Sequence[Token]) -> Candidate:
        """The suggestion as it is shown; empty where there is none worth it."""
        drafts = [Candidate(text, tokens, self._site), *([self._first] if self._first else [])]
        results = [self._apply(candidate) for candidate in drafts]
        # The first without a flaw, the newer one before the older; of flawed ones the first try.
        sound = (
            candidate for candidate, resample_from in results if resample_from is None and candidate.text.strip()
        )
        best = next(sound, results[-1][0])
        return best.cut(best.trim(len(best.text)) if best.text.strip() else 0)

    def _apply(self, candidate: Candidate) -> tuple[Candidate, int | None]:
        """The finished candidate after all steps, and from where on the first of them would rather have another."""
        candidate = replace(candidate, finished=True)
        resample_from: int | None = None
        for _, step in self._steps:
            cut = step(candidate)
            if cut is not None:
                candidate = candidate.cut(cut.end)
                resample_from = cut.resample_from if resample_from is None else resample_from
        return candidate, resample_from
