"""Messages for exceptions of libraries and the operating system: what happened, and what the user can do.

Exceptions are recognised by their class names, so that no library needs to be imported. An exception that is not
recognised here is a bug of this program.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from nano_lsp.errors import MachineError, NanoError

_OTHER_HOME = "set NANO_LSP_HOME to a folder of your own on a local disk"
_ERRNOS = {
    errno.ENOSPC: ("the disk is full", "Free some space, then run the command again."),
    errno.EDQUOT: ("your disk quota is used up", f"Delete files, or {_OTHER_HOME}."),
    errno.EACCES: ("permission denied", f"Correct the permissions, or {_OTHER_HOME}."),
    errno.EPERM: ("the system does not permit this", f"Correct the permissions, or {_OTHER_HOME}."),
    errno.EROFS: ("the file system cannot be written", f"Make it writable, or {_OTHER_HOME}."),
    errno.ENOLCK: ("the file system has no locks", f"It may be on NFS: {_OTHER_HOME}."),
    errno.ENOTDIR: ("a part of the path is a file", "Correct the path (HOME, NANO_LSP_HOME, XDG_…)."),
    errno.ENAMETOOLONG: ("the path is too long", "Use a shorter one."),
    errno.ELOOP: ("the path has too many symbolic links", "Use a path without a loop of links."),
    errno.EIO: ("input/output error", "Check the disk."),
    errno.ESTALE: ("the network file system has lost the file", f"Mount it again, or {_OTHER_HOME}."),
    errno.EMFILE: ("this process may not open more files", "Raise the limit: `ulimit -n 1024`."),
    errno.ENFILE: ("the system may not open more files", "Close other programs, or raise fs.file-max."),
    errno.EAGAIN: ("the system starts no further process or thread", "Close other programs, or raise `ulimit -u`."),
    errno.ENOMEM: ("there is too little memory", "Close other programs, or raise the limit (`ulimit -v`)."),
    errno.EADDRINUSE: ("the address is in use by another program", "Choose another port."),
    errno.EADDRNOTAVAIL: ("this machine does not have that address", "Choose another one."),
    errno.EBADF: ("standard input or output is closed", "Redirect it to a file or to /dev/null."),
    errno.EPIPE: ("the program that reads the output has ended", ""),
}
_IN_USE = {32, 33, 1224}  # ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_USER_MAPPED_FILE
_TEMPORARY = "No usable temporary directory found"  # message of tempfile's FileNotFoundError
_CERTIFICATE = (
    "The certificate of the server is not trusted: {error}.",
    "Where a proxy inspects TLS, set SSL_CERT_FILE to a file with its certificate authority.",
)
_PROXY = "Correct the variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, or remove them."
_LOG = "Try again; if it goes on, run `nano-lsp doctor`."
_CLASSES = {
    "ssl.SSLCertVerificationError": _CERTIFICATE,
    "ssl.SSLError": ("The encrypted connection failed: {error}.", "Check the address, the proxy and the clock."),
    "httpx.ProxyError": ("The proxy refuses: {error}.", f"{_PROXY} A password goes in as http://USER:PASSWORD@HOST."),
    "httpx.InvalidURL": ("An address is not valid: {error}.", _PROXY),
    "httpx.UnsupportedProtocol": ("An address is not valid: {error}.", _PROXY),
    "httpx.ConnectTimeout": ("There was no answer in time.", f"Check the network. {_PROXY}"),
    "httpx.ConnectError": ("No connection: {error}.", f"Check the network. {_PROXY}"),
    "httpx.TransportError": ("The connection failed: {error}.", "Check the network, then try again."),
    "httpx.HTTPError": ("The transfer failed: {error}.", "Check the network, then try again."),
    "requests.exceptions.RequestException": ("The transfer failed: {error}.", f"Check the network. {_PROXY}"),
    "huggingface_hub.errors.HfHubHTTPError": ("The model hub answers: {error}.", "Check HF_ENDPOINT and HF_TOKEN."),
    "aiohttp.client_exceptions.ClientError": ("The shared engine cannot be reached: {error}.", _LOG),
    "sqlite3.Error": ("A database cannot be used: {error}.", f"Close other programs that use it, or {_OTHER_HOME}."),
    "builtins.MemoryError": ("There is too little memory.", _ERRNOS[errno.ENOMEM][1]),
    "torch.OutOfMemoryError": ("The GPU has too little memory.", "Close other programs that use it."),
    "builtins.UnicodeEncodeError": ("A character cannot be shown: {error}.", "Set PYTHONUTF8=1 in the environment."),
    "builtins.ConnectionError": ("The connection failed: {error}.", _LOG),
}
# Modules of the standard library that a Python may have been built without, and the libraries that they need.
_PARTS = {"_sqlite3": "SQLite", "_ssl": "OpenSSL", "_ctypes": "libffi", "_lzma": "liblzma", "_bz2": "libbz2"}


def explain_error(error: BaseException) -> NanoError | None:
    """Convert an error of the machine or the network to a message with a remedy; None for a bug of this program.

    A `NanoError` is returned as it is. The explicit causes (`raise … from`) of an exception are examined as well;
    one that says why a certificate is refused takes precedence over the exception itself.
    """
    if isinstance(error, NanoError):
        return error
    chain = [*_chain(error)]
    refusals = [one for one in chain if type(one).__module__ == "ssl"]
    found = next(filter(None, map(_sentence, refusals + chain)), None)
    return MachineError(*found) if found else None


def is_in_use(error: Exception) -> bool:
    """Whether Windows refuses something because another program has the file open."""
    return getattr(error, "winerror", None) in _IN_USE


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, then its explicit causes."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _sentence(error: BaseException) -> tuple[str, str] | None:  # noqa: PLR0911 - a list of cases
    if isinstance(error, OSError) and _TEMPORARY in str(error):
        return "There is no folder for temporary files.", "Set TMPDIR to a folder that can be written."
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_current_folder():
        return "The current folder no longer exists.", "Change to another folder, then run the command again."
    if isinstance(error, ImportError):
        return _missing_part(error)
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "The system starts no further thread.", _ERRNOS[errno.EAGAIN][1]
    if isinstance(error, RuntimeError) and "allocate memory" in str(error):  # of PyTorch
        return _CLASSES["builtins.MemoryError"]
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return "There is no home folder.", "Set HOME or NANO_LSP_HOME to a folder that can be written."
    if isinstance(error, OSError) and is_in_use(error):
        return f"{os.fsdecode(error.filename or 'A file')} is open in another program.", "Close that program."
    if isinstance(error, OSError) and type(error).__module__ == "builtins" and error.errno in _ERRNOS:
        what, remedy = _ERRNOS[error.errno]
        return f"{os.fsdecode(error.filename)}: {what}." if error.filename else f"{what.capitalize()}.", remedy
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    for name in names:
        if name in _CLASSES:
            message, remedy = _CLASSES[name]
            said = " ".join(str(error).split()) or type(error).__name__
            return message.format(error=said.rstrip(".")), remedy
    return None


def _has_current_folder() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109 - pathlib asks the same
    except FileNotFoundError:
        return False


def _missing_part(error: ImportError) -> tuple[str, str] | None:
    name = error.name or ""
    if name in _PARTS:
        return (
            f"This Python was built without {_PARTS[name]} (the module {name}).",
            f"Use another Python, or install the development files of {_PARTS[name]} and build it again.",
        )
    top = name.partition(".")[0]
    if top and top != "nano_lsp":
        return (
            f"The package {top} cannot be imported: {error}.",
            "Install nano-lsp anew, and remove PYTHONHOME and PYTHONPATH where they point to another Python.",
        )
    return None
