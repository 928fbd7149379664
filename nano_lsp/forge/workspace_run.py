"""One run from the code of a workspace to its adapter: what it will do, and what an earlier run has left.

The stages are those of `forge data`, `forge train` and `forge eval`, each in a folder of its own, and then the
adapter is installed. Each of them goes on where it was ended, so a run that is started again goes through all: what
is finished takes no time.
"""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nano_lsp.errors import ForgeError
from nano_lsp.forge.adapter_evaluation import MIN_FILES
from nano_lsp.forge.cases import count_cases
from nano_lsp.forge.code_sources import Survey, survey_workspace
from nano_lsp.forge.dataset import CARD, begin_run, locked, read_run
from nano_lsp.forge.recipe import Code, Recipe
from nano_lsp.forge.training import ADAPTER, MAX_PASSES
from nano_lsp.forge.training_needs import Machine, machine_for, require_disk, require_libraries, training_seconds
from nano_lsp.models.gguf import read_header

STAGES = ("data", "training", "judging", "installing")
"""Names of the stages, in their order."""
MAX_PROBLEMS = 300
"""Maximum number of held-out cases that an adapter is judged on: as many as `nano-lsp eval` takes of a folder."""
_CHARS_PER_TOKEN = 3.5
_MAX_NAME_CHARS = 30  # of a workspace or a model in the name of an adapter: with four bytes each, a file can have it
_STARTS = (0.0, 0.05, 0.8, 0.99)  # shares of a run at which the stages begin, to show progress
_STAGE_LINE = re.compile(r"Stage ([1-9]) of \d: .*")
_COUNT = re.compile(r"([\d,]*\d) of ([\d,]*\d)")


@dataclass(frozen=True)
class Plan:
    """What a run is going to do, for the user.

    Attributes:
        found: The code, or the cases that have been made of it, in words.
        n_heldout: Number of cases that the adapter is judged on.
        left_out: Number of files and cases that are left out, by reason.
        seconds: Estimated time of training; 0 once that is finished.
        machine: How training computes; None once it is finished.
        free_bytes: Free space on the disk.
        stage: Index in `STAGES` of the stage that is not finished.
        code: SHA-256 of the workspace's files, or of those that the cases were made of.
        keeps: Whether the folder has a part of the same run.
        survey: The workspace's files; None where an earlier run has made the cases, whatever the files are now.
    """

    found: str
    n_heldout: int
    left_out: Mapping[str, int]
    seconds: float
    machine: Machine | None
    free_bytes: int
    stage: int
    code: str
    keeps: bool
    survey: Survey | None

    @property
    def has_data(self) -> bool:
        """Whether the cases are made."""
        return self.stage > 0


@dataclass(frozen=True)
class _Cases:
    """The cases of a workspace, made or estimated: in words, number of tokens to train on, number held out."""

    found: str
    n_tokens: float
    n_heldout: int
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class WorkspaceRun:
    """A run for one workspace.

    Attributes:
        workspace: The workspace's folder, with links resolved.
        folder: Folder for everything that is written.
        model: Name or path of the model.
        minutes: Maximum time of training.
        recipe: The recipe, one for the code of a workspace.
        exclude: Patterns, written as in .gitignore, of files that are left out.
    """

    workspace: Path
    folder: Path
    model: str
    minutes: float
    recipe: Recipe
    exclude: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """Folder of the training data."""
        return self.folder / "data"

    @property
    def training(self) -> Path:
        """Folder of checkpoints and the adapter."""
        return self.folder / "training"

    @property
    def adapter(self) -> Path:
        """The adapter, once it is trained."""
        return self.training / ADAPTER

    @property
    def evaluation(self) -> Path:
        """Folder of the evaluation."""
        return self.folder / "evaluation"

    def plan(self, base: Path, n_threads: int) -> Plan:
        """Find out what is to be done, and whether this machine can do it; nothing is written.

        Args:
            base: The model's file.
            n_threads: Number of threads; 0 for all physical cores.

        Raises:
            ForgeError: The workspace has too little code, the machine lacks something, or the folder has other
                content or a run with other options.
            GgufError: The model cannot be read.
        """
        known, card, survey = self._read(), self.data / CARD, None
        if known and card.is_file() and not known["finished"]:  # the code may have changed since; the cases stay
            code, keeps, cases = str(known["code"]), True, _made(card)
        else:
            survey = survey_workspace(self.workspace, self._code, self.exclude)
            code = survey.digest
            keeps = known is not None and {**known, "finished": False} == self._conditions(code)
            cases = _made(card) if keeps and card.is_file() else self._estimate(survey)
        is_trained = keeps and self.adapter.is_file()
        machine, seconds = None, 0.0
        if not is_trained:
            require_libraries()
            header = read_header(base)
            machine = machine_for(header, self.recipe, n_threads)
            seconds = min(60 * self.minutes, training_seconds(header, machine, MAX_PASSES * cases.n_tokens))
        return Plan(
            cases.found,
            min(cases.n_heldout, MAX_PROBLEMS),
            cases.left_out,
            seconds,
            machine,
            require_disk(self.folder, machine.disk_bytes if machine else 0),
            1 + is_trained if keeps and card.is_file() else 0,
            code,
            keeps,
            survey,
        )

    def begin(self, plan: Plan) -> None:
        """Make the folder ready: unless the plan keeps it, remove what an earlier run has left.

        Raises:
            ForgeError: The folder cannot be written.
        """
        if not plan.keeps:
            for folder in filter(Path.exists, (self.data, self.training, self.evaluation)):
                try:
                    shutil.rmtree(folder)
                except OSError as error:
                    message = f"{folder} cannot be removed: {error.strerror}."
                    raise ForgeError(message, "Give another --output.") from error
        begin_run(self.folder, self._conditions(plan.code))

    def finish(self, plan: Plan) -> None:
        """Note that the run is finished: the next one begins anew if the code has changed since.

        Raises:
            ForgeError: The folder cannot be written.
        """
        begin_run(self.folder, {**self._conditions(plan.code), "finished": True})

    @contextlib.contextmanager
    def locked(self, cache: Path) -> Iterator[None]:
        """Hold the lock of the workspace, so that one run works for it at a time.

        Args:
            cache: The user's cache folder, which has the lock.

        Raises:
            ForgeError: Another process holds it, or it cannot be taken.
        """
        path = cache / "forge" / f"{hashlib.blake2b(os.fsencode(self.workspace), digest_size=8).hexdigest()}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path, f"Another run for {self.workspace} is in progress."):
            yield

    @property
    def _code(self) -> Code:
        assert self.recipe.code, "a recipe for the code of a workspace"  # noqa: S101
        return self.recipe.code

    def _conditions(self, code: str) -> dict[str, Any]:
        """Content of the folder's `run.json` while the run is not finished."""
        conditions = {"workspace": os.fspath(self.workspace), "model": self.model, "exclude": list(self.exclude)}
        return {**conditions, "minutes": self.minutes, "code": code, "finished": False}

    def _read(self) -> dict[str, Any] | None:
        """The conditions of the run that the folder has, finished or to go on with; None for a new folder.

        Raises:
            ForgeError: The folder has other content, a run with other options that is not finished, or a finished one
                of another model.
        """
        known = read_run(self.folder)
        if known is None:
            return None
        wanted = self._conditions("")
        if known.keys() != wanted.keys():
            raise ForgeError(f"{self.folder} holds the output of another command.", "Give another --output.")
        decided = ["workspace", "model", "exclude"]
        if read_run(self.training) is not None:  # training has begun
            decided.append("minutes")
        differing = [name for name in decided if known[name] != wanted[name]]
        if differing and (not known["finished"] or "model" in differing):  # its adapter is not for this model
            state = "is finished" if known["finished"] else "is not finished"
            raise ForgeError(
                f"{self.folder} has a run that {state}, of other options: "
                f"{', '.join(f'{name} {known[name]}' for name in differing)}.",
                "Give these to go on, another --output, or delete that folder to begin anew.",
            )
        return known

    def _estimate(self, survey: Survey) -> _Cases:
        """About the cases that the code will have.

        Raises:
            ForgeError: There are too few to judge an adapter on.
        """
        out = survey.held_out(self.recipe.heldout, seed=0)
        n_cases = {name: count_cases(n_lines, self._code) for name, (n_lines, _) in survey.usable.items()}
        n_heldout = [n_cases[name] for name in out if n_cases.get(name)]
        if len(n_heldout) < MIN_FILES:
            raise ForgeError(
                f"Of {self.workspace}, an adapter would be judged on {len(n_heldout)} files; with fewer than "
                f"{MIN_FILES}, none can show a gain.",
                "Give a larger workspace; files have to be tracked by git.",
            )
        window = sum(self._code.prompt_tokens) / len(self._code.prompt_tokens)
        n_tokens = {name: n_chars / _CHARS_PER_TOKEN for name, (_, n_chars) in survey.usable.items()}
        found = f"{len(n_tokens):,} source files with about {sum(n_tokens.values()):,.0f} tokens"
        trained_on = sum(n_cases[name] * min(window, n) for name, n in n_tokens.items() if name not in out)
        return _Cases(found, trained_on, sum(n_heldout), survey.left_out)


def stage_line(stage: int) -> str:
    """The line that a run prints when a stage begins; `read_progress` reads it.

    Args:
        stage: Index in `STAGES`.
    """
    return f"Stage {stage + 1} of {len(STAGES)}: {STAGES[stage]}"


def read_progress(line: str, share: float) -> float:
    """Share of a run that is done, 0 to 1; it never falls.

    Args:
        line: A line that the run has printed to the standard error, not on a terminal.
        share: Share after the line before; 0 at first.
    """
    if found := _STAGE_LINE.fullmatch(line):
        return max(share, _STARTS[min(int(found[1]), len(STAGES)) - 1])
    stage = bisect.bisect(_STARTS, share) - 1
    if not (found := _COUNT.search(line)):
        return share
    done, total = (int(number.replace(",", "")) for number in found.groups())
    end = (*_STARTS, 1.0)[stage + 1]
    return max(share, min(_STARTS[stage] + (end - _STARTS[stage]) * done / max(1, total), math.nextafter(end, 0)))


def adapter_name(workspace: Path, model: str) -> str:
    """Name of a workspace's adapter for a model: those of both, and digits that no others of these names have.

    Args:
        workspace: The workspace's folder, with links resolved.
        model: Name or path of the model.
    """
    digits = hashlib.blake2b(os.fsencode(f"{workspace}\0{model}"), digest_size=4).hexdigest()
    names = workspace.name or "workspace", Path(model).stem
    return "-".join([*(name[:_MAX_NAME_CHARS] for name in names), digits])


def _made(card: Path) -> _Cases:
    """The cases that a data card counts.

    Raises:
        ForgeError: The card cannot be read.
    """
    try:
        content = json.loads(card.read_bytes())
        counts = {
            (split, unit): sum(kind[unit] for kind in content["counts"][split].values())
            for split in ("train", "heldout")
            for unit in ("cases", "tokens")
        }
        left_out = dict(content["left_out"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ForgeError(
            f"{card} cannot be read: {error}.", f"Delete {card.parent} to make the data anew."
        ) from error
    found = f"{counts['train', 'cases']:,} cases with {counts['train', 'tokens']:,} tokens to train on"
    return _Cases(found, counts["train", "tokens"], counts["heldout", "cases"], left_out)
