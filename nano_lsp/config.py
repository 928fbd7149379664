"""Settings and the user's folders.

Sources of a setting, later ones take precedence: its default here, `config.toml` in the configuration folder, an
environment variable `NANO_LSP_<NAME>`, the caller. Folders follow the conventions of each system (platformdirs);
`NANO_LSP_HOME` puts all of them under one folder.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from nano_lsp.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

APP = "nano-lsp"
DRIFT_TOKENS = 16_384
"""Number of prompt tokens beyond which the model's reasoning degrades (specification, "Limits")."""
KV_TYPES = ("f16", "q8_0", "q4_0")
SHARED, IN_PROCESS = "shared", "in-process"
SCRIPTED = "scripted:"
"""Prefix of the name of a model without weights, for tests; the path of its script follows."""
ENGINE_PATTERN = f"{SHARED}|{IN_PROCESS}|https?://.+"


@dataclass(frozen=True)
class Settings:
    """User settings.

    Attributes:
        engine: Where the model runs: `shared`, in one process for all programs of this user, which is started when
            needed; `in-process`, in the program itself; or the address of a server that completes raw prompts,
            `https://…`.
        model: Name from `nano-lsp model list`, or path of a GGUF file.
        adapter: Path of a LoRA adapter (GGUF) applied to the model; empty for none.
        n_ctx: Context length in tokens, 512 to 32,768; it costs 28 KB per token with the f16 KV cache.
        n_threads: Number of inference threads; 0 uses the physical cores available to this process, and fewer while
            other programs compute.
        n_batch: Number of prompt tokens evaluated at once. A cancelled request loses the work on one such batch;
            smaller ones are slower, by a tenth at 32 tokens.
        n_seq_max: Maximum number of KV sequences.
        kv_type: Data type of the KV cache: f16, q8_0 (half the memory) or q4_0.
        check_memory: Whether to refuse to load a model that needs more memory than is available.
        snapshots: Whether the shared engine writes KV sequences to disk when they are evicted from memory, and all
            of them when it exits.
        prompt_tokens: Maximum number of code tokens in the prompt of a completion; evaluating a prompt without any
            cached tokens takes this number divided by 60 to 85, in seconds, on two cores.
        imported_tokens: Maximum number of these tokens for signatures that the document imports from its workspace.
        max_tokens: Maximum number of tokens of a completion.
        latency_ms: Target latency of automatic suggestions: prompt and completion are shortened according to the
            measured speed, within `prompt_tokens` and `max_tokens`; 0 always uses these limits.
        unload_minutes: Minutes without a request after which the shared engine unloads the model.
        exit_minutes: Minutes without a request after which the shared engine exits.
    """

    engine: str = SHARED
    model: str = "nano"
    adapter: str = ""
    n_ctx: int = 4096
    n_threads: int = 0
    n_batch: int = 128
    n_seq_max: int = 8
    kv_type: str = "f16"
    check_memory: bool = True
    snapshots: bool = True
    prompt_tokens: int = 768
    imported_tokens: int = 256
    max_tokens: int = 128
    latency_ms: int = 2000
    unload_minutes: float = 15.0
    exit_minutes: float = 120.0

    def __post_init__(self) -> None:
        _check_range("n_ctx", self.n_ctx, 512, 32_768)
        _check_range("n_threads", self.n_threads, 0, 256)
        _check_range("n_batch", self.n_batch, 1, 512)
        _check_range("n_seq_max", self.n_seq_max, 4, 64)
        _check_range("prompt_tokens", self.prompt_tokens, 64, 16_384)
        _check_range("imported_tokens", self.imported_tokens, 0, 4096)
        _check_range("max_tokens", self.max_tokens, 1, 4096)
        _check_range("latency_ms", self.latency_ms, 0, 600_000)
        _check_range("unload_minutes", self.unload_minutes, 0, 1440)
        _check_range("exit_minutes", self.exit_minutes, 0, 1440)
        if not re.fullmatch(ENGINE_PATTERN, self.engine):
            raise ConfigError(
                f"engine is {self.engine!r}.", f"Choose {SHARED}, {IN_PROCESS} or the address of a server, https://…"
            )
        if self.kv_type not in KV_TYPES:
            raise ConfigError(f"kv_type is {self.kv_type!r}.", f"Choose one of: {', '.join(KV_TYPES)}.")


@dataclass(frozen=True)
class Folders:
    """The user's configuration, data, cache and runtime folders.

    Attributes:
        config: Folder of `config.toml` and `models.toml`.
        models: Folder of model files.
        cache: Folder of KV snapshots, logs and unfinished downloads of libraries.
        runtime: Folder of the shared engine's socket and lock.
    """

    config: Path
    models: Path
    cache: Path
    runtime: Path


def find_folders(env: Mapping[str, str] = os.environ) -> Folders:
    """Determine the folders of this user, as absolute paths; nothing is created.

    Raises:
        ConfigError: There is no home folder, for instance for a container user without an entry in /etc/passwd.
    """
    home = env.get("NANO_LSP_HOME")
    try:
        if home:
            root = Path(home).expanduser().absolute()
            return Folders(config=root / "config", models=root / "models", cache=root / "cache", runtime=root / "run")
        found = _platform_folders(env)
    except (RuntimeError, KeyError) as error:  # raised by pathlib and by older versions of platformdirs
        raise _no_home() from error
    if not all(folder.is_absolute() for folder in (found.config, found.models, found.cache)):
        raise _no_home()
    return found


def _no_home() -> ConfigError:
    return ConfigError(
        "There is no home folder: HOME is not the full path of a folder, and this user has no entry in /etc/passwd.",
        "Set NANO_LSP_HOME, or HOME, to a folder that can be written.",
    )


def _platform_folders(env: Mapping[str, str]) -> Folders:
    return Folders(
        config=platformdirs.user_config_path(APP, appauthor=False),
        models=platformdirs.user_data_path(APP, appauthor=False) / "models",
        cache=platformdirs.user_cache_path(APP, appauthor=False),
        runtime=_runtime_folder(env) or platformdirs.user_cache_path(APP, appauthor=False) / "run",
    )


def _runtime_folder(env: Mapping[str, str]) -> Path | None:
    """The folder for files of the user's session; None if the machine has none.

    Not from platformdirs, which warns and falls back to a folder that any user may have created.
    """
    if not hasattr(os, "getuid"):
        return None
    session = Path(env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    return session / APP if session.is_dir() and os.access(session, os.W_OK) else None


def load_settings(env: Mapping[str, str] = os.environ, **overrides: object) -> Settings:
    """Load settings from defaults, file, environment and caller.

    Args:
        env: Environment variables.
        overrides: Settings of the caller; None means not set.

    Raises:
        ConfigError: The file cannot be parsed, or a setting is unknown, of the wrong type or out of range.
    """
    values: dict[str, object] = {}
    path = find_folders(env).config / "config.toml"
    for name, value in load_toml(path).items():
        values[name] = _convert(name, value, f"in {path}")
    for field in fields(Settings):
        text = env.get(f"NANO_LSP_{field.name.upper()}")
        if text is not None:
            values[field.name] = _convert(field.name, text, f"in the variable NANO_LSP_{field.name.upper()}")
    for name, value in overrides.items():
        if value is not None:
            values[name] = _convert(name, value, "given")
    return replace(Settings(), **values)  # type: ignore[arg-type]


def is_path(model: str) -> bool:
    """Whether a model is given as the path of its file."""
    return model.endswith(".gguf") or os.sep in model or "/" in model


def with_absolute_paths(settings: Settings) -> Settings:
    """Make the paths in settings absolute, for a process with another working directory."""

    def absolute(path: str) -> str:
        return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - without a home, `~` stays

    scheme = SCRIPTED if settings.model.startswith(SCRIPTED) else ""
    model = settings.model.removeprefix(scheme)
    if scheme or is_path(model):
        model = absolute(model)
    return replace(settings, model=scheme + model, adapter=settings.adapter and absolute(settings.adapter))


def portable_environment(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a process with another working directory: NANO_LSP_HOME is an absolute path."""
    home = env.get("NANO_LSP_HOME")
    return {**env, "NANO_LSP_HOME": os.path.abspath(os.path.expanduser(home))} if home else dict(env)  # noqa: PTH100, PTH111


def load_toml(path: Path) -> dict[str, Any]:
    """Load a TOML file; empty if the file does not exist.

    Raises:
        ConfigError: The file cannot be read or parsed.
    """
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", "Correct the file or move it away.") from error
    return content


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}.", f"Choose a number from {low} to {high}.")


def _convert(name: str, value: object, where: str) -> object:
    """Convert a setting's value to its type; text is parsed, any other value must already have the type."""
    default = getattr(Settings(), name, None) if name in Settings.__dataclass_fields__ else None
    if default is None:
        known = ", ".join(Settings.__dataclass_fields__)
        raise ConfigError(f"There is no setting {name!r} ({where}).", f"The settings are: {known}.")
    kind = type(default)
    try:
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
        if isinstance(value, str) and kind is bool:
            return {"1": True, "true": True, "0": False, "false": False}[value.lower()]
        if isinstance(value, str) and kind is int:
            return int(value)
        if kind is float and isinstance(value, (str, int)) and not isinstance(value, bool):
            return float(value)
    except (KeyError, ValueError):
        pass
    raise ConfigError(f"The setting {name} is {value!r} ({where}).", f"It takes a value like {default!r}.")
