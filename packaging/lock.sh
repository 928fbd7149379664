#!/usr/bin/env bash
# Writes the lock files with hashes: of what nano-lsp depends on, and of the tools that build it and llama.cpp.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() { uv pip compile --quiet --universal --python-version "$1" --generate-hashes --no-annotate --no-header "$2" -o "$3"; }
lock 3.11 packaging/engine/tools.in packaging/engine/tools.txt
lock 3.11 editors/vscode/server/build-tools.in editors/vscode/server/build-tools.txt
lock 3.11 pyproject.toml editors/vscode/server/requirements.txt
