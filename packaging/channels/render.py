"""Fills in the templates of the channels: `python packaging/channels/render.py FOLDER VERSION REPOSITORY SDIST`.

REPOSITORY is OWNER/NAME on GitHub, SDIST the release's archive of the source, whose SHA-256 recipes name.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

PACKAGING = Path(__file__).resolve().parents[1]
TEMPLATES = (
    "channels/mason/package.yaml",
    "channels/nvim-lspconfig/nano_lsp.lua",
    "channels/conda-forge/recipe.yaml",
    "channels/homebrew/nano-lsp.rb",
    "devcontainer/devcontainer-feature.json",
)


def main(folder: str, version: str, repository: str, sdist: str) -> None:
    """Write each template's file, filled in, below a folder."""
    values = {
        "VERSION": version,
        "REPOSITORY": repository,
        "OWNER": repository.partition("/")[0],
        "SHA256": hashlib.sha256(Path(sdist).read_bytes()).hexdigest(),
    }
    for name in TEMPLATES:
        target = Path(folder) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render((PACKAGING / name).read_text(encoding="utf-8"), values), encoding="utf-8")


def render(template: str, values: dict[str, str]) -> str:
    """Put values in place of `@NAME@`; a name without a value is an error."""
    return re.sub(r"@([A-Z][A-Z0-9]+)@", lambda found: values[found[1]], template)


if __name__ == "__main__":
    main(*sys.argv[1:])
