"""Why there is no suggestion, where a user can change that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from nano_lsp.code.document import MAX_BYTES, is_secret
from nano_lsp.code.uris import path_of
from nano_lsp.editor.settings import EditorSettings

if TYPE_CHECKING:  # not imported: an editor is answered before the assistant is
    from nano_lsp.editor.ghost_text import Suggestion


HIDDEN = "confidence"
"""The reason of a document whose newest suggestion was hidden; the next one may be shown."""


@dataclass(frozen=True)
class Quiet:
    """Why a document gets no suggestions.

    Attributes:
        reason: For programs: `paused`, `disabled`, `secret`, `language`, `large`, `excluded` or `confidence`.
        message: In a sentence, for people.
        remedy: What the user can do about it; empty for nothing.
    """

    reason: str
    message: str
    remedy: str = ""


PAUSED = Quiet("paused", "Suggestions are paused.", "Resume them: nano.resume.")


def quiet_reason(  # noqa: PLR0911 - a list of reasons
    settings: EditorSettings, root: Path | None, document: str, language: str, size: int, *, paused: bool
) -> Quiet | None:
    """Why a document gets no suggestions; None where it gets some.

    Args:
        settings: The settings of the document's folder.
        root: The folder of the workspace that it is in; None for none.
        document: The document's path or URI.
        language: The document's language.
        size: The length of its text in characters.
        paused: The user has paused suggestions.
    """
    path = Path(path_of(document))
    if paused:
        return PAUSED
    if not settings.enabled:
        return Quiet("disabled", "Suggestions are switched off: nano.enabled is false.", "Set nano.enabled to true.")
    if is_secret(document):
        return Quiet("secret", f"Files like {path.name} usually hold secrets, so they get no suggestions.")
    if not settings.languages.get(language, True):
        message = f"Suggestions in {language} are switched off: nano.languages says so."
        return Quiet("language", message, f"Set {language} to true in nano.languages.")
    if size > MAX_BYTES:
        return Quiet("large", f"{path.name} is larger than {MAX_BYTES >> 20} MB, so it gets no suggestions.")
    if pattern := _excluding_pattern(settings.exclude, root, path):
        message = f"{path.name} gets no suggestions: nano.exclude has the pattern {pattern}."
        return Quiet("excluded", message, "Change nano.exclude.")
    return None


def hidden_reason(suggestion: Suggestion) -> Quiet | None:
    """Why a suggestion is hidden; None where it is not."""
    if not suggestion.hidden:
        return None
    if suggestion.learned:
        message = f"A suggestion is hidden: you rarely keep those with a confidence below {suggestion.threshold:.2f}."
        return Quiet(HIDDEN, message, "To see all, set nano.calibrate to false.")
    message = f"A suggestion is hidden: its confidence is below nano.confidence, {suggestion.threshold:.2f}."
    return Quiet(HIDDEN, message, "To see more, set nano.confidence to a lower value.")


def _excluding_pattern(patterns: Sequence[str], root: Path | None, path: Path) -> str:
    """The pattern that excludes a document; empty for none."""
    name = (path.relative_to(root) if root else path).as_posix()
    spec = GitIgnoreSpec.from_lines(patterns)
    found = spec.check_file(name)
    return str(spec.patterns[found.index].pattern) if found.include and found.index is not None else ""
