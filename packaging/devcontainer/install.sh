#!/bin/sh
# Installs nano-lsp for all users of the container. A release puts the wheels of nano-lsp and of the engine, and the
# lock file with their hashes, into the folder `server` beside this script; the rest comes from the package index.
set -eu
server=$(cd "$(dirname "$0")/server" && pwd)
environment=/usr/local/share/nano-lsp
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "nano-lsp needs Python 3.11 to 3.14 with venv: add the feature python, or apt-get install python3-venv." >&2
    exit 1
fi
python3 -m venv "$environment"
install() { "$environment/bin/python" -m pip install --disable-pip-version-check --no-cache-dir --no-input "$@"; }
install --require-hashes --only-binary :all: --find-links "$server" -r "$server/requirements.txt"
install --no-index --no-deps "$server"/nano_lsp-*.whl
ln -sf "$environment/bin/nano-lsp" /usr/local/bin/nano-lsp
