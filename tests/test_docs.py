"""The documentation matches the code: links, paths, commands, options, exit codes and other claims.

`python -m tests.test_docs` writes the options of all commands into docs/reference/cli.md.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token

from nano_lsp import errors
from nano_lsp.cli.app import build_app
from nano_lsp.code.document import MAX_BYTES
from nano_lsp.inference.worker import MAX_WAITING, MAX_WAITING_OF_CLIENT

ROOT = Path(__file__).parents[1]
CLI = ROOT / "docs/reference/cli.md"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "jupyter_ext/README.md")),
        *(ROOT / "docs").rglob("*.md"),
        *(path for folder in ("editors", "editors/vscode", "editors/nvim") for path in (ROOT / folder).glob("*.md")),
        ROOT / "packaging/README.md",
        ROOT / "tests/wild/README.md",
    ]
)
_OPTIONS = "## All options\n"
_PLACES = r"(?:nano_lsp|tests|docs|editors|packaging|jupyter_ext|\.ci|\.github)/[\w.][\w./-]*"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def tokens(page: Path) -> list[Token]:
    """The tokens of a page's Markdown, each block followed by what is inside it."""
    blocks = MarkdownIt("commonmark").enable("table").parse(read(page))
    return [each for block in blocks for each in (block, *(block.children or ()))]


def anchors(page: Path) -> set[str]:
    """The anchors that a repository's web page makes of headings."""
    headings = [text.content for opening, text in pairwise(tokens(page)) if opening.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(command: Any = None, name: str = "nano-lsp") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - click or typer
    """All commands with their names."""
    command = command or typer.main.get_command(build_app())
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part, inner in command.commands.items():
        if not inner.hidden:
            yield from commands(inner, f"{name} {part}")


COMMANDS = dict(commands())
GROUPS = {name.rsplit(" ", 1)[0] for name in COMMANDS}


def option_names(command: Any) -> set[str]:  # noqa: ANN401
    return {"--help", *(name for one in command.params for name in (*one.opts, *one.secondary_opts))}


def invocations(page: Path) -> Iterator[list[str]]:
    """The words of each `nano-lsp …` in console blocks, shell blocks and inline code."""
    blocks = [(token.info, token.content.split("\n")) for token in tokens(page) if token.type == "fence"]
    lines = [line.strip() for kind, body in blocks if kind in {"sh", "bash"} for line in body]
    lines += [line[2:] for kind, body in blocks if kind == "console" for line in body if line.startswith("$ ")]
    spans = [token.content for token in tokens(page) if token.type == "code_inline"]
    lines += [span for span in spans if re.match(r"(?:\w+=\S+ )?(?:\S+/bin/)?nano-lsp ", span)]
    for line in lines:
        lexer = shlex.shlex(line.rstrip("\\"), posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words = list(lexer)
        starts = [i for i, word in enumerate(words) if word == "nano-lsp" or word.endswith("/bin/nano-lsp")]
        for i in starts:
            end = next((j for j in range(i, len(words)) if set(words[j]) <= set("|&;<>")), len(words))
            yield ["nano-lsp", *words[i + 1 : end]]


@pages
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    for token in tokens(page):
        link = str(token.attrs.get("href") or token.attrs.get("src") or "")
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not path.startswith(("http:", "https:")):
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pages
def test_paths_exist(page: Path) -> None:
    named = set(re.findall(rf"`({_PLACES})(?:[ :`])", read(page)))
    named |= set(re.findall(rf"python ({_PLACES})", read(page)))
    for module in re.findall(r"python -m ((?:nano_lsp|tests)[\w.]*)", read(page)):
        path = module.replace(".", "/")
        named.add(path if (ROOT / path).is_dir() else f"{path}.py")
    assert [name for name in sorted(named) if not (ROOT / name).exists() and not (page.parent / name).exists()] == []


@pages
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in invocations(page):
        n = max(n for n in range(1, 4) if " ".join(words[:n]) in COMMANDS or " ".join(words[:n]) in GROUPS)
        name, rest = " ".join(words[:n]), words[n:]
        if name in GROUPS:
            assert not rest or rest[0] in {"…", "COMMAND", "--version", "--help"}, words
            continue
        given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert given <= option_names(COMMANDS[name]), words


def test_the_reference_has_every_command() -> None:
    text = read(CLI)
    overview = text[: text.index(_OPTIONS)]
    for name in COMMANDS:
        command, _, sub = name.removeprefix("nano-lsp ").partition(" ")
        row = re.search(rf"^\| `nano-lsp {command}[ `].*$", overview, re.MULTILINE)
        assert row, name
        assert not sub or f"`{sub}`" in row[0], name


def test_the_reference_has_the_options_of_the_code() -> None:
    text = read(CLI)
    written = text[text.index(_OPTIONS) :]
    assert written == build_options(), "Run `python -m tests.test_docs`."


def test_each_error_is_beside_its_exit_code() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NanoError)]
    rows = {int(code): names for code, names in re.findall(r"^\| (\d+) \|.*\|([^|]*)\|$", read(CLI), re.MULTILINE)}
    documented = {(name, code) for code, names in rows.items() for name in re.findall(r"`(\w+)`", names)}
    assert documented == {(kind.__name__, kind.exit_code) for kind in kinds}


def test_the_diagram_has_the_layers_that_are_checked() -> None:
    contract = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    text = read(ROOT / "docs/architecture.md")
    drawn = re.findall(r"^    (\w+(?: \| \w+)*)(?: {2,}.*)?$", text[text.index("## Layers") :], re.MULTILINE)
    assert drawn == contract["layers"]


def test_the_architecture_can_be_read_in_one_sitting() -> None:
    assert read(ROOT / "docs/architecture.md").count("\n") < 150


def test_each_reason_for_no_suggestion_is_explained() -> None:
    source = read(ROOT / "nano_lsp/editor/quiet_reason.py")
    reasons = {*re.findall(r'Quiet\("(\w+)"', source), *re.findall(r'^HIDDEN = "(\w+)"', source, re.MULTILINE)}
    assert len(reasons) > 5
    rows = re.findall(r"^\| `(\w+)` \|", read(ROOT / "docs/how-to/troubleshooting.md"), re.MULTILINE)
    assert set(rows) == reasons


def test_models_are_those_of_the_manifest() -> None:
    manifest = tomllib.loads(read(ROOT / "nano_lsp/models/models.toml"))
    rows = re.findall(
        r"^\| (\w+) \|.*\| ([\d,]+) \| (\S+) \|$", read(ROOT / "docs/reference/models.md"), re.MULTILINE
    )
    expected = {(name, f"{entry['size_bytes']:,}", entry["license"]) for name, entry in manifest.items()}
    assert set(rows) == expected


@pytest.mark.parametrize(
    ("page", "claim"),
    [
        ("docs/how-to/troubleshooting.md", f"files of more than {MAX_BYTES >> 20} MB get no suggestions"),
        (
            "docs/reference/engine.md",
            f"No more than {MAX_WAITING_OF_CLIENT} requests of a client wait, and {MAX_WAITING}",
        ),
        ("README.md", "Python 3.11 to 3.14"),
        ("CONTRIBUTING.md", "Python 3.11 to 3.14"),
    ],
)
def test_claims_match_the_code(page: str, claim: str) -> None:
    assert claim in " ".join(read(ROOT / page).split())


def test_the_comparison_has_only_figures_that_are_measured_elsewhere() -> None:
    text = read(ROOT / "README.md")
    table = text[text.index("## What you get") : text.index("### Sources")]
    figures = set(re.findall(r"\d[\d.,]* (?:ms|s|%|MiB|MB)\b|\d+\.\d+ %", table)) - {
        "200 ms"
    }  # published by its makers
    assert len(figures) >= 6
    sources = read(ROOT / "docs/quality.md") + read(ROOT / "docs/reference/engine.md")
    assert [figure for figure in sorted(figures) if figure.split()[0] not in sources] == []


def test_versions_match_the_project() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    assert project["requires-python"] == ">=3.11,<3.15"  # the claim above
    (llama,) = (one for one in project["dependencies"] if one.startswith("llama-cpp-python"))
    assert f"--no-binary llama-cpp-python {llama}" in read(ROOT / "docs/how-to/troubleshooting.md")


def build_options() -> str:
    """The section of all options, from the commands themselves."""
    parts = [_OPTIONS]
    for name, command in commands():
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        usage = " ".join([name, *(_argument(one) for one in arguments)])
        about = re.sub(r"\s*\n\s*\n\s*", "\n\n", command.help.strip())
        rows = [("Argument or option", "Default", "Meaning"), ("---",) * 3]
        rows += [(f"`{_argument(one)}`", _default(one), one.help or "") for one in arguments]
        rows += [
            (", ".join(f"`{opt}`" for opt in (*one.opts, *one.secondary_opts)), _default(one), one.help or "")
            for one in command.params
            if one.param_type_name == "option"
        ]
        table = "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)
        parts.append(f"\n### `{usage}`\n\n{about}\n" + (f"\n{table}" if len(rows) > 2 else ""))
    return "".join(parts)


def _argument(argument: Any) -> str:  # noqa: ANN401
    return str(argument.metavar or argument.name.upper())


def _default(option: Any) -> str:  # noqa: ANN401
    value = getattr(option.default, "value", option.default)
    if option.required:
        return "required"
    return "" if value is None or isinstance(value, bool) or value in ("", ()) or callable(value) else f"`{value}`"


if __name__ == "__main__":
    begin = read(CLI).index(_OPTIONS)
    CLI.write_text(read(CLI)[:begin] + build_options(), encoding="utf-8")
