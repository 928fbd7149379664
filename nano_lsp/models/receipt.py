"""A file beside a model says that the model has been checked: hashing a gigabyte takes seconds at each start."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path


def write_receipt(path: Path, sha256: str) -> None:
    """Keep that a model file has this SHA-256; a folder that cannot be written costs the receipt only."""
    with contextlib.suppress(OSError):
        receipt_path(path).write_text(json.dumps(_describe(path, sha256)), encoding="utf-8")


def has_receipt(path: Path, sha256: str) -> bool:
    """Whether a model file was found to have this SHA-256, and has not been changed since."""
    try:
        return bool(json.loads(receipt_path(path).read_text(encoding="utf-8")) == _describe(path, sha256))
    except (OSError, ValueError):
        return False


def receipt_path(path: Path) -> Path:
    """Where the receipt of a model file is."""
    return path.with_suffix(".verified")


def _describe(path: Path, sha256: str) -> dict[str, object]:
    """What a receipt says of a file: change it, and the receipt is void."""
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino, "sha256": sha256}
