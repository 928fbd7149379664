"""A fingerprint of the installed code.

Programs and the shared engine must run the same code, and a version does not change with each change of a checkout.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class InstalledCode:
    """The code of this process.

    Attributes:
        fingerprint: SHA-256 over the names and contents of the package's files, 16 hexadecimal digits.
        installed: When a file of it was written last, in seconds since 1970; what is installed later is newer.
    """

    fingerprint: str
    installed: float


@functools.cache
def installed_code() -> InstalledCode:
    """The code as it was on disk at the first call: call it early, an update may replace the files."""
    return read_code(PACKAGE)


def read_code(package: Path) -> InstalledCode:
    """The fingerprint of a package's files; a file that cannot be read counts as empty."""
    digest, installed = hashlib.sha256(), 0.0
    for path in sorted(package.rglob("*")):
        if path.suffix in {".pyc", ""} or not path.is_file():
            continue
        content = b""
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            status = path.stat()
            # Installers may keep old modification times; the change of the file's entry is when it came here.
            installed = max(installed, status.st_mtime, status.st_ctime)
        name = path.relative_to(package).as_posix().encode()
        digest.update(b"%b\0%d\0%b" % (name, len(content), content))
    return InstalledCode(digest.hexdigest()[:16], installed)
