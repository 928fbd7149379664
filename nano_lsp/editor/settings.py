"""Editor settings `nano.*`, from `initializationOptions` or `workspace/configuration`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nano_lsp.config import ENGINE_PATTERN, KV_TYPES, SHARED, Settings, load_toml

_OF_PROJECTS = {"prompt_tokens", "imported_tokens", "max_tokens", "max_lines", "latency_ms", "alternatives"} | {
    *("confidence", "token_confidence", "docstring_style", "languages", "exclude", "enabled", "prefetch", "code_lens")
}
"""Settings that a project may set: none that names a file to load or extends what is read or stored."""
_OF_USERS = {
    "engine": "engine",
    "model": "model",
    "adapter": "adapter",
    "context": "n_ctx",
    "threads": "n_threads",
    "kv_type": "kv_type",
    "prompt_tokens": "prompt_tokens",
    "imported_tokens": "imported_tokens",
    "max_tokens": "max_tokens",
    "latency_ms": "latency_ms",
}
"""Settings that `config.toml` and the environment may set as well, with their names there."""


def _setting(
    default: Any,  # noqa: ANN401 - a field of any type
    doc: str,
    *,
    least: float = 0,
    most: float = 0,
    choices: tuple[str, ...] = (),
    pattern: str = "",
) -> Any:  # noqa: ANN401
    metadata = {"doc": doc, "least": least, "most": most, "choices": choices, "pattern": pattern}
    if isinstance(default, (dict, list)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class EditorSettings:
    """Editor settings. Each one is called `nano.` and its name in camel case; its documentation is in its field."""

    enabled: bool = _setting(True, "Suggest anything at all.")
    engine: str = _setting(
        "",
        "Where the model runs: `shared`, one process for all editors and notebooks; `in-process`, the server "
        "itself; or the address of a server that completes raw prompts, `https://…`; empty: as `config.toml` says, "
        "else `shared`.",
        pattern=f"|{ENGINE_PATTERN}",
    )
    model: str = _setting(
        "nano",
        "A name from `nano-lsp model list`, or the path of a GGUF file; not set: as `config.toml` says, else `nano`.",
    )
    adapter: str = _setting("", "Path of a LoRA adapter (GGUF) to lay over the model.")
    threads: int = _setting(
        0, "Number of threads; 0 takes the usable physical cores, and fewer while other programs compute.", most=256
    )
    context: int = _setting(4096, "Context in tokens; 28 KB of memory each.", least=512, most=32_768)
    kv_type: str = _setting("f16", "Type of the KV cache; `q8_0` takes half the memory.", choices=KV_TYPES)
    prompt_tokens: int = _setting(768, "Tokens of code in a prompt, at most.", least=64, most=16_384)
    imported_tokens: int = _setting(
        256, "Of these, at most so many for signatures that a document imports from its workspace.", most=4096
    )
    max_tokens: int = _setting(128, "Tokens of a suggestion, at most.", least=1, most=4096)
    max_lines: int = _setting(0, "Lines of a suggestion that nobody asked for, at most; 0 sets no limit.", most=1000)
    latency_ms: int = _setting(
        2000, "What a suggestion that nobody asked for may take; 0 sets no limit.", most=600_000
    )
    alternatives: int = _setting(3, "How many suggestions to offer who asks.", least=1, most=3)
    debounce_ms: int = _setting(
        150,
        "How long to wait for the next key before the model is asked, at most; less for who types fast.",
        most=5000,
    )
    token_confidence: float = _setting(
        0.3, "A suggestion that nobody asked for ends before the first token that the model gives less.", most=1
    )
    confidence: float = _setting(
        0.0,
        "Hide automatic suggestions whose confidence, the mean probability of their tokens, is below this value.",
        most=1,
    )
    calibrate: bool = _setting(
        True,
        "Hide automatic suggestions whose confidence is below the level you rarely keep, learned for each language "
        "from statistics kept on this machine (`nano.statistics`). At least half of the suggestions are shown; "
        "`nano-lsp stats` prints the level.",
    )
    prefetch: bool = _setting(True, "Think on what follows a suggestion while it is shown.")
    completion_item: bool = _setting(
        False, "Offer a suggestion in the completion menu, even where the editor has ghost text."
    )
    docstring_style: str = _setting(
        "auto",
        "Style of new docstrings; `auto` takes the one that the file has, else Google's.",
        choices=("auto", "google", "numpy", "sphinx"),
    )
    code_lens: bool = _setting(False, "Show `explain | document` above functions and classes.")
    statistics: bool = _setting(
        True,
        "Keep statistics of suggestions shown, accepted and kept, in a file on this machine: numbers, no code.",
    )
    trusted: bool = _setting(True, "Whether the workspace is trusted; files of another one are read only while open.")
    workspace: bool = _setting(True, "Read signatures from Python files of the workspace that are not open.")
    languages: dict[str, bool] = _setting({}, 'Languages to leave out, as `{"markdown": false}`.')
    exclude: list[str] = _setting([], "Patterns, as in .gitignore, of files that get no suggestions.")

    @property
    def reads_files(self) -> bool:
        """Whether files that are not open may be read."""
        return self.workspace and self.trusted

    @property
    def for_loading(self) -> tuple[object, ...]:
        """Values that require a new assistant when they change."""
        return self.reads_files, *(getattr(self, name) for name in _OF_USERS)

    @property
    def of_model(self) -> Settings:
        """The settings that the assistant needs."""
        values = {of_user: getattr(self, name) for name, of_user in _OF_USERS.items()}
        return Settings(**{**values, "engine": self.engine or SHARED})


def read_settings(
    *given: object, project: Mapping[str, Any] | None = None, user: Settings | None = None
) -> tuple[EditorSettings, list[str]]:
    """Merge the settings of an editor, and return a sentence for each invalid one, which counts as not set.

    Args:
        given: Settings objects, with or without an enclosing `nano`; later ones take precedence, other values are
            ignored.
        project: Settings from the project's `[tool.nano-lsp]`; the editor's take precedence.
        user: Settings from the user's configuration and environment; the project's take precedence.
    """
    values = {name: getattr(user, of_user) for name, of_user in _OF_USERS.items()} if user else {}
    of_project, warnings = _read(project or {}, of_project=True)
    values |= of_project
    for layer in given:
        settings = _own(layer)
        own, others = _read(settings if isinstance(settings, Mapping) else {}, of_project=False)
        values |= own
        warnings += others
    return EditorSettings(**values), warnings


def _own(layer: object) -> object:
    """The settings of this program in a settings object: some editors send those of all language servers."""
    if not isinstance(layer, Mapping):
        return None
    flat = {key: value for key, value in layer.items() if str(key).startswith("nano.")}
    if "nano" in layer:
        inner = layer["nano"]
        return {**(inner if isinstance(inner, Mapping) else {}), **flat}
    known = {key_of(setting.name) for setting in fields(EditorSettings)}
    others = {key for key, value in layer.items() if isinstance(value, Mapping) or "." in str(key)} - known
    return {**{key: value for key, value in layer.items() if key not in others}, **flat}


def load_project(root: Path) -> dict[str, Any]:
    """Load the table `[tool.nano-lsp]` of a folder's pyproject.toml; empty if there is none.

    Raises:
        ConfigError: The file cannot be parsed.
    """
    tool = load_toml(root / "pyproject.toml").get("tool")
    table = tool.get("nano-lsp") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else {}


def _read(given: Mapping[str, Any], *, of_project: bool) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    warnings: list[str] = []
    known = {key_of(setting.name): setting for setting in fields(EditorSettings)}
    for key, value in given.items():
        name = re.sub(r"-(\w)", lambda found: found[1].upper(), str(key).removeprefix("nano."))
        setting = known.get(name)
        if setting is None:
            warnings.append(f"There is no setting nano.{key}.")
            continue
        if of_project and setting.name not in _OF_PROJECTS:
            warnings.append(f"nano.{key} cannot be set by a project; set it in the editor.")
            continue
        if value is None or (value == "" and setting.name in {"engine", "model"}):
            continue
        default = getattr(EditorSettings(), setting.name)
        if value in ([], {}) and isinstance(default, (list, dict)):
            value = default  # noqa: PLW2901 - in Lua, an empty list and an empty object are the same table
        if isinstance(value, float) and isinstance(default, int) and value.is_integer():
            value = int(value)  # noqa: PLW2901 - some languages have a single number type
        if reason := _objection(value, default, setting.metadata):
            warnings.append(f"nano.{key} is {value!r}; {reason}. It counts as not set.")
        else:
            values[setting.name] = type(default)(value)
    return values, warnings


def key_of(name: str) -> str:
    """Return a setting's name in an editor."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _objection(value: object, default: object, metadata: Mapping[str, Any]) -> str:  # noqa: PLR0911 - a list of checks
    """Reason why a value is invalid; empty for a valid one."""
    wanted = type(default)
    fitting = isinstance(value, (int, float) if wanted is float else wanted)
    if not fitting or isinstance(value, bool) != (wanted is bool):
        names = {
            bool: "true or false",
            int: "a whole number",
            float: "a number",
            str: "a text",
            list: "a list of texts",
        }
        return f"it takes {names.get(wanted, 'an object of true and false')}"
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return "it takes a list of texts"
    if isinstance(value, Mapping) and not all(isinstance(item, bool) for item in value.values()):
        return "it takes an object of true and false"
    if metadata["choices"] and value not in metadata["choices"]:
        return f"it takes one of {', '.join(metadata['choices'])}"
    if metadata["pattern"] and not re.fullmatch(metadata["pattern"], str(value)):
        return "it is none of what it takes"
    counts = isinstance(value, (int, float)) and not isinstance(value, bool)
    if counts and not metadata["least"] <= value <= metadata["most"]:
        return f"it takes a number from {metadata['least']} to {metadata['most']}"
    return ""
