#!/bin/sh
# Installs the source that this script is in into a new virtual environment: install.sh ENVIRONMENT [PYTHON].
# What it needs comes from the package index that pip is configured for, each file only with the SHA-256 of a lock
# file; llama.cpp is built, which takes a C++ compiler.
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
locks=$source/editors/vscode/server
"${2:-python3}" -m venv "$1"
install() { "$environment/bin/python" -m pip install --disable-pip-version-check --no-input "$@"; }
environment=$(cd "$1" && pwd)
install --require-hashes --only-binary :all: -r "$locks/build-tools.txt"
install --require-hashes --only-binary :all: --no-binary llama-cpp-python --no-build-isolation -r "$locks/requirements.txt"
install --no-index --no-deps --no-build-isolation "$source"
