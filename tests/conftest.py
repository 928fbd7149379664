"""What all tests share: folders of their own, and the real models where they are wanted."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import hypothesis
import psutil
import pytest

from nano_lsp.config import find_folders
from nano_lsp.errors import ModelMissingError
from nano_lsp.inference.selftest import SelfTest
from nano_lsp.models.store import ModelStore
from tests import without_iris  # noqa: F401 - before a test imports jsonschema
from tests.processes import engines_of

# Where it is set, each process that a test starts would compile all that it imports: a third of an engine's start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine fails no test
hypothesis.settings.load_profile("untimed")
# Where a shell runs the tests in its background, they would ignore Ctrl-C, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
_REAL_STORE = ModelStore(find_folders())  # before the tests' own folders take its place
_IN_CI = os.environ.get("CI") == "true"
# Groups of tests that take longest, the longest first: at the end no process waits for another one's long file.
_LONG_GROUPS = (
    "nano",
    "test_faults",
    "test_wild",
    "test_engine",
    "test_jupyter_server",
    "test_openai_api",
    "test_store",
)
_MAX_ID = 300
_HOME_NUMBERS = itertools.count(1)
_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(tryfirst=True, specname="pytest_collection_modifyitems")  # before pytest-xdist reads the groups
def pytest_group_tests(items: list[pytest.Item]) -> None:
    """Run the tests of a file in one process, for its fixtures; files that need nano, of 1.2 GB, in one in all."""
    others = {item.path for item in items if not {"nano_file", "models"} & set(getattr(item, "fixturenames", ()))}
    groups = {item: item.path.stem if item.path in others else "nano" for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    ranks = {group: rank for rank, group in enumerate(_LONG_GROUPS)}
    items.sort(key=lambda item: ranks.get(groups[item], len(ranks)))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A short name for a test of a long text: pytest-xdist sends the names of all tests to each process."""
    return f"{argname}-{len(val)}" if isinstance(val, (str, bytes)) and len(val) > _MAX_ID else None


@pytest.hookimpl(trylast=True)  # once Hypothesis has marked its tests
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """End the whole run where a property test hangs.

    A failure, as other tests get, Hypothesis would catch, and run the example again without a limit.
    """
    for item in items:
        if item.get_closest_marker("hypothesis"):
            limits = item.get_closest_marker("timeout")
            item.add_marker(pytest.mark.timeout(*(limits.args if limits else ()), method="thread"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI=true, a test that is skipped fails, unless `skipif` says that it is not for this system."""
    report = yield
    unsupported = any(any(mark.args) for mark in item.iter_markers("skipif"))
    return report if unsupported or hasattr(report, "wasxfail") else _refuse_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module, which `importorskip` skips."""
    return _refuse_skip((yield))


def _refuse_skip(report: _Report) -> _Report:
    if _IN_CI and report.skipped and isinstance(report.longrepr, tuple):
        *_, reason = report.longrepr
        report.outcome, report.longrepr = "failed", f"Not to be skipped where CI=true. {reason}"
    return report


@pytest.fixture(autouse=True, scope="session")
def in_process() -> Iterator[None]:
    """A model in the tested process, for fixtures that outlive a test as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NANO_LSP_ENGINE", "in-process")
        yield


@pytest.fixture(autouse=True)
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A home of its own for each test, so that none touches the user's files, and a model in the tested process."""
    for name in [name for name in os.environ if name.startswith(("NANO_LSP_", "HF_"))]:
        monkeypatch.delenv(name)
    # Most tests need neither folder: pytest would look through those of all tests before it makes one.
    has_folder = "tmp_path" in request.fixturenames
    folder: Path = request.getfixturevalue("tmp_path") if has_folder else tmp_path_factory.getbasetemp() / "homes"
    path = folder / ("home" if has_folder else str(next(_HOME_NUMBERS)))
    monkeypatch.setenv("NANO_LSP_HOME", str(path))
    monkeypatch.setenv("NANO_LSP_ENGINE", "in-process")
    yield path
    if (path / "cache" / "engine.log").exists():  # an engine has been started, wherever its socket is
        for process in engines_of(path):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _real_model(name: str) -> Path:
    try:
        return _REAL_STORE.find(name)
    except ModelMissingError:
        if not _IN_CI:
            pytest.skip(f"needs the real model: run `nano-lsp model pull {name}`")
        return _REAL_STORE.pull(name)


@pytest.fixture(scope="session")
def nano_file() -> Path:
    """The real 1.5 B model; pulled where CI=true, otherwise the test is skipped without it."""
    return _real_model("nano")


@pytest.fixture(scope="session")
def smol_file() -> Path:
    """The real 135 M model; pulled where CI=true, otherwise the test is skipped without it."""
    return _real_model("smol")


@pytest.fixture(scope="session")
def selftest(tmp_path_factory: pytest.TempPathFactory) -> SelfTest:
    """The self-test of llama.cpp, run once for all tests."""
    it = SelfTest(tmp_path_factory.mktemp("selftest"))
    it.run()
    return it


@pytest.fixture
def models(home: Path, selftest: SelfTest, request: pytest.FixtureRequest) -> Path:
    """A store of the test's own that holds nano, without copying it, and what the self-test has found."""
    (home / "cache").mkdir(parents=True)
    (home / "cache" / selftest.path.name).write_bytes(selftest.path.read_bytes())
    folder = home / "models"
    folder.mkdir(parents=True)
    nano: Path = request.getfixturevalue("nano_file")
    (folder / "nano.gguf").symlink_to(nano)
    receipt = nano.with_suffix(".verified")
    (folder / "nano.verified").write_bytes(receipt.read_bytes())
    return folder
