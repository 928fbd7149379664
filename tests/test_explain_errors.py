"""What libraries and the system raise becomes a sentence with a remedy; mistakes of the program stay mistakes."""

from __future__ import annotations

import errno
import os
import sqlite3
import ssl
import tempfile
from pathlib import Path

import aiohttp
import httpx
import pytest

from nano_lsp.errors import ConfigError, MachineError
from nano_lsp.explain_errors import explain_error


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def on_windows(number: int, *given: object) -> OSError:
    """An error as Windows' Python raises it."""
    error = PermissionError(errno.EACCES, *given)
    error.winerror = number  # type: ignore[attr-defined]
    return error


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate in certificate chain")
CASES = [
    (OSError(errno.ENOSPC, "No space left on device", "/home/a/x"), "/home/a/x: the disk is full.", "Free"),
    (OSError(errno.ENOSPC, "No space left on device"), "The disk is full.", "Free"),
    (OSError(errno.EDQUOT, "Disk quota exceeded", b"/home/\xff"), "your disk quota is used up", "NANO_LSP_HOME"),
    (PermissionError(errno.EACCES, "Permission denied", Path("/x")), "/x: permission denied.", "permissions"),
    (on_windows(32, "in use", r"C:\a"), r"C:\a is open in another program.", "Close"),
    (on_windows(1224, "mapped"), "A file is open in another program.", "Close"),
    (on_windows(5, "Access is denied", r"C:\a"), "permission denied", "permissions"),
    (OSError(errno.EROFS, "Read-only file system", "/x"), "the file system cannot be written", "NANO_LSP_HOME"),
    (OSError(errno.ENOLCK, "No locks available", "/nfs/lock"), "the file system has no locks", "NFS"),
    (OSError(errno.EMFILE, "Too many open files"), "may not open more files", "ulimit -n"),
    (OSError(errno.EADDRINUSE, "Address already in use"), "in use by another program", "port"),
    (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/etc/passwd/x"), "a part of the path is a file", "HOME"),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), "has ended", ""),
    (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "Connection refused", "doctor"),
    (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "temporary files", "TMPDIR"),
    (MemoryError(), "too little memory", "ulimit -v"),
    (RuntimeError("can't start new thread"), "no further thread", "ulimit -u"),
    (ModuleNotFoundError("No module named '_sqlite3'", name="_sqlite3"), "without SQLite", "build it again"),
    (ImportError("libfoo.so.1: cannot open", name="numpy._core"), "numpy cannot be imported", "PYTHONPATH"),
    (sqlite3.OperationalError("database is locked"), "database is locked", "Close other programs"),
    (httpx.ProxyError("407 Proxy Authentication Required"), "407", "USER:PASSWORD@HOST"),
    (httpx.ConnectTimeout("timed out"), "no answer in time", "HTTPS_PROXY"),
    (httpx.InvalidURL("Invalid port: ':1]'"), "Invalid port", "NO_PROXY"),
    (httpx.ConnectError("[Errno -2] Name or service not known"), "Name or service not known", "network"),
    (caused(httpx.ConnectError("failed"), UNTRUSTED), "not trusted", "SSL_CERT_FILE"),
    (httpx.RemoteProtocolError("Server disconnected"), "Server disconnected", "try again"),
    (aiohttp.ServerDisconnectedError(), "shared engine", "doctor"),
]


@pytest.mark.parametrize(("error", "message", "remedy"), CASES, ids=lambda value: type(value).__name__)
def test_what_the_machine_and_the_network_bring_about(error: Exception, message: str, remedy: str) -> None:
    found = explain_error(error)
    assert isinstance(found, MachineError)
    assert message in found.message
    assert found.message[0] in "/tT0n" or found.message[0].isupper()
    assert found.message.endswith(".")
    assert remedy in found.remedy


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyError("x"), FileNotFoundError(errno.ENOENT, "none", "x")])
def test_a_mistake_of_the_program_is_not_explained_away(error: Exception) -> None:
    assert explain_error(error) is None
    error.__context__ = OSError(errno.ENOSPC, "full")  # what it was raised beside is not its cause
    assert explain_error(error) is None


def test_an_error_with_a_remedy_stays_as_it_is() -> None:
    error = ConfigError("No.", "Yes.")
    assert explain_error(error) is error


@pytest.mark.skipif(os.name != "posix", reason="a folder in use cannot be deleted elsewhere")
def test_the_current_folder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        Path("x").resolve()
    found = explain_error(caught.value)
    monkeypatch.chdir(tmp_path)
    assert found
    assert "no longer exists" in found.message
    assert explain_error(caught.value) is None


@pytest.mark.skipif(os.name != "posix", reason="looks for its folders elsewhere")
def test_no_folder_for_temporary_files_as_python_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    found = explain_error(caught.value)
    assert found
    assert "TMPDIR" in found.remedy
