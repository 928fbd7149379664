"""Sessions of editing, replayed from the histories of git repositories.

A commit with several small changes of code is a session: a person has made all but the last of them, in the order of
the files and lines, and the last one is to be found and made. After it, nothing is left to do.

The last change of a session can be known: its new words are in the lines around it or were added before, and an
earlier change has removed one of the words that it removes, and added one of those that it adds.
"""

from __future__ import annotations

import contextlib
import difflib
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nano_lsp.code.document import is_secret
from nano_lsp.code.languages import language_of
from nano_lsp.errors import EvaluationError
from nano_lsp.lines import split_lines

_MAX_COMMITS = 4000  # of a repository, the newest
_MIN_CHANGES, _MAX_CHANGES = 3, 12
_MAX_LINES = 6  # of a change, on each side
_MAX_FILES = 3
_MAX_CHARS = 200_000
_NEAR_LINES = 5
_WORD = re.compile(r"\w+")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Change:
    """Lines of a file that a commit replaces.

    Attributes:
        path: Path of the file in the repository.
        start: Number of the first line in the text before the session, from 0 on.
        old: The lines before, with their line breaks.
        new: The lines after.
    """

    path: str
    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def removed(self) -> Counter[str]:
        """The words that it removes, with their numbers."""
        return _words(self.old) - _words(self.new)

    @property
    def added(self) -> Counter[str]:
        """The words that it adds, with their numbers."""
        return _words(self.new) - _words(self.old)

    def repeats(self, other: Change) -> bool:
        """Whether another change has removed and added some of the same words."""
        pairs = (self.removed, other.removed), (self.added, other.added)
        return any(mine for mine, _ in pairs) and all(not mine or mine & others for mine, others in pairs)


@dataclass(frozen=True)
class EditSession:
    """The changes of a commit.

    Attributes:
        name: Repository and commit.
        texts: Texts of the files before the commit, by path.
        changes: The changes, in the order in which they are made.
    """

    name: str
    texts: dict[str, str]
    changes: tuple[Change, ...]

    @property
    def can_be_known(self) -> bool:
        """Whether the last change can be known from the others and the lines around it."""
        *others, last = self.changes
        lines = split_lines(self.texts[last.path])
        near = lines[max(0, last.start - _NEAR_LINES) : last.start + len(last.old) + _NEAR_LINES]
        known = {*_words(near)}.union(*(_words(change.new) for change in others))
        return last.added.keys() <= known and any(map(last.repeats, others))


def _words(lines: Sequence[str]) -> Counter[str]:
    return Counter(word for line in lines for word in _WORD.findall(line))


def sample_sessions(folder: Path, n: int, seed: int = 0, *, known: bool = True) -> list[EditSession]:
    """Sample sessions of the git repositories in a folder, the same for the same seed, as many of each as possible.

    Args:
        folder: Folder whose entries are repositories.
        n: Number of sessions.
        seed: Seed of the selection.
        known: Whether the last change must be one that can be known (`EditSession.can_be_known`).

    Raises:
        EvaluationError: There is no repository, or git cannot read one.
    """
    repositories = find_repositories(folder)
    if not repositories:
        raise EvaluationError(f"There are no git repositories in {folder}.", "Give a folder with clones in it.")
    source = random.Random(seed)  # noqa: S311 - repeatable, no secret
    streams = [repository_sessions(path, source.random(), known=known) for path in repositories]
    found: list[EditSession] = []
    while streams and len(found) < n:
        for stream in [*streams]:
            session = next(stream, None)
            if session is None:
                streams.remove(stream)
            elif len(found) < n:
                found.append(session)
    return found


def find_repositories(folder: Path) -> list[Path]:
    """The git repositories in a folder, in the order of their names."""
    return [path for path in sorted(folder.iterdir()) if is_repository(path)]


def is_repository(folder: Path) -> bool:
    """Whether a folder is a git repository, with or without a working tree."""
    return (folder / "HEAD").exists() or (folder / ".git").exists()


def newest_commit(repository: Path) -> str:
    """The hash of the commit that a repository has checked out.

    Raises:
        EvaluationError: Git cannot read the repository, or it has no commit.
    """
    return _git(repository, "rev-parse", "HEAD").decode().strip()


def repository_sessions(repository: Path, seed: float, *, known: bool = True) -> Iterator[EditSession]:
    """Yield the sessions of a git repository, in an order that the seed determines.

    Args:
        repository: The repository.
        seed: Seed of the order.
        known: Whether the last change must be one that can be known (`EditSession.can_be_known`).

    Raises:
        EvaluationError: Git cannot read the repository.
    """
    commits = [*_find_commits(repository)]
    random.Random(seed).shuffle(commits)  # noqa: S311 - repeatable, no secret
    for commit, paths in commits:
        session = _load_session(repository, commit, paths)
        if session and (not known or session.can_be_known):
            yield session


def _find_commits(repository: Path) -> Iterator[tuple[str, list[str]]]:
    """Commits that modify a few files of code, and these files."""
    options = ("--no-merges", "--no-renames", "--diff-filter=M", "--name-only", "-z", "--format=%x01%H%x02")
    for entry in _git(repository, "log", f"-{_MAX_COMMITS}", *options).decode("utf-8", "replace").split("\1")[1:]:
        commit, _, listing = entry.partition("\2")
        paths = [path for path in listing.strip("\0\n").split("\0") if _is_code(path)]
        if 1 <= len(paths) <= _MAX_FILES:
            yield commit, sorted(paths)


def _load_session(repository: Path, commit: str, paths: Sequence[str]) -> EditSession | None:
    """The session of a commit; None if its changes are too few, too many or too large."""
    blobs = _load(repository, [f"{revision}:{path}" for path in paths for revision in (f"{commit}^", commit)])
    if len(blobs) != 2 * len(paths) or any(len(text) > _MAX_CHARS or "\r" in text for text in blobs):
        return None
    before, after = dict(zip(paths, blobs[::2], strict=True)), dict(zip(paths, blobs[1::2], strict=True))
    changes = tuple(change for path in paths for change in _changes(path, before[path], after[path]))
    sizes = [max(len(change.old), len(change.new)) for change in changes]
    if not _MIN_CHANGES <= len(changes) <= _MAX_CHANGES or max(sizes) > _MAX_LINES:
        return None
    return EditSession(f"{repository.name}@{commit[:12]}", before, changes)


def _load(repository: Path, names: Sequence[str]) -> list[str]:
    """The texts of files in commits, without those that do not exist or are not UTF-8."""
    output, texts = _git(repository, "cat-file", "--batch", text="\n".join(names)), []
    while output:
        header, _, output = output.partition(b"\n")
        if header.endswith(b"missing"):
            continue
        size = int(header.rsplit(b" ", 1)[1])
        with contextlib.suppress(UnicodeDecodeError):
            texts.append(output[:size].decode())
        output = output[size + 1 :]
    return texts


def _is_code(path: str) -> bool:
    return bool(language_of(path).grammar_module) and not is_secret(path)


def _changes(path: str, before: str, after: str) -> Iterator[Change]:
    old, new = split_lines(before, keep_ends=True), split_lines(after, keep_ends=True)
    for tag, i, i_end, j, j_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal" and _BLANKS.sub("", "".join(old[i:i_end])) != _BLANKS.sub("", "".join(new[j:j_end])):
            yield Change(path, i, tuple(old[i:i_end]), tuple(new[j:j_end]))


def _git(repository: Path, *arguments: str, text: str = "") -> bytes:
    """The output of git, with a text as its input.

    The settings of a repository could name programs that git is to start, and a partial clone fetches what it lacks.
    """
    settings = ("safe.directory=*", "core.fsmonitor=false", "log.showSignature=false", "protocol.allow=never")
    command = ["git", "-C", str(repository), *(part for each in settings for part in ("-c", each)), *arguments]
    try:
        return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise EvaluationError(f"git cannot read {repository}: {error}.", "Install git; give whole clones.") from error
