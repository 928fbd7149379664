"""The settings: name, type, default, valid values, description, and who may set each of them.

The keys of `config.toml`, the environment variables, editors' settings, their schemas and the documentation's tables
all come from the fields of the two classes. `python -m tests.test_generated_settings` writes the files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

from nano_lsp.errors import ConfigError

SHARED, IN_PROCESS = "shared", "in-process"
_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list of texts",
    dict: "an object of true and false",
}


_MAX_MINUTES = 525_600  # a year
MINUTES = f"a number of minutes above 0, up to {_MAX_MINUTES:,}"
"""Noun phrase of what `are_minutes` admits."""


def are_minutes(value: object) -> bool:
    """Whether a value of a client or of an option can be the maximum time of training."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _MAX_MINUTES


class SetBy(IntEnum):
    """Who may set a setting: a member includes those above it, which are trusted more."""

    CONFIG = 0
    """`config.toml`, environment variables, and the options of commands."""
    USER = 1
    """The user's editor. The settings of an untrusted workspace must not: they name files to load, or a server."""
    WORKSPACE = 2
    """The settings that an editor keeps for a workspace."""
    PROJECT = 3
    """`[tool.nano-lsp]` in a project's pyproject.toml."""


@dataclass(frozen=True)
class Setting:
    """The definition of a setting; its name is that of the field.

    Attributes:
        default: Its default, which has the setting's type.
        description: Its meaning, in whole sentences; the names of other settings are in backticks.
        set_by: Who may set it.
        limits: The smallest and the largest valid number; None for settings that are not numbers.
        choices: The valid values; empty for any.
        pattern: Regular expression that the whole value must match; empty for any value.
        values: The valid values in words, for a setting with a pattern.
        formerly: Its name in editors until version 0.1, which is still read; empty for the same.
    """

    default: Any
    description: str
    set_by: SetBy = SetBy.WORKSPACE
    limits: tuple[int, int] | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    values: str = ""
    formerly: str = ""

    @property
    def takes(self) -> str:
        """A noun phrase of the valid values."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        kind = self.values or _KINDS[type(self.default)]
        return "{} from {} to {}".format(kind, *self.limits) if self.limits else kind

    def check(self, value: Any) -> Any:  # noqa: ANN401 - the setting's type
        """Return a value in the setting's type.

        Raises:
            ValueError: The value is invalid; `takes` says which are valid.
        """
        kind = type(self.default)
        if value in ([], {}) and kind in {list, dict}:
            return kind()  # in Lua, an empty list and an empty object are the same table
        if isinstance(value, float) and kind is int and value.is_integer():
            value = int(value)  # some languages have a single number type
        fits = isinstance(value, (int, float) if kind is float else kind) and isinstance(value, bool) == (
            kind is bool
        )
        if not fits or not self._admits(value):
            raise ValueError(self.takes)
        return kind(value)

    def _admits(self, value: Any) -> bool:  # noqa: ANN401 - the setting's type
        if isinstance(value, dict):
            return all(isinstance(item, bool) for item in value.values())
        if isinstance(value, list):
            return all(isinstance(item, str) for item in value)
        if self.limits:
            return bool(self.limits[0] <= value <= self.limits[1])
        if self.pattern:
            return re.fullmatch(self.pattern, value) is not None
        return not self.choices or value in self.choices

    def parse(self, text: str) -> Any:  # noqa: ANN401 - the setting's type
        """Convert text, such as an environment variable, to a valid value of the setting's type.

        Raises:
            ValueError: The text is not a valid value; `takes` says which are valid.
        """
        kind = type(self.default)
        if kind is bool:
            return self.check({"1": True, "true": True, "0": False, "false": False}.get(text.lower()))
        return self.check(kind(text))


def _setting(default: object, description: str, set_by: SetBy = SetBy.WORKSPACE, **about: Any) -> Any:  # noqa: ANN401
    setting = Setting(default, description, set_by, **about)
    if isinstance(default, (dict, list)):
        return field(default_factory=type(default), metadata={"setting": setting})
    return field(default=default, metadata={"setting": setting})


@dataclass(frozen=True)
class Settings:
    """Settings of all programs.

    Raises:
        ConfigError: A value is invalid.
    """

    engine: str = _setting(
        SHARED,
        "The model runs in one process for all of the user's programs, which is started when needed "
        "(`shared`), in the program itself (`in-process`), or on a server that completes raw prompts, whose "
        "address is given (`https://…`).",
        SetBy.USER,
        pattern=f"{SHARED}|{IN_PROCESS}|https?://.+",
        values=f"{SHARED}, {IN_PROCESS} or the address of a server, https://…",
    )
    offline: bool = _setting(
        False,
        "Open no connection to another machine: models come from files alone (`nano-lsp model pull --from FILE`), "
        "and engines on other machines are refused. Where the administrator's file sets it, nothing switches it off.",
        SetBy.CONFIG,
    )
    model: str = _setting(
        "nano", "Use this model: a name from `nano-lsp model list`, or the path of a GGUF file.", SetBy.USER
    )
    adapter: str = _setting(
        "auto",
        "Make suggestions with this LoRA adapter: the name of an installed one (`nano-lsp adapter list`), the path "
        "of a GGUF file, `none`, or `auto` for the one that was chosen for the workspace or comes with the model. "
        "Chats, docstrings and edits use the model alone.",
        SetBy.USER,
    )
    n_ctx: int = _setting(
        4096,
        "Give the model a context of this number of tokens. Each takes 28 KB of memory with the `f16` KV cache.",
        limits=(512, 32_768),
        formerly="context",
    )
    n_threads: int = _setting(
        0,
        "Run inference on this number of threads. 0 uses the physical cores that the process may use (CPU "
        "affinity and cgroup limits are considered), and fewer while other programs compute; any other number "
        "is fixed.",
        limits=(0, 256),
        formerly="threads",
    )
    n_batch: int = _setting(
        128,
        "Evaluate at most this number of prompt tokens at once. A newer request waits for the end of a batch, or the "
        "work on it is lost; so the shared engine uses smaller ones, from 32 on, where it has measured that they are "
        "as fast on this machine. 512 take 60 MB more memory than 128.",
        SetBy.CONFIG,
        limits=(1, 512),
    )
    n_seq_max: int = _setting(
        8, "Keep at most this number of sequences in the KV cache side by side.", SetBy.CONFIG, limits=(4, 64)
    )
    kv_type: str = _setting(
        "f16",
        "Store the KV cache in this data type: `q8_0` takes half the memory of `f16`, `q4_0` about a quarter.",
        choices=("f16", "q8_0", "q4_0"),
    )
    check_memory: bool = _setting(
        True,
        "Refuse to load a model that needs more memory than is available; a container's limit and swap space "
        "are considered.",
        SetBy.CONFIG,
    )
    snapshots: bool = _setting(
        True,
        "Let the shared engine write KV sequences to disk when they are evicted from memory, and all of them "
        "when a model is unloaded. A token takes 28 KB, and all files together at most 512 MB.",
        SetBy.CONFIG,
    )
    prompt_tokens: int = _setting(
        768,
        "Use at most this number of tokens of code in the prompt of a suggestion. Two cores evaluate 60 to 85 "
        "tokens per second that are not in the KV cache.",
        SetBy.PROJECT,
        limits=(64, 16_384),
    )
    imported_tokens: int = _setting(
        256,
        "Use at most this number of the `prompt_tokens` for signatures imported from the workspace.",
        SetBy.PROJECT,
        limits=(0, 4096),
    )
    max_tokens: int = _setting(
        128, "End a suggestion after at most this number of tokens.", SetBy.PROJECT, limits=(1, 4096)
    )
    latency_ms: int = _setting(
        2000,
        "Shorten the prompt and the length of automatic suggestions, according to the measured speed, so that "
        "one takes about this number of milliseconds. 0 always allows `prompt_tokens` and `max_tokens`.",
        SetBy.PROJECT,
        limits=(0, 600_000),
    )
    first_suggestion_ms: int = _setting(
        1000,
        "Where the model has not read the code around the cursor yet, make automatic suggestions from as much of it "
        "as it can read in about this number of milliseconds, and read the rest in the background. 0 always reads "
        "all `prompt_tokens` first.",
        SetBy.PROJECT,
        limits=(0, 600_000),
    )
    unload_minutes: float = _setting(
        15.0,
        "Let the shared engine unload the model after this number of minutes without a request.",
        SetBy.CONFIG,
        limits=(0, 1440),
    )
    exit_minutes: float = _setting(
        120.0,
        "Let the shared engine exit after this number of minutes without a request.",
        SetBy.CONFIG,
        limits=(0, 1440),
    )

    def __post_init__(self) -> None:
        for name, value in [*vars(self).items()]:
            try:
                object.__setattr__(self, name, ALL_SETTINGS[name].check(value))
            except ValueError as error:
                raise ConfigError(f"{name} is {value!r}.", f"Choose {error}.") from None


@dataclass(frozen=True)
class EditorSettings(Settings):
    """Settings of editors and notebooks; `key_of` gives their names there."""

    enabled: bool = _setting(True, "Make suggestions, in all files.", SetBy.PROJECT)
    max_lines: int = _setting(
        0, "Limit automatic suggestions to this number of lines; 0 sets no limit.", SetBy.PROJECT, limits=(0, 1000)
    )
    alternatives: int = _setting(
        3,
        "Offer this number of alternatives when a suggestion is requested explicitly.",
        SetBy.PROJECT,
        limits=(1, 3),
    )
    debounce_ms: int = _setting(
        150,
        "Wait at most this number of milliseconds for the next key before a suggestion is computed. The wait "
        "(debounce) is shorter for those who type fast, and there is none for those who pause longer between keys.",
        limits=(0, 5000),
    )
    min_token_probability: float = _setting(
        0.3,
        "Automatic suggestions end before the first token whose probability is below this value. They go on in "
        "another line only while the joint probability of their tokens is above it.",
        SetBy.PROJECT,
        limits=(0, 1),
        formerly="tokenConfidence",
    )
    min_mean_probability: float = _setting(
        0.0,
        "Hide automatic suggestions whose confidence, the mean probability of their tokens, is below this value.",
        SetBy.PROJECT,
        limits=(0, 1),
        formerly="confidence",
    )
    adaptive_threshold: bool = _setting(
        True,
        "Hide automatic suggestions whose confidence is below the level you rarely keep, learned for each "
        "language from statistics kept on this machine (`statistics`). At least half of the suggestions are "
        "shown; `nano-lsp stats` prints the level.",
        formerly="calibrate",
    )
    warm_up: str = _setting(
        "auto",
        "Let the model read the code around the cursor before the first key, when the cursor rests there: `auto` "
        "unless the machine runs on its battery or is busy with other programs, `always` or `never`.",
        choices=("auto", "always", "never"),
    )
    prefetch: bool = _setting(
        True, "Compute the next suggestion in advance while the current one is displayed.", SetBy.PROJECT
    )
    next_edit: bool = _setting(
        False,
        "After a change, suggest the next place where it has to be made as well, and the text there. The changes are "
        "kept in memory only, the newest 24 of them. `false` keeps none and looks for nothing.",
        SetBy.PROJECT,
    )
    completion_item: bool = _setting(
        False, "Offer suggestions in the completion menu, even if the editor supports ghost text."
    )
    docstring_style: str = _setting(
        "auto",
        "Write new docstrings in this style; `auto` uses the style of the file's docstrings, or Google's if "
        "it has none.",
        SetBy.PROJECT,
        choices=("auto", "google", "numpy", "sphinx"),
    )
    code_lens: bool = _setting(False, "Show `explain | document` above functions and classes.", SetBy.PROJECT)
    statistics: bool = _setting(
        True,
        "Keep statistics of suggestions shown, accepted and kept in a file on this machine, and where files were "
        "left in another; they contain numbers, no code.",
    )
    trusted: bool = _setting(True, "Trust the workspace. Files of an untrusted workspace are read only while open.")
    workspace: bool = _setting(True, "Read signatures from files of the workspace that are not open.")
    languages: dict[str, bool] = _setting(
        {}, 'Make no suggestions in the languages set to false here, as in `{"markdown": false}`.', SetBy.PROJECT
    )
    exclude: list[str] = _setting(
        [], "Make no suggestions in files that match one of these patterns, written as in .gitignore.", SetBy.PROJECT
    )

    @property
    def reads_files(self) -> bool:
        """Whether files that are not open may be read."""
        return self.workspace and self.trusted

    @property
    def of_model(self) -> Settings:
        """The settings that the assistant needs."""
        return Settings(**{name: getattr(self, name) for name in CONFIG_SETTINGS})


ALL_SETTINGS: dict[str, Setting] = {one.name: one.metadata["setting"] for one in fields(EditorSettings)}
"""All settings by name."""
CONFIG_SETTINGS = {one.name: ALL_SETTINGS[one.name] for one in fields(Settings)}
"""The settings of `config.toml` and the environment."""
EDITOR_SETTINGS = {name: one for name, one in ALL_SETTINGS.items() if one.set_by > SetBy.CONFIG}
"""The settings of editors."""


def key_of(name: str) -> str:
    """Return a setting's name in an editor, without the prefix `nano.`."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)
