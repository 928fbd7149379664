"""The lock files by which an editor installs: all that nano-lsp needs is in them, with hashes, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "editors/vscode/server"
LOCKS = [SERVER / "requirements.txt", SERVER / "build-tools.txt", ROOT / "packaging/engine/tools.txt"]


def pins(lock: Path) -> list[tuple[Requirement, str]]:
    """The requirements of a lock file, each with what follows it."""
    text = re.sub(r"^#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = re.findall(r"^(\S.*?) \\\n((?:    --hash=\S+(?: \\)?\n)+)", text, re.MULTILINE)
    assert "".join(f"{pin} \\\n{hashes}" for pin, hashes in entries) == text
    return [(Requirement(pin), hashes) for pin, hashes in entries]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_file_is_named_by_its_hash(lock: Path) -> None:
    for requirement, hashes in pins(lock):
        assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), requirement
        assert requirement.url is None
        assert re.findall(r"--hash=(\w+):", hashes) == ["sha256"] * hashes.count("--hash=")


def test_what_the_project_needs_is_locked_for_each_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = [requirement for requirement, _ in pins(SERVER / "requirements.txt")]
    assert canonicalize_name(project["name"]) not in {canonicalize_name(each.name) for each in locked}
    for wanted in map(Requirement, project["dependencies"]):
        for python in ("3.11", "3.12", "3.13", "3.14"):
            here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
            if wanted.marker and not wanted.marker.evaluate(here):
                continue
            found = [
                each
                for each in locked
                if canonicalize_name(each.name) == canonicalize_name(wanted.name)
                and (each.marker is None or each.marker.evaluate(here))
            ]
            assert len(found) == 1, (str(wanted), python, "packaging/lock.sh")
            (version,) = found[0].specifier
            assert wanted.specifier.contains(version.version), (str(wanted), "packaging/lock.sh")


def test_the_build_backends_are_locked() -> None:
    locked = {canonicalize_name(requirement.name) for requirement, _ in pins(SERVER / "build-tools.txt")}
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert {canonicalize_name(Requirement(each).name) for each in backend} <= locked
    assert "scikit-build-core" in locked  # of llama-cpp-python
