#!/usr/bin/env bash
# Writes the lock files with hashes: of what nano-lsp depends on, and of the tools that build it and llama.cpp.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header "$1" -o "$2"; }
lock packaging/engine/tools.in packaging/engine/tools.txt
lock packaging/release-tools.in packaging/release-tools.txt
lock editors/vscode/server/build-tools.in editors/vscode/server/build-tools.txt
lock pyproject.toml editors/vscode/server/requirements.txt
