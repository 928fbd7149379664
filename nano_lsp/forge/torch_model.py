"""LoRA training in PyTorch: the only module that knows torch, transformers, peft and unsloth."""

from __future__ import annotations

import importlib.util
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers
from numpy.typing import NDArray
from torch.nn import functional

from nano_lsp.forge.adapter_export import Adapter
from nano_lsp.forge.recipe import Training
from nano_lsp.forge.training_data import TrainingCase
from nano_lsp.forge.training_needs import LOGIT_ROWS, Machine

_MAX_NORM = 1.0  # of the gradient of a step
_NAME = re.compile(r"\.layers\.(\d+)\..*\.(\w+)\.lora_([AB])\.")


class TorchModel:
    """A base model with an adapter that is being trained; see `Trainable`.

    Args:
        model: What peft has made of the base model.
        device: Name of the device that it is on.
        dtype: Type of numbers of the base model, and of autocasts.
    """

    def __init__(self, model: Any, device: str, dtype: torch.dtype) -> None:  # noqa: ANN401 - peft types it so
        self.versions: Mapping[str, str] = {
            library.__name__: str(library.__version__) for library in (torch, transformers, peft)
        }
        base = model.get_base_model()
        self._body, self._head = base.model, base.lm_head
        self._device, self._dtype = device, dtype
        self._parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
        self._optimizer = torch.optim.AdamW(self._parameters.values(), weight_decay=0.0)

    def loss(self, case: TrainingCase) -> float:
        """Weighted sum of the cross entropy of a case, in nats."""
        with torch.no_grad(), torch.autocast(self._device, self._dtype, enabled=self._dtype != torch.float32):
            hidden, targets, weights = self._run(case)
            return float(sum(loss.item() for loss in self._losses(hidden, targets, weights)))

    def add_gradient(self, case: TrainingCase, scale: float) -> float:
        """Add the gradient of a case's loss, times a scale, to the gradient of the step; return the loss."""
        total = 0.0
        with torch.autocast(self._device, self._dtype, enabled=self._dtype != torch.float32):
            hidden, targets, weights = self._run(case)
            # The output matrix is not trained, so each part of the logits is freed once its gradient has come here.
            leaf = hidden.detach().requires_grad_()
            for loss in self._losses(leaf, targets, weights):
                (loss * scale).backward()
                total += loss.item()
        hidden.backward(leaf.grad)
        return total

    def update(self, learning_rate: float) -> float:
        """Take a step with the gradient unless it is not finite; return its norm, and forget it."""
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters.values(), _MAX_NORM))
        if np.isfinite(norm):
            self._optimizer.param_groups[0]["lr"] = learning_rate
            self._optimizer.step()
        self.discard_gradient()
        return norm

    def discard_gradient(self) -> None:
        """Forget the gradient."""
        self._optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, NDArray[Any]]:
        """The adapter and the state of the optimizer, by name."""
        arrays = {name: _to_numpy(each) for name, each in self._parameters.items()}
        for name, parameter in self._parameters.items():
            arrays |= {f"{name}/{key}": _to_numpy(each) for key, each in self._optimizer.state[parameter].items()}
        return arrays

    def load_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state; see `state`."""
        for name, parameter in self._parameters.items():
            parameter.data.copy_(torch.from_numpy(arrays[name]))
            prefix = f"{name}/"
            self._optimizer.state[parameter] = {
                # AdamW counts its steps on the CPU.
                key.removeprefix(prefix): torch.from_numpy(array).to("cpu" if array.ndim == 0 else self._device)
                for key, array in arrays.items()
                if key.startswith(prefix)
            }

    def adapter(self) -> Adapter:
        """The matrices of the adapter, by layer and module."""
        found: dict[tuple[int, str], dict[str, NDArray[np.float32]]] = {}
        for name, parameter in self._parameters.items():
            layer, module, part = _parts(name)
            found.setdefault((layer, module), {})[part] = _to_numpy(parameter)
        return {key: (pair["A"], pair["B"]) for key, pair in found.items()}

    def start_from(self, adapter: Adapter) -> None:
        """Take up the matrices of an adapter of the same or a lower rank; the further ranks still change nothing."""
        for name, parameter in self._parameters.items():
            layer, module, part = _parts(name)
            if pair := adapter.get((layer, module)):
                matrix = torch.from_numpy(pair["AB".index(part)].astype(np.float32))
                parameter.data[: len(matrix), : matrix.shape[1]] = matrix

    def _run(self, case: TrainingCase) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """States of the last layer, shape (n, width), where the next token counts; those tokens; their weights."""
        ids = torch.from_numpy(case.ids.astype(np.int64)).to(self._device)
        weights = torch.from_numpy(case.weights[1:]).to(self._device)
        hidden = self._body(input_ids=ids[None, :-1], use_cache=False).last_hidden_state[0]
        counted = weights > 0
        return hidden[counted], ids[1:][counted], weights[counted]

    def _losses(self, hidden: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> Iterator[torch.Tensor]:
        """The weighted loss of each part of the tokens."""
        for start in range(0, len(targets), LOGIT_ROWS):
            part = slice(start, start + LOGIT_ROWS)
            logits = self._head(hidden[part]).float()
            yield (functional.cross_entropy(logits, targets[part], reduction="none") * weights[part]).sum()


def uses_gpu() -> bool:
    """Whether a GPU computes: there are CUDA and Unsloth."""
    return bool(torch.cuda.is_available() and importlib.util.find_spec("unsloth"))


def load_model(base: Path, training: Training, machine: Machine, seed: int, max_tokens: int) -> TorchModel:
    """Load the base model with a new adapter; see `uses_gpu`.

    Args:
        base: GGUF file of the base model.
        training: Hyperparameters.
        machine: How to compute on this machine.
        seed: Seed of the adapter's first weights.
        max_tokens: Number of tokens of the longest case.
    """
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(machine.n_threads)
    torch.use_deterministic_algorithms(True, warn_only=True)  # with CUDA not all are
    # Filling new memory only shows faults of operators; without it nano trains 4 % faster.
    torch.utils.deterministic.fill_uninitialized_memory = False
    if uses_gpu():
        return TorchModel(_load_with_unsloth(base, training, seed, max_tokens), "cuda", torch.bfloat16)
    dtype = getattr(torch, machine.precision)
    model = _load_gguf(base, dtype)
    torch.manual_seed(seed)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=training.rank, lora_alpha=training.alpha, target_modules=list(training.modules)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # names that transformers 5 deprecates, and peft uses as well
        model = peft.get_peft_model(model, config)
        if machine.recompute:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    return TorchModel(model, "cpu", dtype)


def _load_with_unsloth(base: Path, training: Training, seed: int, max_tokens: int) -> Any:  # noqa: ANN401 - as above
    """The base model in 4 bits on the GPU. Unsloth reads no GGUF files: it gets the dequantized weights."""
    import unsloth  # noqa: PLC0415 - only where there is a GPU

    with tempfile.TemporaryDirectory() as folder:
        _load_gguf(base, torch.bfloat16).save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(base.parent, gguf_file=base.name).save_pretrained(folder)
        model, _ = unsloth.FastLanguageModel.from_pretrained(
            folder, max_seq_length=max_tokens, dtype=torch.bfloat16, load_in_4bit=training.bits == 4
        )
    return unsloth.FastLanguageModel.get_peft_model(
        model,
        r=training.rank,
        lora_alpha=training.alpha,
        lora_dropout=0,
        target_modules=list(training.modules),
        use_gradient_checkpointing="unsloth",
        random_state=seed,
    )


def _load_gguf(base: Path, dtype: torch.dtype) -> Any:  # noqa: ANN401 - as above
    return transformers.AutoModelForCausalLM.from_pretrained(
        base.parent, gguf_file=base.name, dtype=dtype, local_files_only=True
    )


def _parts(name: str) -> tuple[int, str, str]:
    """Layer, module and matrix, A or B, of a parameter."""
    match = _NAME.search(name)
    assert match is not None, name  # noqa: S101 - nothing else requires a gradient
    return int(match[1]), match[2], match[3]


def _to_numpy(tensor: torch.Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy().copy()
    return array
