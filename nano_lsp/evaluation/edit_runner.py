"""Replays sessions of editing: before the last change an edit is to be shown, and after it none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from statistics import median

from nano_lsp.code.syntax_tree import breaks_parse
from nano_lsp.errors import EvaluationError
from nano_lsp.evaluation.edit_sessions import EditSession
from nano_lsp.lines import split_at_newlines, split_lines
from nano_lsp.next_edit.history import Edit, EditHistory, find_edit
from nano_lsp.next_edit.renames import Source

_CHANGE_S = 60.0  # between two changes of a session


@dataclass(frozen=True)
class Proposal:
    """A method's next edit.

    Attributes:
        document: Name of the document.
        text: Its whole text with the edit.
        shown: Whether the user sees it.
        log_odds: How likely it is, where the method says so.
    """

    document: str
    text: str
    shown: bool = True
    log_odds: float | None = None


Method = Callable[[Sequence[Edit], Sequence[Source]], "tuple[Proposal | None, int]"]
"""A method under evaluation: its edit for the newest edits and the documents, and the tokens that were evaluated."""


@dataclass(frozen=True)
class EditOutcome:
    """What was shown in one case of a session.

    Attributes:
        name: Name of the session.
        silent: Whether nothing was to be shown.
        shown: Whether an edit was shown.
        found: It changes lines that were to be changed.
        exact: The document is what the commit has made of it.
        similarity: How much the changed lines are those of the commit, 0 to 1; 0 if others are changed.
        reversal: It takes back an edit of the session.
        broken: It adds syntax errors.
        seconds: Time from the last key, without the pause that is waited for.
        evaluated_tokens: Number of tokens that the model has evaluated.
        log_odds: How likely the best edit is, shown or not.
    """

    name: str
    silent: bool
    shown: bool = False
    found: bool = False
    exact: bool = False
    similarity: float = 0.0
    reversal: bool = False
    broken: bool = False
    seconds: float = 0.0
    evaluated_tokens: int = 0
    log_odds: float | None = None


@dataclass(frozen=True)
class EditSummary:
    """Figures of a run; shares in per cent.

    Attributes:
        sessions: Number of sessions.
        silent: Share of the cases without an edit that were silent.
        shown: Share of the cases with an edit where one was shown.
        found: Share of the edits shown there that change the right lines.
        exact: Share of the edits shown there that are exact.
        similarity: Mean similarity of the edits shown there.
        reversals: Number of edits shown that take back another one, in all cases.
        broken: Number of edits shown that add syntax errors, in all cases.
        seconds: Median time of the edits shown.
        evaluated_tokens: Median number of tokens evaluated for the edits shown.
        max_evaluated_tokens: Maximum number of tokens evaluated in a case.
    """

    sessions: int
    silent: float
    shown: float
    found: float
    exact: float
    similarity: float
    reversals: int
    broken: int
    seconds: float
    evaluated_tokens: float
    max_evaluated_tokens: int


def replay(session: EditSession, n_changes: int) -> tuple[Sequence[Edit], dict[str, str]]:
    """The edits of a session after its first changes, the newest first, and the texts then."""
    texts, moved = dict(session.texts), dict.fromkeys(session.texts, 0)
    now_s = 0.0
    history = EditHistory(lambda: now_s)
    for change in session.changes[:n_changes]:
        now_s += _CHANGE_S
        lines = split_lines(texts[change.path], keep_ends=True)
        start = change.start + moved[change.path]
        lines[start : start + len(change.old)] = change.new
        moved[change.path] += len(change.new) - len(change.old)
        before, texts[change.path] = texts[change.path], "".join(lines)
        history.record(change.path, before, texts[change.path])
    return history.edits(), texts


def run_case(session: EditSession, method: Method, *, silent: bool) -> EditOutcome:
    """Ask for the next edit after all changes of a session (`silent`), or after all but the last one."""
    edits, texts = replay(session, len(session.changes) - (not silent))
    started = time.perf_counter()
    found, n_tokens = method(edits, [Source(name, text) for name, text in texts.items()]) if edits else (None, 0)
    seconds = time.perf_counter() - started
    outcome = EditOutcome(session.name, silent, seconds=seconds, evaluated_tokens=n_tokens)
    if found is None:
        return outcome
    before = texts[found.document]
    edit = find_edit(found.document, before, found.text)
    reversal = any((edit.old, edit.new) == (other.new, other.old) for other in edits)
    tree = Source(found.document, before).tree
    after = tree.edited(found.text) if tree else None
    outcome = replace(
        outcome,
        shown=found.shown,
        reversal=reversal,
        broken=bool(tree and after and breaks_parse(tree, after)),
        log_odds=found.log_odds,
    )
    target = session.changes[-1]
    if silent or found.document != target.path:
        return outcome
    _, final = replay(session, len(session.changes))
    wanted = find_edit(found.document, before, final[found.document])
    is_there = edit.start <= wanted.start + len(wanted.old) and wanted.start <= edit.start + len(edit.old)
    same = SequenceMatcher(None, edit.new, wanted.new, autojunk=False).ratio() if is_there else 0.0
    return replace(outcome, found=is_there, exact=found.text == final[found.document], similarity=same)


def run_sessions(sessions: Sequence[EditSession], method: Method, results: Path) -> Iterator[EditOutcome]:
    """Run both cases of each session, except for those that the results already contain.

    Args:
        sessions: The sessions.
        method: The method under evaluation.
        results: JSON lines file of the outcomes, which is continued.

    Yields:
        The outcomes, two of each session.

    Raises:
        EvaluationError: The file cannot be read or written.
    """
    try:
        results.parent.mkdir(parents=True, exist_ok=True)
        lines = split_at_newlines(results.read_text(encoding="utf-8")) if results.exists() else []
        known = {(one.name, one.silent): one for one in (EditOutcome(**json.loads(line)) for line in lines)}
        with results.open("a", encoding="utf-8") as stream:
            for session in sessions:
                for silent in (False, True):
                    outcome = known.get((session.name, silent))
                    if outcome is None:
                        outcome = run_case(session, method, silent=silent)
                        print(json.dumps(asdict(outcome)), file=stream, flush=True)
                    yield outcome
    except (OSError, ValueError, TypeError) as error:
        raise EvaluationError(f"{results} cannot be continued: {error}.", "Give another --results FILE.") from error


def summarize_edits(outcomes: Sequence[EditOutcome]) -> EditSummary:
    """The figures of a run."""
    silent = [outcome for outcome in outcomes if outcome.silent]
    others = [outcome for outcome in outcomes if not outcome.silent]
    shown = [outcome for outcome in others if outcome.shown]
    all_shown = [outcome for outcome in outcomes if outcome.shown]
    return EditSummary(
        sessions=len(others),
        silent=_share(sum(not outcome.shown for outcome in silent), len(silent)),
        shown=_share(len(shown), len(others)),
        found=_share(sum(outcome.found for outcome in shown), len(shown)),
        exact=_share(sum(outcome.exact for outcome in shown), len(shown)),
        similarity=sum(outcome.similarity for outcome in shown) / max(1, len(shown)),
        reversals=sum(outcome.reversal for outcome in all_shown),
        broken=sum(outcome.broken for outcome in all_shown),
        seconds=median([outcome.seconds for outcome in all_shown] or [0.0]),
        evaluated_tokens=median([outcome.evaluated_tokens for outcome in all_shown] or [0]),
        max_evaluated_tokens=max((outcome.evaluated_tokens for outcome in outcomes), default=0),
    )


def _share(n: int, total: int) -> float:
    return 100 * n / total if total else 0.0
