"""Recipes: what a fine-tuning run trains on, and how. TOML files, in this package or of the user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from nano_lsp.code.languages import LANGUAGES
from nano_lsp.config import load_toml
from nano_lsp.errors import ConfigError, ForgeError

FOLDER = Path(__file__).with_name("recipes")
Kind = Literal["syntax", "line", "lines", "word", "editing", "nothing"]
"""Kinds of code cases; see `nano_lsp.forge.holes`."""

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hyperparameters of training.

    Attributes:
        method: `qlora`: a low-rank adapter over quantized weights (Dettmers et al. 2023, arXiv 2305.14314).
        bits: Bits per weight of the base model while training.
        rank: Rank of the adapter.
        alpha: Scale of the adapter, divided by the rank.
        modules: Projections of each layer that get an adapter.
        learning_rate: Peak learning rate.
        cases_per_step: Number of cases of an optimizer step.
        library: Training library.
        accelerator: Accelerator that the run must fit; empty for none.
        start: `new`: from an adapter that changes nothing; `shipped`: from the one that comes with the model, if any.
    """

    method: Literal["qlora"]
    bits: Literal[4, 8, 16]
    rank: Annotated[int, msgspec.Meta(ge=1, le=256)]
    alpha: _Count
    modules: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    learning_rate: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    cases_per_step: _Count
    library: str
    accelerator: str = ""
    start: Literal["new", "shipped"] = "new"


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of the trained adapter.

    Attributes:
        merge: Whether the adapter is added to the weights.
        format: File format.
        quantization: llama.cpp's name of the quantization of merged weights; empty for none.
    """

    merge: bool
    format: Literal["gguf"]
    quantization: str = ""


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Code cases.

    Attributes:
        origin: Where the code comes from: installed packages, or one workspace folder.
        languages: LSP ids of the languages to take.
        kinds: Share of each kind of case; they are scaled to a sum of 1.
        prompt_tokens: Window sizes in tokens; each case takes one of them at random.
        max_answer_tokens: Maximum number of tokens of an answer.
        max_lines: Maximum number of lines of an answer.
        lines_per_case: Number of lines of a file per case.
        cases_per_file: Maximum number of cases of a file.
        cases_per_source: Maximum number of cases of a package or workspace; 0 for no limit.
        min_files: Minimum number of usable files.
    """

    origin: Literal["packages", "workspace"]
    languages: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    kinds: dict[Kind, _Share]
    prompt_tokens: Annotated[tuple[Annotated[int, msgspec.Meta(ge=64, le=16_384)], ...], msgspec.Meta(min_length=1)]
    max_answer_tokens: _Count = 128
    max_lines: Annotated[int, msgspec.Meta(ge=2)] = 5
    lines_per_case: _Count = 8
    cases_per_file: _Count = 24
    cases_per_source: Annotated[int, msgspec.Meta(ge=0)] = 0
    min_files: _Count = 4

    def __post_init__(self) -> None:
        unknown = sorted(set(self.languages) - {language.name for language in LANGUAGES})
        if unknown:
            raise ValueError(f"unknown languages: {', '.join(unknown)}")
        if not sum(self.kinds.values()):
            raise ValueError("the shares of all kinds are 0")


class Sessions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases of the next edit, from the git histories of repositories: as many where nothing is to be changed.

    Attributes:
        cases_per_source: Maximum number of cases of a repository; 0 for no limit.
    """

    cases_per_source: Annotated[int, msgspec.Meta(ge=0)] = 0


class Stratum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One public data set of questions and answers.

    Attributes:
        name: Name of the stratum, and of its local files.
        dataset: Name on the Hugging Face hub.
        revision: Commit on the hub; a branch is resolved to a commit when a run begins.
        license: SPDX name of its license.
        question: Column with the question.
        answer: Column with the answer.
        tokens: Number of tokens to take.
        subset: Configuration of the data set; empty for the default one.
        split: Split of the data set.
        directive: Directive added to the persona: `think`, `code` or none.
        where: Values that a row must have in further columns.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]*$")]
    dataset: _Text
    revision: _Text
    license: _Text
    question: _Text
    answer: _Text
    tokens: _Count
    subset: str = ""
    split: str = "train"
    directive: Literal["", "think", "code"] = ""
    where: dict[str, list[str]] = {}


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe.

    Attributes:
        name: Name of the recipe's file, without its suffix.
        description: One sentence for the user.
        base: Model to train.
        end_token: Control token at the end of each case.
        context_weight: Loss weight of the prompt's tokens.
        answer_weight: Loss weight of the answer's tokens and the end token.
        heldout: Share of files, packages, repositories or rows that is not trained on.
        max_case_tokens: Maximum number of tokens of a case.
        training: Hyperparameters.
        export: What becomes of the adapter.
        code: Code cases; None for other recipes.
        strata: Public data sets; empty for other recipes.
        sessions: Cases of the next edit; None for other recipes.
    """

    name: str
    description: _Text
    base: _Text
    end_token: _Text
    context_weight: _Share
    answer_weight: _Share
    heldout: Annotated[float, msgspec.Meta(gt=0, le=0.5)]
    max_case_tokens: _Count
    training: Training
    export: Export
    code: Code | None = None
    strata: tuple[Stratum, ...] = ()
    sessions: Sessions | None = None

    def __post_init__(self) -> None:
        if sum((self.code is not None, bool(self.strata), self.sessions is not None)) != 1:
            raise ValueError("a recipe has one of [code], [[strata]] and [sessions]")
        if len({stratum.name for stratum in self.strata}) < len(self.strata):
            raise ValueError("two strata have the same name")

    def as_dict(self) -> dict[str, Any]:
        """The recipe as JSON has it."""
        # Not with msgspec's JSON, which cannot have a name that is not UTF-8.
        fields: dict[str, Any] = json.loads(json.dumps(msgspec.to_builtins(self)))
        return fields


def find_recipe(name: str) -> Path:
    """Path of a recipe: one of this package by name, or the user's own file, which ends with `.toml`.

    Raises:
        ForgeError: There is none.
    """
    path = FOLDER / f"{name}.toml" if name in recipe_names() else Path(name).expanduser()
    if path.suffix != ".toml" or not path.is_file():
        raise ForgeError(
            f"There is no recipe {name!r}.",
            f"The recipes are: {', '.join(recipe_names())}; the path of your own file ends with .toml.",
        )
    return path


def recipe_names() -> list[str]:
    """Names of the recipes of this package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_recipe(name: str) -> Recipe:
    """Load a recipe; see `find_recipe`.

    Raises:
        ForgeError: There is none, or it is not valid.
    """
    path = find_recipe(name)
    try:
        return msgspec.convert({**load_toml(path), "name": path.stem}, Recipe)
    except ConfigError as error:
        raise ForgeError(error.message, error.remedy) from error
    except msgspec.ValidationError as error:
        raise ForgeError(
            f"The recipe {path} is not valid: {error}.", "Compare it with `nano-lsp forge recipes infill`."
        ) from error
