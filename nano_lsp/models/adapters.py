"""Installed adapters, and which of them suggestions use.

The store is a folder of files that are named after their SHA-256, and `adapters.json`: names of adapters, and the
choices for each workspace, one for each model. A file is complete and checked before it has its name, and
`adapters.json` is replaced by renaming, so nobody reads half of either.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nano_lsp.atomic_files import require_disk_space, whole_file, write_whole
from nano_lsp.config import SCRIPTED, Folders, is_path
from nano_lsp.errors import (
    AdapterError,
    ChecksumError,
    ConfigError,
    GgufError,
    NanoError,
    OtherModelError,
    UnknownAdapterError,
)
from nano_lsp.models.adapter_file import BASE_KEY, AdapterFile, BaseModel, base_sha256, check_adapter
from nano_lsp.models.gguf import read_header
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
    """Content of `adapters.json`: SHA-256 by name, and chosen names by folder, the newest first."""

    adapters: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


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
                name, self._path(sha256), tuple(folder for folder, chosen in index.choices.items() if name in chosen)
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

    def choices(self, workspace: Path | None) -> list[str]:
        """Names of the adapters that are chosen for a folder, enclosing folders and everybody, in this order.

        The first that fits a model is the choice for it; `none` stands for no adapter, whatever the model.

        Raises:
            AdapterError: The store's list cannot be read.
        """
        choices = self._read().choices
        folder = Path(os.path.realpath(workspace)) if workspace and choices else None
        places = [*map(str, (folder, *folder.parents))] if folder else []
        return [name for place in (*places, EVERYBODY) for name in choices.get(place, ())]

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
            index.adapters[name] = sha256
        return name

    def choose(self, name: str, workspace: Path | None) -> list[str]:
        """Make an adapter the choice for a workspace, or for everybody; those for other models stay.

        Args:
            name: Name of the adapter; `none` for no adapter there, `auto` to remove the choices.
            workspace: Folder of the workspace; None for everybody.

        Returns:
            The choices that stay, for models that the adapter does not fit.

        Raises:
            UnknownAdapterError: No adapter has this name.
            DiskSpaceError, StoreWriteError, StoreBusyError: The store cannot be written now.
        """
        folder = os.path.realpath(workspace) if workspace else EVERYBODY
        with self._changing() as index:
            before = index.choices.pop(folder, [])
            if name == AUTO:
                return []
            others = []
            if name != NONE:
                made_for = self._made_for(name, index.adapters)
                others = [each for each in before if each != name and each in index.adapters]
                others = [each for each in others if not made_for or self._made_for(each, index.adapters) != made_for]
            index.choices[folder] = [name, *others]
        return others

    def remove(self, name: str) -> tuple[str, ...]:
        """Delete an adapter, and the choices that name it.

        Returns:
            The folders that it was the choice for; `EVERYBODY` for all others.

        Raises:
            UnknownAdapterError: No adapter has this name.
            DiskSpaceError, StoreWriteError, StoreBusyError: The store cannot be written now.
        """
        with self._changing() as index:
            _sha256_of(name, index.adapters)
            del index.adapters[name]
            used_by = tuple(folder for folder, chosen in index.choices.items() if name in chosen)
            for folder in used_by:
                index.choices[folder].remove(name)
        return used_by

    def _made_for(self, name: str, adapters: Mapping[str, str]) -> str:
        """SHA-256 of the model that an adapter was trained over; empty where its file does not say it.

        Raises:
            UnknownAdapterError: No adapter has this name.
        """
        path = self._path(_sha256_of(name, adapters))
        with contextlib.suppress(GgufError):
            return str(read_header(path).metadata.get(BASE_KEY, ""))
        return ""

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.gguf"

    def _read(self) -> _Index:
        path = self._folder / _INDEX
        try:
            content: Any = json.loads(path.read_bytes())
            adapters = dict(content["adapters"])
            choices = {  # earlier versions kept one name for a folder
                folder: [names] if isinstance(names, str) else [*names]
                for folder, names in content["choices"].items()
            }
            texts = itertools.chain(adapters.values(), *choices.values())
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a value is not a text")  # noqa: TRY301 - reported below
        except (FileNotFoundError, NotADirectoryError):
            return _Index()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AdapterError(
                f"{path} cannot be read: {error}.", "Correct it, or delete it and install the adapters again."
            ) from error
        return _Index(adapters, choices)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_Index]:
        """The list of adapters and choices, to change; written at the end, then files without a name are deleted."""
        with writing(self._folder), locked(self._folder):
            index = self._read()
            yield index
            choices = {folder: names for folder, names in index.choices.items() if names}
            content = json.dumps({"adapters": index.adapters, "choices": choices}, indent=1)
            write_whole(self._folder / _INDEX, content.encode("ascii"))  # lone surrogates are escaped
            for path in self._folder.glob("*.gguf"):
                if path.stem not in index.adapters.values():
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
    if setting in {"", NONE}:
        return AdapterChoice()
    store = AdapterStore(folders.adapters)
    if setting != AUTO:
        found = check_adapter(Path(setting).expanduser(), base) if is_path(setting) else store.find(setting, base)
        return AdapterChoice(setting, found)
    name, shipped = "", shipped_adapter(base.name)
    try:
        names = store.choices(workspace)
        for name in itertools.takewhile(NONE.__ne__, names):
            with contextlib.suppress(OtherModelError):
                return AdapterChoice(name, store.find(name, base))
        if NONE in names:
            return AdapterChoice()
        name = shipped.name if shipped else next(iter(names), "")
        file = check_adapter(shipped, base) if shipped else store.find(name, base) if name else None
    except NanoError as error:
        return AdapterChoice(name, left_out=error.message)
    return AdapterChoice(name, file)


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
