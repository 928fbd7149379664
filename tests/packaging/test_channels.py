"""What Mason, nvim-lspconfig, conda-forge, Homebrew, containers and the Marketplace get agrees with the project."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_lua
import tree_sitter_ruby
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tree_sitter import Language, Parser

from nano_lsp import __version__

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
# Where conda-forge's name is another one, and what it has as packages of their own.
OF_EXTRAS = {"socksio", "cryptography"}
# https://code.visualstudio.com/api/references/extension-manifest, "categories".
CATEGORIES = {"AI", "Machine Learning", "Programming Languages", "Notebooks", "Snippets", "Linters", "Other"}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates, filled in for a release."""
    folder = tmp_path_factory.mktemp("rendered")
    sdist = folder / "sdist.tar.gz"
    sdist.write_bytes(b"source")
    script = PACKAGING / "channels/render.py"
    subprocess.run([sys.executable, str(script), str(folder), "9.8.7", "someone/neuro", str(sdist)], check=True)
    return folder


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - what YAML holds
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_nothing_is_left_to_fill_in(rendered: Path) -> None:
    files = [file for file in rendered.rglob("*.*") if file.is_file() and file.suffix != ".gz"]
    assert len(files) == 5
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"@[A-Z][A-Z0-9]+@", text), file
        assert "someone/neuro" in text
    digest = hashlib.sha256(b"source").hexdigest()
    for name in ("channels/conda-forge/recipe.yaml", "channels/homebrew/nano-lsp.rb"):
        assert digest in (rendered / name).read_text(encoding="utf-8")


def test_mason(rendered: Path) -> None:
    package = read_yaml(rendered / "channels/mason/package.yaml")
    assert package["source"]["id"] == "pkg:github/someone/neuro@v9.8.7"
    assert package["categories"] == ["LSP"]
    assert (rendered / f"channels/nvim-lspconfig/{package['neovim']['lspconfig']}.lua").is_file()
    for build in package["source"]["build"]:
        _, script, environment = build["run"].split()
        assert (ROOT / script).is_file()
        assert build["bin"] == f"{environment}/bin/nano-lsp"


def test_nvim_lspconfig_starts_the_server_where_the_plugin_does(rendered: Path) -> None:
    text = (rendered / "channels/nvim-lspconfig/nano_lsp.lua").read_text(encoding="utf-8")
    assert not Parser(Language(tree_sitter_lua.language())).parse(text.encode()).root_node.has_error
    plugin = "".join((ROOT / f"editors/nvim/lua/nano/{name}.lua").read_text("utf-8") for name in ("config", "client"))

    def listed(source: str, name: str) -> list[str]:
        found = re.search(rf"{name} = \{{(.*?)\}}", source, re.DOTALL)
        assert found, name
        return re.findall(r"""["']([^"']+)["']""", found[1])

    for ours, theirs in (("cmd", "cmd"), ("filetypes", "filetypes"), ("root_markers", "ROOT_MARKERS")):
        assert listed(text, ours) == listed(plugin, theirs)


def test_homebrew(rendered: Path) -> None:
    text = (rendered / "channels/homebrew/nano-lsp.rb").read_bytes()
    assert not Parser(Language(tree_sitter_ruby.language())).parse(text).root_node.has_error
    (script,) = re.findall(rb'"(packaging/\S+\.sh)"', text)
    assert (ROOT / script.decode()).is_file()


def test_conda_forge_names_what_the_project_needs(rendered: Path) -> None:
    recipe = read_yaml(rendered / "channels/conda-forge/recipe.yaml")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python, *wanted = map(Requirement, recipe["requirements"]["run"])
    assert python.specifier == Requirement(f"python{project['requires-python']}").specifier
    ours = {canonicalize_name(each.name): each.specifier for each in map(Requirement, project["dependencies"])}
    theirs = {canonicalize_name(each.name): each.specifier for each in wanted}
    assert {name: theirs[name] for name in theirs.keys() - OF_EXTRAS} == ours
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in project["scripts"].items()
    ]


def test_the_feature_for_containers(rendered: Path) -> None:
    feature = json.loads((rendered / "devcontainer/devcontainer-feature.json").read_text(encoding="utf-8"))
    assert (feature["id"], feature["version"]) == ("nano-lsp", "9.8.7")
    assert "--require-hashes" in (PACKAGING / "devcontainer/install.sh").read_text(encoding="utf-8")


def test_the_source_archive_holds_what_recipes_run() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {"packaging", "editors/vscode/server"} <= {
        *project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    }


def test_what_the_marketplace_shows() -> None:
    folder = ROOT / "editors/vscode"
    manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    assert set(manifest["categories"]) <= CATEGORIES
    assert 5 <= len(manifest["keywords"]) <= 30
    assert manifest["pricing"] == "Free"
    assert manifest["galleryBanner"]["theme"] in {"dark", "light"}
    assert manifest["version"] == __version__
    icon = (folder / manifest["icon"]).read_bytes()
    assert icon.startswith(b"\x89PNG")
    width, height = (int.from_bytes(icon[at : at + 4], "big") for at in (16, 20))
    assert width == height >= 128
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert len(pictures) >= 2
    assert all((folder / picture).is_file() for picture in pictures)
