#!/usr/bin/env bash
# Makes a folder with Python, nano-lsp and the engine, which runs from wherever it is: included_server.sh FOLDER SYSTEM WHEELS [PYTHON]
# SYSTEM is linux-x64, linux-arm64 or darwin-arm64. WHEELS holds the wheels of nano-lsp and of the engine for it, and the
# lock file with their hashes. PYTHON is the folder of a Python 3.13 for it, in place of the one that uv downloads.
set -euo pipefail
folder=$1 wheels=$3 python=${4:-}
glibc=$(find "$wheels" -name 'llama_cpp_python-*' | sed -n 's/.*manylinux_2_\([0-9]*\)_.*/\1/p')
case $2 in
linux-x64) build=linux-x86_64-gnu platform=x86_64-manylinux_2_$glibc ;;
linux-arm64) build=linux-aarch64-gnu platform=aarch64-manylinux_2_$glibc ;;
darwin-arm64) build=macos-aarch64-none platform=aarch64-apple-darwin ;;
*) echo "There is no included server for $2." >&2 && exit 1 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$python" ]; then
    uv python install --quiet --no-bin --install-dir "$work" "cpython-3.13-$build"
    python=$(echo "$work"/cpython-3.13.*)
fi
mkdir -p "$folder/bin"
cp -R "$python" "$folder/python"
lib=$folder/python/lib/python3.13
rm -rf "$folder"/python/{share,include} "$folder"/python/lib/*.a "$lib"/{test,idlelib,tkinter,turtledemo,ensurepip} "$lib"/config-* "$lib"/site-packages/*
install() { uv pip install --quiet --no-config --target "$lib/site-packages" --python-version 3.13 --python-platform "$platform" --only-binary :all: "$@"; }
install --require-hashes --find-links "$wheels" -r "$wheels/requirements.txt"
install --no-deps --no-index "$wheels"/nano_lsp-*.whl
find "$folder" -name __pycache__ -prune -exec rm -rf {} +
cat >"$folder/bin/nano-lsp" <<'END'
#!/bin/sh
exec "$(dirname "$(realpath "$0")")/../python/bin/python3.13" -I -m nano_lsp "$@"
END
chmod +x "$folder/bin/nano-lsp"
