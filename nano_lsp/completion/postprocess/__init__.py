"""Postprocessing of completions: where a generation ends, and which part of its text is shown.

Small models run on: past the suffix, past the block, in circles, into prose. Each step looks for one such flaw and
may only cut the text, close the blocks that are open there, or ask for other tokens. Those of `truncation`, `scope`,
`statement` and `syntax_guard` can end the generation early, the last at a bracket too many; all of them check the
finished text, in the order of `STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nano_lsp.code.cursor_context import CursorContext
from nano_lsp.completion.postprocess.candidate import Candidate, Step
from nano_lsp.completion.postprocess.filters import (
    drop_duplicates,
    drop_repeated_closers,
    reject_stubs,
    reject_undefined_names,
)
from nano_lsp.completion.postprocess.scope import stop_at_scope_end
from nano_lsp.completion.postprocess.statement import (
    stop_after_statement,
    stop_at_improbable_line,
    stop_before_documentation,
)
from nano_lsp.completion.postprocess.syntax_guard import SyntaxGuard
from nano_lsp.completion.postprocess.truncation import (
    limit_lines,
    stop_at_improbable_token,
    stop_at_markup,
    stop_at_suffix,
    stop_repetition,
)
from nano_lsp.schema import Completion, Token, Verdict

MIN_TOKEN_PROBABILITY = 0.3
"""The default `min_token_probability` of automatic suggestions: on 300 cursor points it removes 40 % of the
characters shown and 39 % of the tokens generated, for 3 % of the characters saved (docs/quality.md)."""


@dataclass(frozen=True)
class PostprocessOptions:
    """Options of postprocessing.

    Attributes:
        disabled_steps: Names of steps to leave out (see `STEPS`).
        automatic: The suggestion was not requested explicitly: one statement, or the block around the cursor.
        min_token_probability: Probability below which a token ends the suggestion; 0 for no limit. The whole text
            needs it to go on in another line, and that of three such tokens within a line.
        max_lines: Maximum number of lines; 0 for no limit.
    """

    disabled_steps: frozenset[str] = frozenset()
    automatic: bool = False
    min_token_probability: float = 0.0
    max_lines: int = 0


STEPS: tuple[tuple[str, Callable[[PostprocessOptions, SyntaxGuard], Step]], ...] = (
    ("markup", lambda _options, _guard: stop_at_markup),
    ("suffix", lambda _options, _guard: stop_at_suffix),
    ("scope", lambda options, guard: partial(stop_at_scope_end, guard=guard, automatic=options.automatic)),
    ("repetition", lambda _options, _guard: stop_repetition),
    ("line", lambda options, guard: partial(stop_after_statement, guard=guard, automatic=options.automatic)),
    ("documentation", lambda options, _: partial(stop_before_documentation, automatic=options.automatic)),
    ("lines", lambda options, _: partial(limit_lines, max_lines=options.max_lines)),
    (
        "confidence",
        lambda options, _: partial(stop_at_improbable_token, min_token_probability=options.min_token_probability),
    ),
    (
        "likelihood",
        lambda options, guard: partial(
            stop_at_improbable_line, guard=guard, min_probability=options.min_token_probability
        ),
    ),
    ("syntax", lambda _, guard: guard),
    ("closers", lambda _, guard: partial(drop_repeated_closers, guard=guard)),
    ("duplicates", lambda _options, _guard: drop_duplicates),
    ("stubs", lambda _options, _guard: reject_stubs),
    ("names", lambda _options, _guard: reject_undefined_names),
)
"""The steps by name, in the order they run."""


class Postprocessor:
    """Applies the steps to the candidates of one request."""

    def __init__(self, cursor: CursorContext, options: PostprocessOptions) -> None:
        self.cursor = cursor
        guard = SyntaxGuard(cursor)
        self._steps = [make(options, guard) for name, make in STEPS if name not in options.disabled_steps]
        self._n_passed = 0  # characters of the text that no step has objected to
        self._first: Candidate | None = None  # the candidate before resampling

    def hook(self, text: str, tokens: Sequence[Token], ended: bool) -> Verdict | None:
        """Whether to end or to roll back, after each token; see `nano_lsp.schema.Hook`."""
        candidate = Candidate(text, tokens, self.cursor)
        truncation = next((found for step in self._steps if (found := step(candidate))), None)
        if truncation is None and not ended:
            self._n_passed = len(text[: text.rfind("\n") + 1].rstrip())
            return None
        if self._first is None:
            resample_from = truncation.resample_from if truncation else None
            if resample_from is None:
                resample_from = self._apply(candidate)[1]
            n_kept = len(tokens) if resample_from is None else candidate.n_tokens_within(resample_from)
            if n_kept < len(tokens):
                self._first = candidate
                self._n_passed = min(self._n_passed, candidate.trim(resample_from or 0))
                return Verdict(roll_back=len(tokens) - n_kept)
        return Verdict(stop=True)

    def stable_prefix(self, text: str) -> str:
        """The part of a growing text that can be shown: its first line, and the lines that the steps accepted."""
        first_line = text.find("\n") if "\n" in text else len(text)
        return text[: max(first_line, self._n_passed)]

    def finish(self, completion: Completion) -> Completion:
        """The completion with the text to show; empty where no candidate is worth showing."""
        generated = Candidate(completion.text, completion.tokens, self.cursor)
        candidates = [generated, *([self._first] if self._first else [])]
        results = [self._apply(candidate) for candidate in candidates]
        # The first without a flaw, the resampled one before the original; where both have one, the original.
        flawless = (
            candidate for candidate, resample_from in results if resample_from is None and candidate.text.strip()
        )
        best = next(flawless, results[-1][0])
        best = best.cut(best.trim(len(best.text)) if best.text.strip() else 0)
        return replace(completion, text=best.text, tokens=tuple(best.tokens))

    def _apply(self, candidate: Candidate) -> tuple[Candidate, int | None]:
        """The finished candidate after all steps, and the first `resample_from` among them; None for none."""
        candidate = replace(candidate, finished=True)
        resample_from: int | None = None
        for step in self._steps:
            truncation = step(candidate)
            if truncation is not None:
                candidate = candidate.cut(truncation.end, truncation.closing)
                resample_from = truncation.resample_from if resample_from is None else resample_from
        return candidate, resample_from
