"""The user's configuration: settings from the files and the environment, and folders.

Sources of a setting, later ones take precedence: its default, the `config.toml` of the machine's administrator, that
in the user's configuration folder, an environment variable `NANO_LSP_<NAME>`, the caller. Folders follow the
conventions of each system (platformdirs); `NANO_LSP_HOME` puts all of the user's under one folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from nano_lsp.errors import ConfigError
from nano_lsp.settings import CONFIG_SETTINGS, Settings

APP = "nano-lsp"
DRIFT_TOKENS = 16_384
"""Number of prompt tokens beyond which the model's reasoning degrades (specification, "Limits")."""
SCRIPTED = "scripted:"
"""Prefix of the name of a model without weights, for tests; the path of its script follows."""
_STAYS_ON = {"offline"}
"""Settings that a source can switch on for those after it, and none can switch off."""


@dataclass(frozen=True)
class Folders:
    """The user's configuration, data, cache and runtime folders.

    Attributes:
        config: Folder of `config.toml` and `models.toml`.
        models: Folder of model files.
        shared_models: Folder of model files for all users, which is only read; None for none.
        cache: Folder of KV snapshots, logs and unfinished downloads of libraries.
        runtime: Folder of the shared engine's socket and lock.
    """

    config: Path
    models: Path
    cache: Path
    runtime: Path
    shared_models: Path | None = None

    @property
    def adapters(self) -> Path:
        """Folder of installed adapters, beside that of models."""
        return self.models.with_name("adapters")

    @property
    def forge(self) -> Path:
        """Folder of what `nano-lsp forge run` writes for each workspace, beside that of models."""
        return self.models.with_name("forge")


def find_folders(env: Mapping[str, str] = os.environ) -> Folders:
    """Determine the folders of this user, as absolute paths; nothing is created.

    Raises:
        ConfigError: There is no home folder, for instance for a container user without an entry in /etc/passwd.
    """
    home = env.get("NANO_LSP_HOME")
    try:
        shared = Path(env["NANO_LSP_SHARED_MODELS"]).expanduser() if env.get("NANO_LSP_SHARED_MODELS") else None
        if home:
            root = Path(home).expanduser().absolute()
            own = root / "config", root / "models", root / "cache", root / "run"
            return Folders(*own, shared.absolute() if shared else None)
        found = replace(_platform_folders(env), shared_models=shared or machine_folders().models)
    except (RuntimeError, KeyError) as error:  # raised by pathlib and by older versions of platformdirs
        raise _no_home() from error
    if not all(folder.is_absolute() for folder in (found.config, found.models, found.cache)):
        raise _no_home()
    return found


@dataclass(frozen=True)
class MachineFolders:
    """What an administrator provides for all users: the file `config.toml`, and a folder of model files."""

    config_file: Path
    models: Path


def machine_folders() -> MachineFolders:
    """The administrator's folders, in which no other user can create files; either may be missing.

    Not those of platformdirs, which follow variables of the user, such as XDG_CONFIG_DIRS.
    """
    config, data = Path("/etc"), Path("/usr/local/share")
    if sys.platform == "darwin":
        config = data = Path("/Library/Application Support")
    elif sys.platform == "win32":
        config = data = _program_files()
    return MachineFolders(config / APP / "config.toml", data / APP / "models")


def _program_files() -> Path:
    """Windows' folder of programs: in that of their data, ProgramData, any user may create what is not there yet."""
    import winreg  # noqa: PLC0415 - only on Windows

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Windows\CurrentVersion") as key:  # type: ignore[attr-defined]
        return Path(winreg.QueryValueEx(key, "ProgramFilesDir")[0])  # type: ignore[attr-defined]


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
    """Load settings from defaults, the machine's and the user's file, environment and caller.

    Args:
        env: Environment variables.
        overrides: Settings of the caller; None means not set.

    Raises:
        ConfigError: A file cannot be read or parsed, or a setting is unknown, of the wrong type or out of range.
    """
    values: dict[str, object] = {}

    def put(name: str, value: object, where: str) -> None:
        converted = _convert(name, value, where)
        values[name] = (name in _STAYS_ON and values.get(name)) or converted

    for path in _config_files(env):
        for name, value in load_toml(path).items():
            put(name, value, f"in {path}")
    for name in CONFIG_SETTINGS:
        variable = f"NANO_LSP_{name.upper()}"
        if variable in env:
            put(name, env[variable], f"in the variable {variable}")
    for name, value in overrides.items():
        if value is not None:
            put(name, value, "given")
    return Settings(**values)  # type: ignore[arg-type]


def is_offline(env: Mapping[str, str] = os.environ) -> bool:
    """Whether the setting `offline` is on; sources that cannot be read have no say: `load_settings` reports them."""
    with contextlib.suppress(ConfigError):
        if _convert("offline", env.get("NANO_LSP_OFFLINE", False), ""):
            return True
    with contextlib.suppress(ConfigError):  # there is no home folder
        for path in _config_files(env):
            with contextlib.suppress(ConfigError):
                if _convert("offline", load_toml(path).get("offline", False), ""):
                    return True
    return False


def _config_files(env: Mapping[str, str]) -> Iterator[Path]:
    """The files with settings, the administrator's first.

    Raises:
        ConfigError: There is no home folder; after the first file.
    """
    yield machine_folders().config_file
    yield find_folders(env).config / "config.toml"


def is_path(name: str) -> bool:
    """Whether a model or an adapter is given as the path of its file, and not by its name."""
    return name.endswith(".gguf") or os.sep in name or "/" in name


def with_absolute_paths(settings: Settings) -> Settings:
    """Make the paths in settings absolute, for a process with another working directory."""

    def absolute(path: str) -> str:
        return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - without a home, `~` stays

    scheme = SCRIPTED if settings.model.startswith(SCRIPTED) else ""
    model, adapter = settings.model.removeprefix(scheme), settings.adapter
    if scheme or is_path(model):
        model = absolute(model)
    return replace(settings, model=scheme + model, adapter=absolute(adapter) if is_path(adapter) else adapter)


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
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:  # also an integer of thousands of digits
        raise ConfigError(f"{path} cannot be read: {error}.", "Correct the file or move it away.") from error
    return content


def _convert(name: str, value: object, where: str) -> object:
    """Convert a setting's value to its type; text is parsed."""
    if name not in CONFIG_SETTINGS:
        raise ConfigError(
            f"There is no setting {name!r} ({where}).", f"The settings are: {', '.join(CONFIG_SETTINGS)}."
        )
    setting = CONFIG_SETTINGS[name]
    try:
        return setting.parse(value) if isinstance(value, str) else setting.check(value)
    except ValueError:
        raise ConfigError(f"The setting {name} is {value!r} ({where}).", f"Choose {setting.takes}.") from None
