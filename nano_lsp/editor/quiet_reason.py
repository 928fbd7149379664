"""The reasons why a document gets no suggestions, with their remedies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from nano_lsp.code.document import MAX_BYTES, is_secret, leads_to_secret
from nano_lsp.code.uris import path_of, path_within
from nano_lsp.settings import EditorSettings

if TYPE_CHECKING:  # imported later: servers respond before the assistant is imported
    from nano_lsp.editor.ghost_text import Suggestion


HIDDEN = "confidence"
"""The reason for a document whose newest suggestion is hidden; later ones may be shown."""


@dataclass(frozen=True)
class Quiet:
    """Why a document gets no suggestions.

    Attributes:
        reason: One of `paused`, `disabled`, `secret`, `language`, `large`, `excluded`, `out-of-sync` and
            `confidence`.
        message: Sentence shown to the user.
        remedy: What the user can do about it; empty for nothing.
    """

    reason: str
    message: str
    remedy: str = ""


PAUSED = Quiet("paused", "Suggestions are paused.", "Resume them: nano.resume.")


def quiet_reason(  # noqa: PLR0911 - one return per reason
    settings: EditorSettings, root: Path | None, document: str, language: str, size: int, *, paused: bool
) -> Quiet | None:
    """Why a document of this size in characters gets no suggestions; None if it gets them."""
    path = Path(path_of(document))
    if paused:
        return PAUSED
    if not settings.enabled:
        return Quiet("disabled", "Suggestions are switched off: nano.enabled is false.", "Set nano.enabled to true.")
    if is_secret(document) or leads_to_secret(path):
        return Quiet("secret", f"Files like {path.name} usually hold secrets, so they get no suggestions.")
    if not settings.languages.get(language, True):
        message = f"Suggestions in {language} are switched off in nano.languages."
        return Quiet("language", message, f"Set {language} to true in nano.languages.")
    if size > MAX_BYTES:
        return Quiet("large", f"{path.name} is larger than {MAX_BYTES >> 20} MB, so it gets no suggestions.")
    if pattern := _excluding_pattern(settings.exclude, root, path):
        message = f"{path.name} gets no suggestions: nano.exclude has the pattern {pattern}."
        return Quiet("excluded", message, "Change nano.exclude.")
    return None


def out_of_sync(document: str) -> Quiet:
    """Why a document gets no suggestions whose text is not known to be the editor's."""
    message = f"{Path(path_of(document)).name} is out of sync: the editor has sent a change that cannot be read."
    return Quiet("out-of-sync", message, "Close it and open it again.")


def hidden_reason(suggestion: Suggestion) -> Quiet | None:
    """Why a suggestion is hidden; None if it is shown."""
    if not suggestion.hidden:
        return None
    if suggestion.learned:
        message = f"A suggestion is hidden: you rarely keep those with a confidence below {suggestion.threshold:.2f}."
        return Quiet(HIDDEN, message, "To see all, set nano.adaptiveThreshold to false.")
    message = f"A suggestion is hidden: its confidence is below nano.minMeanProbability, {suggestion.threshold:.2f}."
    return Quiet(HIDDEN, message, "To see more, set nano.minMeanProbability to a lower value.")


def _excluding_pattern(patterns: Sequence[str], root: Path | None, path: Path) -> str:
    """The pattern of `nano.exclude` that matches a document; empty for none."""
    name = ((path_within(root, path) if root else None) or path).as_posix()
    spec = GitIgnoreSpec.from_lines(patterns)
    found = spec.check_file(name)
    return str(spec.patterns[found.index].pattern) if found.include and found.index is not None else ""
