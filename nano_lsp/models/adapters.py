"""Installed adapters, and which of them suggestions use.

The store is a folder of files that are named after their SHA-256, and `adapters.json`: names of adapters, and the
choice for each workspace. A file is complete and checked before it has its name, and `adapters.json` is replaced by
renaming, so nobody reads half of either.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nano_lsp.atomic_files import require_disk_space, whole_file, write_whole
from nano_lsp.config import SCRIPTED, Folders, is_path
from nano_lsp.errors import AdapterError, ChecksumError, ConfigError, NanoError, UnknownAdapterError
from nano_lsp.models.adapter_file import AdapterFile, BaseModel, base_sha256, check_adapter
from nano_lsp.models.store import FREE_SPACE, ModelStore, locked, writing

AUTO, NONE = "auto", "none"
"""Values of the setting `adapter`; an empty text is the same as `none`."""
EVERYBODY = ""
"""Stands for all workspaces without a choice of their own."""
SHIPPED = Path(__file__).with_name("shipped_adapters")
"""Folder of the adapters that come with the package, `<model>.gguf` for each model; there are none yet."""
_INDEX = "adapters.json"


@dataclass(frozen=True)
class InstalledAdapter:
    """An adapter in the store.

    Attributes:
        name: Its name; bytes that are not UTF-8 are lone surrogates, as in a path.
        path: Path of its file.
        workspaces: Folders that it is the choice for; `EVERYBODY` for all others.
    """

    name: str
    path: Path
    workspaces: tuple[str, ...]


@dataclass(frozen=True)
class AdapterChoice:
    """The adapter of suggestions.

    Attributes:
        name: Name or path of the adapter that the settings or the workspace name; empty for none.
        file: Its file; None if there is none, or if it is left out.
        left_out: Why `auto` does not use it, a sentence; empty if it does.
    """

    name: str = ""
    file: AdapterFile | None = None
    left_out: str = ""


@dataclass(frozen=True)
class _Index:
    """Content of `adapters.json`: SHA-256 by name, and chosen names by folder."""

    adapters: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)


class AdapterStore:
    """Installed adapters by name.

    Args:
        folder: Folder of the files, `Folders.adapters`; created when needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def entries(self) -> list[InstalledAdapter]:
        """All installed adapters, by name.

        Raises:
            AdapterError: The store's list cannot be read.
        """
        index = self._read()
        return [
            InstalledAdapter(
                name, self._path(sha256), tuple(folder for folder, chosen in index.choices.items() if chosen == name)
            )
            for name, sha256 in sorted(index.adapters.items())
        ]

    def find(self, name: str, base: BaseModel | None = None) -> AdapterFile:
        """The file of an adapter, checked.

        Args:
            name: Name of the adapter.
            base: The model that it is to fit; None for any.

        Raises:
            UnknownAdapterError: No adapter has this name.
            ChecksumError: Its file is not the one that was installed.
            GgufError, AdapterError: It cannot be read, or was made for another model.
        """
        sha256 = _sha256_of(name, self._read().adapters)
        found = check_adapter(self._path(sha256), base)
        if found.sha256 != sha256:
            raise ChecksumError(f"The file of the adapter {name} has changed: {found.path}.", "Install it again.")
        return found

    def choice(self, workspace: Path | None) -> str:
        """Name of the adapter that is chosen for a folder, an enclosing folder or everybody, in this order.

        Returns:
            The name, `none`, or an empty text where nothing is chosen.

        Raises:
            AdapterError: The store's list cannot be read.
        """
        choices = self._read().choices
        if not choices:
            return ""
        folder = Path(os.path.realpath(workspace)) if workspace else None
        for candidate in (folder, *folder.parents) if folder else ():
            if chosen := choices.get(str(candidate)):
                return chosen
        return choices.get(EVERYBODY, "")

    def install(self, file: Path, name: str = "") -> str:
        """Copy an adapter file into the store; one that had the name is replaced.

        Args:
            file: Path of the GGUF file.
            name: Name of the adapter; that of the file if empty.

        Returns:
            The name.

        Raises:
            GgufError, AdapterError: It is not a sound adapter.
            ChecksumError: It has changed while it was copied.
            ConfigError: The name is not possible.
            DiskSpaceError, StoreWriteError, StoreBusyError: The store cannot be written now.
        """
        name = name or file.stem
        if name in {AUTO, NONE} or is_path(name):
            raise ConfigError(
                f"An adapter cannot have the name {name!r}.", "Give it another one, without slashes: `--name NAME`."
            )
        sha256 = check_adapter(file).sha256  # before anything is written
        with self._changing() as index:
            require_disk_space(f"The adapter {name}", self._folder, file.stat().st_size, FREE_SPACE)
            with whole_file(self._path(sha256)) as copy:
                shutil.copyfile(file, copy)
                if check_adapter(copy).sha256 != sha256:
                    raise ChecksumError(f"{file} has changed while it was copied.", "Run the command again.")
            index["adapters"][name] = sha256
        return name

    def choose(self, name: str, workspace: Path | None) -> None:
        """Make an adapter the choice for a workspace, or for everybody.

        Args:
            name: Name of the adapter; `none` for no adapter there, `auto` to remove the choice.
            workspace: Folder of the workspace; None for everybody.

        Raises:
            UnknownAdapterError: No adapter has this name.
            DiskSpaceError, StoreWriteError, StoreBusyError: The store cannot be written now.
        """
        folder = os.path.realpath(workspace) if workspace else EVERYBODY
        with self._changing() as index:
            if name == AUTO:
                index["choices"].pop(folder, None)
                return
            if name != NONE:
                _sha256_of(name, index["adapters"])
            index["choices"][folder] = name

    def remove(self, name: str) -> tuple[str, ...]:
        """Delete an adapter, and the choices that name it.

        Returns:
            The folders that it was the choice for; `EVERYBODY` for all others.

        Raises:
            UnknownAdapterError: No adapter has this name.
            DiskSpaceError, StoreWriteError, StoreBusyError: The store cannot be written now.
        """
        with self._changing() as index:
            _sha256_of(name, index["adapters"])
            del index["adapters"][name]
            used_by = tuple(folder for folder, chosen in index["choices"].items() if chosen == name)
            for folder in used_by:
                del index["choices"][folder]
        return used_by

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.gguf"

    def _read(self) -> _Index:
        path = self._folder / _INDEX
        try:
            content: Any = json.loads(path.read_bytes())
            adapters, choices = dict(content["adapters"]), dict(content["choices"])
            if not all(isinstance(text, str) for text in (*adapters.values(), *choices.values())):
                raise TypeError("a value is not a text")  # noqa: TRY301 - reported below
        except (FileNotFoundError, NotADirectoryError):
            return _Index()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AdapterError(
                f"{path} cannot be read: {error}.", "Correct it, or delete it and install the adapters again."
            ) from error
        return _Index(adapters, choices)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, str]]]:
        """The list of adapters and choices, to change; written at the end, then files without a name are deleted."""
        with writing(self._folder), locked(self._folder):
            before = self._read()
            index = {"adapters": dict(before.adapters), "choices": dict(before.choices)}
            yield index
            write_whole(self._folder / _INDEX, json.dumps(index, indent=1).encode("ascii"))  # escapes lone surrogates
            for path in self._folder.glob("*.gguf"):
                if path.stem not in index["adapters"].values():
                    path.unlink()


def _sha256_of(name: str, adapters: Mapping[str, str]) -> str:
    """SHA-256 of an adapter's file.

    Raises:
        UnknownAdapterError: No adapter has this name.
    """
    if name not in adapters:
        raise UnknownAdapterError(
            f"There is no adapter {name!r}.",
            "`nano-lsp adapter list` shows all; `nano-lsp adapter use FILE.gguf` installs one.",
        )
    return adapters[name]


def choose_adapter(setting: str, workspace: Path | None, base: BaseModel, folders: Folders) -> AdapterChoice:
    """The adapter for suggestions in a workspace.

    Args:
        setting: The setting `adapter`: `auto`, `none` or empty, a name, or a path.
        workspace: Folder of the workspace; None for none.
        base: The loaded model.
        folders: The user's folders.

    Raises:
        UnknownAdapterError: No adapter has the name in the setting.
        GgufError, AdapterError, ChecksumError: The adapter in the setting is damaged or was made for another model.
    """
    store = AdapterStore(folders.adapters)
    if setting in {"", NONE}:
        return AdapterChoice()
    if setting != AUTO:
        found = check_adapter(Path(setting).expanduser(), base) if is_path(setting) else store.find(setting, base)
        return AdapterChoice(setting, found)
    name = ""
    try:
        name = store.choice(workspace)
        if not name and (shipped := shipped_adapter(base.name)):
            name = shipped.name
            return AdapterChoice(name, check_adapter(shipped, base))
        return AdapterChoice() if name in {"", NONE} else AdapterChoice(name, store.find(name, base))
    except NanoError as error:
        return AdapterChoice(name, left_out=error.message)


def find_base(model: str, folders: Folders) -> BaseModel:
    """The file of a model, present or not, to check adapters against.

    Args:
        model: The setting `model`.
        folders: The user's folders.

    Raises:
        ConfigError: The user's `models.toml` is not valid.
        UnknownModelError: The text is neither a name nor a path.
    """
    if model.startswith(SCRIPTED):
        return BaseModel(model, Path(model.removeprefix(SCRIPTED)), has_weights=False)
    store = ModelStore(folders)
    if model not in store.entries and is_path(model):
        return BaseModel(model, Path(model).expanduser())
    return BaseModel(model, store.path(model), store.entries[model].sha256)


def hash_base(base: BaseModel, setting: str, folders: Folders) -> None:
    """Compute the SHA-256 of a model's file now, which takes seconds, if an adapter may be compared with it later.

    Args:
        base: The model; nothing is done if its SHA-256 is known.
        setting: The setting `adapter`.
        folders: The user's folders.
    """
    if base.sha256 or not base.has_weights or setting in {"", NONE}:
        return
    with contextlib.suppress(NanoError):  # reported when an adapter is used
        if is_path(setting) or AdapterStore(folders.adapters).entries():
            base_sha256(base)


def shipped_adapter(model: str, folder: Path | None = None) -> Path | None:
    """The adapter file that comes with the package for a model; None for none.

    Args:
        model: Name of the model; a path has no shipped adapter.
        folder: Folder of the files; None for `SHIPPED`.
    """
    path = (folder or SHIPPED) / f"{model}.gguf"
    return path if not is_path(model) and path.is_file() else None
