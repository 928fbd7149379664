"""Code to train on: a workspace folder, or installed packages whose licenses are permissive."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path, PurePath
from random import Random

from pathspec import GitIgnoreSpec

from nano_lsp.code.document import is_secret, load_document
from nano_lsp.code.handwritten import BUNDLED_FOLDERS, looks_like_data, looks_minified
from nano_lsp.code.languages import LANGUAGES, PYTHON
from nano_lsp.code.workspace import Workspace, find_files, pattern_error
from nano_lsp.errors import DocumentError, ForgeError
from nano_lsp.forge.cases import CodeCases
from nano_lsp.forge.recipe import Code
from nano_lsp.forge.source import Document, Source, encodable, held_out, seed_of

_LINES = (10, 5000)  # fewer teach nothing, more are seldom written by hand
_GIT_S = 60
_PERMISSIVE = {
    *("MIT", "MIT-0", "MIT-CMU", "BSD", "0BSD", "BSD-2-CLAUSE", "BSD-3-CLAUSE", "APACHE-2.0", "ISC", "PSF-2.0"),
    *("PYTHON-2.0", "UNLICENSE", "ZLIB", "CC0-1.0", "BSL-1.0", "HPND"),
}
_NAMES = {
    # Classifiers and usual spellings of the license field, in lower case without "license" and punctuation.
    "apache": "APACHE-2.0",
    "apache 20": "APACHE-2.0",
    "apache software": "APACHE-2.0",
    "apache version 20": "APACHE-2.0",
    "bsd 2clause": "BSD-2-CLAUSE",
    "bsd 3clause": "BSD-3-CLAUSE",
    "3clause bsd": "BSD-3-CLAUSE",
    "new bsd": "BSD-3-CLAUSE",
    "modified bsd": "BSD-3-CLAUSE",
    "simplified bsd": "BSD-2-CLAUSE",
    "isc iscl": "ISC",
    "mit no attribution mit0": "MIT-0",
    "python software foundation": "PSF-2.0",
    "psf": "PSF-2.0",
    "the unlicense unlicense": "UNLICENSE",
    "zliblibpng": "ZLIB",
    "boost software 10 bsl10": "BSL-1.0",
    "historical permission notice and disclaimer hpnd": "HPND",
    "cc0 10 universal cc0 10 public domain dedication": "CC0-1.0",
}
_NO_LICENSE = ("", "UNKNOWN", "OSI Approved", "DFSG approved")
_MAX_NAME_CHARS = 60
_CONNECTIVE = re.compile(r"\s+(?:and|or)\s+|[()]", re.IGNORECASE)


@dataclass(frozen=True)
class _Package:
    """An installed package with a permissive license.

    Attributes:
        name: Name of the distribution.
        version: Its version.
        license: Its license, as its metadata names it.
        files: Its source files: the path in the environment and where the file is.
    """

    name: str
    version: str
    license: str
    files: tuple[tuple[PurePath, Path], ...]


@dataclass(frozen=True)
class CodePlan:
    """How code becomes cases.

    Attributes:
        code: What the recipe says on code.
        heldout: Share of packages or files that is held out.
        seed: Seed of the order, the places and the split.
        make_cases: Makes cases, from the index of a workspace.
    """

    code: Code
    heldout: float
    seed: int
    make_cases: Callable[[Workspace], CodeCases]


def permissive_license(fields: metadata.PackageMetadata) -> str:
    """The license that a package's metadata names, if all parts of it are permissive; else an empty text.

    Of `MIT OR GPL-2.0`, too, all parts have to be: a choice is not made for the user.
    """
    stated, expression = (" ".join(fields.get_all(name, [])).strip() for name in ("License", "License-Expression"))
    names = [expression]
    classifiers = []
    if not expression:
        marked = [each for each in fields.get_all("Classifier", []) if each.startswith("License ::")]
        classifiers = [name for each in marked if (name := each.rsplit(" :: ", 1)[-1]) not in _NO_LICENSE]
        if "GPL" in stated.upper():
            return ""
        is_name = stated not in _NO_LICENSE and len(stated) <= _MAX_NAME_CHARS  # else it is a whole license
        names = [stated] if is_name or not classifiers else []
    parts = [part.strip() for name in names for part in _CONNECTIVE.split(name) if part.strip()]
    permissive = (parts or classifiers) and all(map(_spdx, [*classifiers, *parts]))
    return " AND ".join(dict.fromkeys([*classifiers, *names])) if permissive else ""


def _spdx(name: str) -> str:
    """The SPDX id of a permissive license by its usual name, in upper case; empty for others."""
    if name.upper() in _PERMISSIVE:
        return name.upper()
    plain = " ".join(re.sub(r"\blicen[sc]e\b", "", re.sub(r"[^\w\s]", "", name.lower())).split())
    return _NAMES.get(plain) or (plain.upper() if plain.upper() in _PERMISSIVE else "")


@dataclass(frozen=True)
class Survey:
    """The source files of a workspace.

    Attributes:
        root: The folder, with links resolved.
        files: The files that git tracks; without git, those that it does not ignore.
        digest: SHA-256 of their names and texts.
        usable: Numbers of lines that are not blank and of characters of those that cases are made of, by path in the
            folder.
        left_out: Number of the others, by reason.
    """

    root: Path
    files: tuple[Path, ...]
    digest: str
    usable: Mapping[str, tuple[int, int]]
    left_out: Mapping[str, int]

    def held_out(self, share: float, seed: int) -> frozenset[str]:
        """Paths in the folder of the files that are held out."""
        return held_out((path.relative_to(self.root).as_posix() for path in self.files), share, seed)


def survey_workspace(folder: Path, code: Code, exclude: Sequence[str] = ()) -> Survey:
    """Look at the files of a folder that git tracks; without git, those that it does not ignore.

    Args:
        folder: Workspace folder.
        code: What the recipe says on code.
        exclude: Patterns, written as in .gitignore, of files that are left out.

    Raises:
        ForgeError: There is no such folder, it has too little code, a pattern is not valid, or git does not say which
            files it tracks.
    """
    if not folder.is_dir():
        raise ForgeError(f"{folder} is not a folder.", "Give the folder of a workspace.")
    root = folder.resolve()
    tracked = _tracked_files(root)
    excluded = _read_patterns(exclude)
    files = [
        path
        for path in find_files(root, _suffixes(code))
        if (tracked is None or path in tracked) and not excluded.match_file(path.relative_to(root).as_posix())
    ]
    digest = hashlib.sha256()
    usable: dict[str, tuple[int, int]] = {}
    left_out: Counter[str] = Counter()
    for path in files:
        name = path.relative_to(root).as_posix()
        text, reason = _read(path)
        digest.update(f"{name}\0{text}\0".encode("utf-8", "replace"))
        if reason:
            left_out[reason] += 1
        else:
            usable[name] = (sum(bool(line.strip()) for line in text.split("\n")), len(text))
    if len(usable) < code.min_files:
        why = f" The others are left out: {', '.join(sorted(left_out))}." if left_out else ""
        raise ForgeError(
            f"{folder} has {len(usable)} usable source files, and {code.min_files} are needed.{why}",
            "Give a larger workspace; files have to be tracked by git.",
        )
    return Survey(root, tuple(files), digest.hexdigest(), usable, left_out)


def workspace_source(survey: Survey, plan: CodePlan) -> Source:
    """The files of a workspace.

    Args:
        survey: The files.
        plan: How code becomes cases.
    """
    out = survey.held_out(plan.heldout, plan.seed)
    read = partial(_documents, survey.root, survey.files, out.__contains__, plan)
    return Source(
        encodable(survey.root.name), f"sha256:{survey.digest}", "", read, plan.code.cases_per_source or None
    )


def package_sources(wanted: Sequence[str], plan: CodePlan) -> tuple[list[Source], dict[str, int]]:
    """Installed packages with permissive licenses, in an order that the seed determines.

    Args:
        wanted: Names of packages, and folders of other environments' packages (`site-packages`); empty for all
            packages of this Python.
        plan: How code becomes cases.

    Returns:
        The packages, and how many were left out, by reason.

    Raises:
        ForgeError: Fewer than two packages have a permissive license and code.
    """
    names = {_normalized(each) for each in wanted if not Path(each).is_dir()}
    folders = [each for each in wanted if Path(each).is_dir()]
    installed = metadata.distributions(path=folders) if folders else metadata.distributions()
    found: dict[str, _Package] = {}
    left_out: dict[str, int] = {}
    for distribution in installed:
        name = _normalized(distribution.metadata["Name"] or "")
        if not name or name in found or (names and name not in names):
            continue
        license_name = permissive_license(distribution.metadata)
        files = tuple(_package_files(distribution, _suffixes(plan.code)))
        reason = (
            "package without code" if not files else "" if license_name else "package without a permissive license"
        )
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            found[name] = _Package(name, distribution.version, license_name, files)
    if missing := sorted(names - found.keys()):
        raise ForgeError(
            f"These packages are not installed, have no code, or no permissive license: {', '.join(missing)}.",
            "Leave them out, or install them. Licenses are read from the packages' metadata.",
        )
    if len(found) < 2:
        raise ForgeError(
            f"{len(found)} installed packages have code and a permissive license, and two are needed.",
            "Name more packages, or the site-packages folder of an environment that has some.",
        )
    packages = [found[name] for name in sorted(found)]
    out = held_out(found, plan.heldout, plan.seed)
    Random(plan.seed).shuffle(packages)  # noqa: S311 - reproducible, not for security
    return [
        Source(
            package.name,
            package.version,
            package.license,
            partial(_package_documents, package, package.name in out, plan),
            plan.code.cases_per_source or None,
        )
        for package in packages
    ], left_out


def _package_files(distribution: metadata.Distribution, suffixes: Iterable[str]) -> Iterator[tuple[PurePath, Path]]:
    """Source files of a package, without bundled code of others."""
    for path in sorted(distribution.files or ()):
        is_own = not path.is_absolute() and not {"..", *BUNDLED_FOLDERS}.intersection(path.parts)
        if is_own and path.suffix in suffixes and not is_secret(path.name):
            yield path, Path(str(path.locate()))


def _package_documents(package: _Package, heldout: bool, plan: CodePlan, skip: int) -> Iterator[Document]:
    """The files of a package, copied into a workspace of its own: imports are looked up in that package alone."""
    with tempfile.TemporaryDirectory(prefix="nano-lsp-forge-") as folder:
        root = Path(folder).resolve()
        files = []
        for name, source in package.files:
            if source.is_file():
                target = root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                files.append(target)
        yield from _documents(root, files, lambda _name: heldout, plan, skip)


def _documents(
    root: Path, files: Sequence[Path], is_held_out: Callable[[str], bool], plan: CodePlan, skip: int
) -> Iterator[Document]:
    """The files of a workspace, in an order that the seed determines."""
    with tempfile.TemporaryDirectory(prefix="nano-lsp-forge-") as store:
        workspace = Workspace(root, Path(store))
        try:
            workspace.update(path for path in files if path.suffix in PYTHON.suffixes)  # no signatures of others
            cases = plan.make_cases(workspace)
            shuffled = sorted(files)
            Random(plan.seed).shuffle(shuffled)  # noqa: S311 - reproducible, not for security
            for path in shuffled[skip:]:
                name = path.relative_to(root).as_posix()
                text, reason = _read(path)
                source, heldout = Random(seed_of(plan.seed, name)), is_held_out(name)  # noqa: S311
                build = partial(cases.build, path, text, plan.code, source, heldout=heldout)
                yield Document(encodable(name), text, heldout, build, reason)
        finally:
            workspace.close()


def _read(path: Path) -> tuple[str, str]:
    """The text of a file, and why it is left out; empty if it is not."""
    try:
        text = load_document(path).text
        text.encode()  # some encodings that Python files declare have lone surrogates
    except (DocumentError, UnicodeEncodeError):
        return "", "file that cannot be read as source code"
    lines = text.split("\n")
    if "\r" in text:
        return text, "file with carriage returns"
    if looks_minified(text):
        return text, "minified or generated file"
    if looks_like_data(text):
        return text, "file of data"
    if not _LINES[0] <= len(lines) <= _LINES[1]:
        return text, f"file with under {_LINES[0]} or over {_LINES[1]:,} lines"
    return text, ""


def _suffixes(code: Code) -> frozenset[str]:
    return frozenset(suffix for each in LANGUAGES if each.name in code.languages for suffix in each.suffixes)


def _read_patterns(patterns: Sequence[str]) -> GitIgnoreSpec:
    """Patterns of files that are left out.

    Raises:
        ForgeError: One is not valid.
    """
    for pattern in patterns:
        if reason := pattern_error(pattern):
            raise ForgeError(
                f"The pattern {pattern!r} of files to leave out is not valid: {reason}.",
                "Write it as in .gitignore.",
            )
    return GitIgnoreSpec.from_lines(patterns)


def _tracked_files(root: Path) -> frozenset[Path] | None:
    """The files that git tracks; None if the folder is in no repository.

    Raises:
        ForgeError: It is in a repository, and git cannot be started or fails: others must not be trained on.
    """
    # The setting of a repository could name a program that git is to start.
    command = ["git", "-C", str(root), "-c", "core.fsmonitor=false", "ls-files", "-z"]
    in_repository = any((each / ".git").exists() for each in (root, *root.parents))
    try:
        listed = subprocess.run(  # noqa: S603 - no shell
            command, capture_output=True, check=False, timeout=_GIT_S, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError as error:
        reason = f"git cannot be started ({error.strerror})"
    except subprocess.TimeoutExpired:
        reason = f"git has not answered within {_GIT_S} s"
    else:
        if not listed.returncode:
            names = listed.stdout.decode("utf-8", "surrogateescape").split("\0")
            return frozenset(root / name for name in names if name)
        reason = " ".join(listed.stderr.decode("utf-8", "replace").split()).rstrip(".")
        in_repository = "not a git repository" not in reason
    if in_repository:
        raise ForgeError(
            f"{root} is in a git repository, and which files it tracks is not known: {reason}.",
            "Install git, or do what it says: without it, files that are not tracked would be trained on.",
        )
    return None


def _normalized(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
