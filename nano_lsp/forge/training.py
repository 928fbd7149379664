"""Trains an adapter: the steps of a run, their budget, checkpoints, and what is written at the end.

A run that was ended at any moment goes on from its last checkpoint to the same adapter: the cases of a step depend on
the seed and its number alone, and a checkpoint has all that the next step depends on. What a model computes with is
not known here; see `Trainable`.
"""

from __future__ import annotations

import json
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nano_lsp.atomic_files import whole_file
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.errors import ForgeError
from nano_lsp.forge.adapter_export import Adapter, read_start, write_adapter
from nano_lsp.forge.dataset import begin_run, check_run, locked_folder
from nano_lsp.forge.public_sets import EXTRA
from nano_lsp.forge.recipe import Training
from nano_lsp.forge.source import hash_files
from nano_lsp.forge.training_data import CaseOrder, TrainingCase, TrainingData
from nano_lsp.forge.training_needs import Machine, choose_machine, prepare_folder
from nano_lsp.inference.hardware import cpu_flags, find_memory, usable_cores
from nano_lsp.models.adapter_file import (
    BASE_KEY,
    DATA_CARD_KEY,
    RECIPE_KEY,
    TRAINING_KEY,
    BaseModel,
    check_adapter,
)
from nano_lsp.models.architecture import describe
from nano_lsp.models.gguf import GgufHeader, read_header

ADAPTER = "adapter.gguf"
CURVE = "training.json"
MAX_PASSES = 4
"""Passes over the cases; more teach little (Muennighoff et al. 2023, arXiv 2305.16264)."""
_CHECKPOINT = "checkpoint-{}.npz"
_HISTORY = "history"  # among the arrays of a checkpoint
_MAX_HELDOUT = 16  # cases of an evaluation
_MAX_EVALUATIONS = 20
_EVALUATION_SHARE = 0.1  # of the time; a token of an evaluation takes a third of the time of training on it
_WARM_UP_SHARE = 0.05
_TRIAL_TOKENS = 64
_PAUSE_S = 1.0
_LAST_SHARE = 0.1  # of the steps, whose mean loss is noted in the adapter


class Trainable(Protocol):
    """A base model with an adapter that is being trained.

    Attributes:
        versions: Versions of the libraries that compute.
    """

    versions: Mapping[str, str]

    def loss(self, case: TrainingCase) -> float:
        """Weighted sum of the cross entropy of a case, in nats."""

    def add_gradient(self, case: TrainingCase, scale: float) -> float:
        """Add the gradient of a case's loss, times a scale, to the gradient of the step; return the loss."""

    def update(self, learning_rate: float) -> float:
        """Take a step with the gradient unless it is not finite; return its norm, and forget it."""

    def discard_gradient(self) -> None:
        """Forget the gradient."""

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the next step depends on, by name."""

    def load_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state."""

    def start_from(self, adapter: Adapter) -> None:
        """Take up the matrices of another adapter, of the same or a lower rank, before the first step."""

    def adapter(self) -> Adapter:
        """The matrices of the adapter."""


LoadModel = Callable[[Path, Training, Machine, int, int], Trainable]
"""Loads a base model: its file, hyperparameters, how to compute, seed, number of tokens of the longest case."""


@dataclass(frozen=True)
class Budget:
    """How long to train; one pass over the cases if neither is given.

    Attributes:
        minutes: Maximum time of the run, which its number of steps is derived from when it begins.
        steps: Number of steps.
        seed: Seed of the order of cases and of the adapter's first weights.
    """

    minutes: float | None = None
    steps: int | None = None
    seed: int = 0


class History(msgspec.Struct):
    """What a run has done so far; the rest of a checkpoint are arrays.

    Attributes:
        n_steps: Number of steps of the whole run.
        seconds_per_step: Time of a step as it was measured before the first one.
        tokens: Number of tokens trained on.
        seconds: Time without pauses.
        loss: Mean loss of each step, in nats a token.
        heldout_steps: Numbers of steps after which held-out cases were evaluated.
        heldout_loss: Their mean losses.
    """

    n_steps: int
    seconds_per_step: float
    tokens: int = 0
    seconds: float = 0.0
    loss: list[float] = []
    heldout_steps: list[int] = []
    heldout_loss: list[float] = []

    @property
    def step(self) -> int:
        """Number of steps done."""
        return len(self.loss)


@dataclass(frozen=True)
class Plan:
    """What a run is going to do, for the user.

    Attributes:
        n_steps: Number of steps of the whole run.
        n_done: Number of steps that an earlier process has done.
        n_passes: Number of passes over the cases.
        seconds: Estimated time that is left.
        machine: How it computes, with what it needs.
    """

    n_steps: int
    n_done: int
    n_passes: float
    seconds: float
    machine: Machine


class TrainingListener:
    """Receives the progress of a run; this one ignores it."""

    def on_status(self, status: str) -> None:
        """Receive what is being done other than training, or why training pauses; empty for nothing."""

    def on_plan(self, plan: Plan) -> None:
        """Receive what is going to be done."""

    def on_step(self, history: History, tokens_per_s: float, seconds_left: float) -> None:
        """Receive what has been done, after each step."""


class TrainingRun:
    """One run into one folder.

    Args:
        data: The cases.
        base: GGUF file of the base model.
        folder: Folder for checkpoints and the adapter.
        budget: How long to train.
        listener: Receives the progress.
        start: Adapter to start from, where the recipe goes on from the one that comes with the model; None for none.
        pause_reason: Why training has to pause now; empty if it has not.
        n_threads: Number of threads; 0 for all physical cores.
        load: Loads the model; None for PyTorch.
        checkpoint_s: Seconds between two checkpoints.
    """

    def __init__(
        self,
        data: TrainingData,
        base: Path,
        folder: Path,
        budget: Budget,
        *,
        listener: TrainingListener,
        start: Path | None = None,
        pause_reason: Callable[[], str] = str,
        n_threads: int = 0,
        load: LoadModel | None = None,
        checkpoint_s: float = 180.0,
    ) -> None:
        self._data, self._base, self._folder, self._budget = data, base, folder, budget
        self._listener, self._pause_reason = listener, pause_reason
        self._n_threads = n_threads or usable_cores()
        self._load, self._checkpoint_s = load, checkpoint_s
        self._training = data.recipe.training
        self._start = start if self._training.start == "shipped" else None
        self._order = CaseOrder(len(data.train), self._training.cases_per_step, budget.seed)
        shuffled = CaseOrder(len(data.heldout), min(len(data.heldout), _MAX_HELDOUT), budget.seed)
        self._heldout = [data.heldout[i] for i in shuffled.step(0)]
        self._paused_s = 0.0
        self._is_whole = True  # do weights and history belong to the same step

    def train(self) -> dict[str, Any]:
        """Train, or go on with it; return the content of `training.json`.

        Raises:
            ForgeError: The run cannot begin or go on, or another process trains in the folder; the last checkpoint is
                kept.
            GgufError: The base model cannot be read.
            AdapterError: The adapter to start from is for another model.
            KeyboardInterrupt: After a checkpoint.
        """
        header = read_header(self._base)
        if (n_vocab := describe(header).vocabulary) != self._data.n_vocab:
            raise ForgeError(
                f"The data was made for a vocabulary of {self._data.n_vocab:,} tokens, {self._base} has {n_vocab:,}.",
                "Make the data anew for this model: `nano-lsp forge data … --model`.",
            )
        load, on_gpu = (self._load, False) if self._load else _pytorch()
        base_sha256 = hash_files([self._base])
        origin, start = {}, None
        if self._start:
            checked = check_adapter(self._start, BaseModel(self._data.model, self._base, base_sha256))
            origin, start = {"start_sha256": checked.sha256}, read_start(self._start, header, self._training)
        run = {"data": self._data.digest, "base": base_sha256, **vars(self._budget), **origin}
        check_run(self._folder, run)
        if not (self._folder / ADAPTER).is_file():
            machine = choose_machine(
                header,
                self._training,
                self._data.max_tokens,
                n_threads=self._n_threads,
                on_gpu=on_gpu,
                memory=find_memory(),
                flags=cpu_flags(),
            )
            prepare_folder(self._folder, machine.disk_bytes)
            with locked_folder(self._folder):
                check_run(self._folder, run)  # another process may have begun one
                self._listener.on_status("loading the model")
                model = load(self._base, self._training, machine, self._budget.seed, self._data.max_tokens)
                history = self._take_up(model)
                if history is None:
                    if start:
                        model.start_from(start)
                    history = self._plan(model)
                begin_run(self._folder, run)
                if not history.step:
                    self._checkpoint(model, history)
                self._announce(history, machine)
                self._run(model, history)
                about = {"base_sha256": base_sha256, "n_threads": machine.n_threads, "precision": machine.precision}
                self._finish(model, history, header, {**origin, **about})
        self._keep_checkpoints([])
        curve: dict[str, Any] = msgspec.json.decode((self._folder / CURVE).read_bytes())
        return curve

    def _take_up(self, model: Trainable) -> History | None:
        """Put the model into the state of the newest checkpoint; None if there is none."""
        found = sorted(self._folder.glob(_CHECKPOINT.format("*")))
        if not found:
            return None
        try:
            with np.load(found[-1]) as stored:
                arrays = dict(stored)
            history = msgspec.json.decode(arrays.pop(_HISTORY).tobytes(), type=History)
            model.load_state(arrays)
        except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
            raise ForgeError(
                f"{found[-1]} cannot be read: {error}.", "Delete it to begin anew, or give another --output."
            ) from error
        return history

    def _plan(self, model: Trainable) -> History:
        """Measure the speed with a case of usual length, and decide on the number of steps."""
        self._listener.on_status("measuring the speed")
        usual = sorted(self._data.train, key=lambda case: len(case.ids))[len(self._data.train) // 2]
        n_short = min(len(usual.ids), _TRIAL_TOKENS)
        model.add_gradient(TrainingCase(usual.ids[:n_short], ((n_short, 1.0),)), 1.0)  # the first one is slower
        begun = time.perf_counter()
        model.add_gradient(usual, 1.0)
        tokens_per_s = len(usual.ids) / (time.perf_counter() - begun)
        model.discard_gradient()
        tokens_per_step = self._data.tokens_per_case * self._training.cases_per_step
        seconds_per_step = tokens_per_step / tokens_per_s / (1 - _EVALUATION_SHARE * bool(self._heldout))
        n_steps = count_steps(self._budget, seconds_per_step, len(self._data.train) / self._training.cases_per_step)
        return History(n_steps, seconds_per_step)

    def _announce(self, history: History, machine: Machine) -> None:
        self._listener.on_status("")
        n_passes = history.n_steps * self._training.cases_per_step / len(self._data.train)
        pace = history.seconds / history.step if history.step else history.seconds_per_step
        seconds = (history.n_steps - history.step) * pace
        self._listener.on_plan(Plan(history.n_steps, history.step, n_passes, seconds, machine))

    def _run(self, model: Trainable, history: History) -> None:
        """Take the steps that are missing."""
        share = _EVALUATION_SHARE * 3 * history.n_steps * self._training.cases_per_step
        n_evaluations = min(_MAX_EVALUATIONS, max(1, int(share / max(1, len(self._heldout)))))
        every = math.ceil(history.n_steps / n_evaluations)
        begun, n_before, tokens_before, seconds_before = (
            time.perf_counter(),
            history.step,
            history.tokens,
            history.seconds,
        )
        saved = begun
        try:
            while True:
                is_last = history.step == history.n_steps
                if self._heldout and (is_last or history.step % every == 0):
                    self._evaluate(model, history)
                if is_last:
                    return
                self._step(model, history)
                seconds = time.perf_counter() - begun - self._paused_s
                history.seconds = seconds_before + seconds
                seconds_left = seconds / (history.step - n_before) * (history.n_steps - history.step)
                self._listener.on_step(history, (history.tokens - tokens_before) / seconds, seconds_left)
                if time.perf_counter() - saved >= self._checkpoint_s:
                    self._checkpoint(model, history)
                    saved = time.perf_counter()
        except KeyboardInterrupt:
            if self._is_whole:
                self._checkpoint(model, history)
            raise

    def _step(self, model: Trainable, history: History) -> None:
        cases = [self._data.train[i] for i in self._order.step(history.step)]
        weight = sum(case.weight for case in cases)
        total = 0.0
        for case in cases:
            self._pause()
            total += model.add_gradient(case, 1 / weight)
        loss = self._check(total / weight, history)
        rate = self._training.learning_rate * learning_rate_share(history.step, history.n_steps)
        self._is_whole = False
        self._check(model.update(rate), history)
        history.loss.append(loss)
        history.tokens += sum(len(case.ids) for case in cases)
        self._is_whole = True

    def _evaluate(self, model: Trainable, history: History) -> None:
        if history.heldout_steps[-1:] == [history.step]:  # by the process that has written the checkpoint
            return
        self._listener.on_status("evaluating held-out cases")
        total = 0.0
        for case in self._heldout:
            self._pause()
            total += model.loss(case)
        loss = self._check(total / sum(case.weight for case in self._heldout), history)
        self._is_whole = False
        history.heldout_steps.append(history.step)
        history.heldout_loss.append(loss)
        self._is_whole = True
        self._listener.on_status("")

    def _check(self, value: float, history: History) -> float:
        """Check that a loss or the norm of a gradient is a number.

        Raises:
            ForgeError: It is not.
        """
        if not math.isfinite(value):
            raise ForgeError(
                f"Training has failed in step {history.step + 1}: its loss or gradient is {value}.",
                f"Lower learning_rate in the recipe, and make the data and train in another folder. {self._folder} "
                "keeps its last checkpoint.",
            )
        return value

    def _pause(self) -> None:
        begun = time.perf_counter()
        while reason := self._pause_reason():
            self._listener.on_status(f"paused: {reason}")
            time.sleep(_PAUSE_S)
            self._paused_s += time.perf_counter() - begun
            begun = time.perf_counter()

    def _checkpoint(self, model: Trainable, history: History) -> None:
        path = self._folder / _CHECKPOINT.format(f"{history.step:07}")
        arrays: dict[str, Any] = {_HISTORY: np.frombuffer(msgspec.json.encode(history), np.uint8), **model.state()}
        with self._writing(), whole_file(path) as new, new.open("wb") as stream:
            np.savez(stream, **arrays)
        self._keep_checkpoints([path])

    def _keep_checkpoints(self, kept: Sequence[Path]) -> None:
        for path in self._folder.glob(_CHECKPOINT.format("*")):
            if path not in kept:
                path.unlink()

    def _finish(self, model: Trainable, history: History, base: GgufHeader, about: Mapping[str, Any]) -> None:
        """Write the curve, then the adapter: where that exists, the run is finished."""
        about = {"seed": self._budget.seed, **about, "versions": model.versions, "tokens": history.tokens}
        heldout = {"heldout_steps": history.heldout_steps, "heldout_loss": history.heldout_loss}
        curve = {
            "steps": list(range(1, history.n_steps + 1)),
            "loss": history.loss,
            **heldout,
            "seconds": round(history.seconds, 1),
            **about,
        }
        n_last = math.ceil(history.n_steps * _LAST_SHARE)
        training = {"steps": history.n_steps, "loss": sum(history.loss[-n_last:]) / n_last, **heldout, **about}
        metadata = {
            BASE_KEY: about["base_sha256"],
            RECIPE_KEY: json.dumps(self._data.recipe.as_dict()),
            DATA_CARD_KEY: json.dumps(self._data.card),
            TRAINING_KEY: json.dumps(training),
        }
        with self._writing():
            replace_file(self._folder / CURVE, json.dumps(curve) + "\n")
            write_adapter(
                self._folder / ADAPTER, base, model.adapter(), alpha=self._training.alpha, metadata=metadata
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ForgeError(
                f"{self._folder} cannot be written: {error.strerror}.",
                "Free some space there, or correct its permissions; then run the same command again to continue from "
                "the last checkpoint.",
            ) from error


def count_steps(budget: Budget, seconds_per_step: float, steps_per_pass: float) -> int:
    """Number of steps of a run.

    Args:
        budget: How long to train.
        seconds_per_step: Time of a step, evaluations included.
        steps_per_pass: Number of steps of a pass over the cases.

    Raises:
        ForgeError: The time does not suffice for a step.
    """
    if budget.steps is not None:
        return budget.steps
    if budget.minutes is None:
        return math.ceil(steps_per_pass)
    if (n_steps := int(budget.minutes * 60 / seconds_per_step)) < 1:
        raise ForgeError(
            f"{budget.minutes:g} minutes do not suffice for a step, which takes {seconds_per_step:,.0f} s.",
            f"Give at least --minutes {math.ceil(seconds_per_step / 60)}, or a smaller cases_per_step in the recipe.",
        )
    return min(n_steps, math.ceil(MAX_PASSES * steps_per_pass))


def learning_rate_share(step: int, n_steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a half cosine (Loshchilov & Hutter, arXiv 1608.03983).

    Args:
        step: Number of the step, from 0.
        n_steps: Number of steps of the run.
    """
    n_warm_up = math.ceil(n_steps * _WARM_UP_SHARE)
    if step < n_warm_up:
        return (step + 1) / n_warm_up
    return (1 + math.cos(math.pi * (step - n_warm_up) / (n_steps - n_warm_up))) / 2


def _pytorch() -> tuple[LoadModel, bool]:
    """How PyTorch loads a model, and whether on a GPU.

    Raises:
        ForgeError: It is not installed.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")  # transformers would draw a bar over the listener's
    try:
        from nano_lsp.forge import torch_model  # noqa: PLC0415 - an optional dependency, slow to import
    except ImportError as error:
        raise ForgeError(f"Training needs PyTorch, transformers and peft: {error}.", f"Run {EXTRA}.") from error
    return torch_model.load_model, torch_model.uses_gpu()
