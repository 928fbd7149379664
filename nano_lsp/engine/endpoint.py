"""The files of a user's shared engine: socket or port with token, lock, process id.

A Unix domain socket in a folder that only this user can open; where Python has none (Windows), or with
`NANO_LSP_TRANSPORT=tcp`, a port of the loopback interface and a token in a file that only this user can read. The
running engine holds a lock, so that there is only one; the system releases it however the process ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from nano_lsp.atomic_files import file_beside
from nano_lsp.config import APP, Folders
from nano_lsp.errors import EngineError

HAS_UNIX_SOCKETS = hasattr(socket, "AF_UNIX") and os.name == "posix"
ALREADY_RUNNING = 75
"""Exit code of an engine that finds another one running (sysexits.h: try again later)."""
_MAX_PATH_BYTES = 100  # sockaddr_un has room for 104 on macOS, 108 on Linux


class Port(msgspec.Struct):
    """Port and token of an engine without a Unix domain socket."""

    port: int
    token: str


@dataclass(frozen=True)
class EngineEndpoint:
    """The files of a user's engine.

    Attributes:
        folder: Folder of the other files, except the log; only this user can open it.
        log: Log of the engine.
        tcp: Whether it listens on a port, protected by a token, instead of a Unix domain socket.
    """

    folder: Path
    log: Path
    tcp: bool = not HAS_UNIX_SOCKETS

    @property
    def address(self) -> Path:
        """The Unix domain socket."""
        return self.folder / "engine.sock"

    @property
    def lock(self) -> Path:
        """The lock file that the running engine holds."""
        return self.folder / "engine.lock"

    @property
    def process(self) -> Path:
        """The file with the running engine's process id."""
        return self.folder / "engine.pid"

    @property
    def port(self) -> Path:
        """The file with a `Port`, as JSON."""
        return self.folder / "engine.json"

    def listen(self) -> socket.socket:
        """Open the socket that clients of this user can connect to; only for the holder of the lock.

        Raises:
            OSError: The folder cannot be written.
        """
        if self.tcp:
            listening = listen_on("127.0.0.1", 0)
            self._write_port(Port(listening.getsockname()[1], secrets.token_urlsafe(32)))
            return listening
        self.address.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Bound under another name and renamed: no client sees it before its mode is right.
            aside = self.folder / f"engine.{os.getpid()}.sock"
            aside.unlink(missing_ok=True)
            listening.bind(str(aside))
            aside.chmod(stat.S_IRUSR | stat.S_IWUSR)
            listening.listen(128)
            aside.replace(self.address)
        except OSError:
            listening.close()
            raise
        return listening

    def identity(self) -> tuple[int, int] | None:
        """Inode and time of the socket, which differ for another one of the same name; None where there is none."""
        with contextlib.suppress(OSError):
            status = (self.port if self.tcp else self.address).stat()
            return status.st_ino, status.st_ctime_ns
        return None

    def read_port(self) -> Port | None:
        """Port and token of the running engine; None where there are none."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(self.port.read_bytes(), type=Port)
        return None

    def write_pid_file(self) -> None:
        """Write the id of this process; only for the holder of the lock."""
        with contextlib.suppress(OSError):  # on a full disk the engine still works
            self.process.write_text(str(os.getpid()), encoding="ascii")

    def find_process(self) -> psutil.Process | None:
        """The running engine's process, even where it does not answer; None for none."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(self.process.read_text(encoding="ascii")))
            return process if process.cmdline()[-2:] == ["engine", "run"] else None
        return None

    def clear(self) -> None:
        """Remove the files that clients find the engine by."""
        for path in (self.address, self.port, self.process):
            with contextlib.suppress(OSError):
                path.unlink()

    def _write_port(self, port: Port) -> None:
        with file_beside(self.port) as new:  # its mode is 0600
            new.write_bytes(msgspec.json.encode(port))
            new.replace(self.port)


def find_endpoint(folders: Folders) -> EngineEndpoint:
    """The endpoint of this user's engine; its folder is created if it is missing.

    Raises:
        EngineError: Other users can open the folder, or it cannot be created.
    """
    log = folders.cache / "engine.log"
    failure = ""
    for choose in (Path, _short_folder):
        try:
            folder = choose(folders.runtime)
            if HAS_UNIX_SOCKETS and len(os.fsencode(folder)) + len("/engine.12345678.sock") > _MAX_PATH_BYTES:
                continue
            _make_private(folder)
        except OSError as error:  # also where there is no folder for temporary files
            failure = error.strerror or str(error)
            continue
        return EngineEndpoint(folder, log, tcp=not HAS_UNIX_SOCKETS or os.environ.get("NANO_LSP_TRANSPORT") == "tcp")
    raise EngineError(
        f"There is no folder for the shared engine's socket: {failure or folders.runtime}.",
        "Set NANO_LSP_HOME to a folder of your own, or the setting engine to in-process.",
    )


def listen_on(host: str, port: int) -> socket.socket:
    """Open a socket that listens on an address.

    Raises:
        OSError: The address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def challenge_response(token: str, nonce: str) -> str:
    """Proof of knowing the token, for a nonce that the other side has chosen: HMAC-SHA256 (RFC 2104)."""
    return hmac.new(token.encode(), nonce.encode(), hashlib.sha256).hexdigest()


def _short_folder(folder: Path) -> Path:
    """A folder of this user with a short path, in the system's folder for temporary files."""
    user = os.getuid() if HAS_UNIX_SOCKETS else os.environ.get("USERNAME", "user")
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"{APP}-{user}-{digest}"


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not HAS_UNIX_SOCKETS:
        return
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(0, f"{folder} belongs to another user")
    if stat.S_IMODE(status.st_mode) != 0o700:  # others could open it, or a strict umask keeps this user out
        folder.chmod(0o700)
