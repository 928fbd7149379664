"""`nano-lsp config`: prints or writes a configuration file with all settings."""

from __future__ import annotations

import json
import textwrap
from typing import Annotated

import typer

from nano_lsp.cli.output import print_data
from nano_lsp.cli.terminal import stderr
from nano_lsp.config import find_folders
from nano_lsp.errors import ConfigError
from nano_lsp.settings import CONFIG_SETTINGS

EXAMPLES = """Examples:

`nano-lsp config`

`nano-lsp config --write`
"""
_HEAD = """Settings of NEURO-NANO, with their defaults. To change one, remove the # before its name. An environment \
variable NANO_LSP_<NAME> overrides it, and so do the settings of a project and of an editor."""


def config(
    write: Annotated[
        bool, typer.Option("--write", help="Write it to config.toml in the configuration folder, if there is none.")
    ] = False,
) -> None:
    """Print a configuration file with all settings, what they mean, and their defaults."""
    content = default_config()
    if not write:
        print_data(content)
        return
    path = find_folders().config / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(content)
    except FileExistsError:
        raise ConfigError(f"{path} exists.", "Edit it, or move it away.") from None
    stderr.print(f"{path} is written.")


def default_config() -> str:
    """A config.toml with all settings commented out, each below its description."""
    parts = [_comment(_HEAD)]
    for name, setting in CONFIG_SETTINGS.items():
        value = json.dumps(setting.default, ensure_ascii=False)
        parts.append(f"{_comment(setting.description)}{_comment(f'Values: {setting.takes}.')}#{name} = {value}\n")
    return "\n".join(parts)


def _comment(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False) + "\n"
