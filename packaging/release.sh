#!/usr/bin/env bash
# Builds what a release consists of: release.sh FOLDER [TAG]. The folder may hold the engine's wheels of build.py already;
# each becomes a VSIX for its system, but for Windows with Python as well: of python-build-standalone, or from the folder
# INCLUDED_PYTHON. Builds the commit that is checked out, in a copy of it, and needs the package indexes.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
folder=$(cd "$1" && pwd)
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' nano_lsp/version.py)
if [ $# -gt 1 ] && [ "$2" != "v$version" ]; then
    echo "The tag $2 is not that of version $version." >&2
    exit 1
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) # the same commit gives the same archives
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install -q --require-hashes --only-binary :all: -r packaging/release-tools.txt
PATH=$work/tools/bin:$PATH
git archive HEAD | tar -x -C "$work" --one-top-level=source
cd "$work/source"

python -m build --no-isolation --outdir "$folder" .
python -m build --no-isolation --wheel --outdir "$folder" jupyter_ext
git -C "$OLDPWD" archive --prefix=neuro-nano.nvim/ HEAD:editors/nvim | gzip -n >"$folder/neuro-nano.nvim-$version.tar.gz"
cyclonedx-py requirements --output-reproducible --of JSON -o "$folder/nano-lsp-$version.cdx.json" editors/vscode/server/requirements.txt

# With the address of the repository, where it is known, the Marketplace can show pictures and links.
cd editors/vscode
links=(--allow-missing-repository --no-rewrite-relative-links)
if [ -n "${GITHUB_REPOSITORY:-}" ]; then
    address=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY
    npm pkg set repository.type=git "repository.url=$address.git" "bugs.url=$address/issues" "homepage=$address"
    links=(--baseContentUrl "$address/blob/v$version/editors/vscode" --baseImagesUrl "$address/raw/v$version/editors/vscode")
fi
npm ci --no-audit --no-fund
node scripts/bundle.ts
cp "$folder/nano_lsp-$version"-*.whl server
# with_hash WHEEL LOCK: let a lock file allow a wheel of the engine, beside its source.
with_hash() { sed -i "/^llama-cpp-python==/a\\    --hash=sha256:$(sha256sum "$1" | cut -d ' ' -f 1) \\\\" "$2"; }
vsix() { npx vsce package --no-dependencies "${links[@]}" "$@"; }
vsix --out "$folder/neuro-nano-$version.vsix"
cp server/requirements.txt "$work/requirements.txt"
for engine in "$folder"/llama_cpp_python-*.whl; do
    case $engine in
    *linux*_x86_64.whl) target=linux-x64 ;;
    *linux*_aarch64.whl) target=linux-arm64 ;;
    *macosx*_arm64.whl) target=darwin-arm64 ;;
    *win_amd64.whl) target=win32-x64 ;;
    *) continue ;;
    esac
    cp "$work/requirements.txt" server
    with_hash "$engine" server/requirements.txt
    cp "$engine" server
    if [ "$target" != win32-x64 ]; then
        "$work/source/packaging/included_server.sh" "$work/included" "$target" server ${INCLUDED_PYTHON:+"$INCLUDED_PYTHON"}
        mv "$work/included/"* server
    fi
    vsix --target "$target" --out "$folder/neuro-nano-$version-$target.vsix"
    rm -rf "server/$(basename "$engine")" server/bin server/python "$work/included"
done

# What channels want, filled in; the feature for containers with its wheels, of which pip takes the one that fits.
cd "$work/source"
repository=${GITHUB_REPOSITORY:-OWNER/NAME} # what a release made by hand must fill in
python packaging/channels/render.py "$work/rendered" "$version" "$repository" "$folder/nano_lsp-$version.tar.gz"
feature=$work/rendered/devcontainer
mkdir "$feature/server"
cp packaging/devcontainer/install.sh "$feature"
cp "$folder/nano_lsp-$version"-*.whl "$feature/server"
cp "$work/requirements.txt" "$feature/server"
for engine in "$folder"/llama_cpp_python-*linux*.whl; do
    [ -e "$engine" ] || continue
    with_hash "$engine" "$feature/server/requirements.txt"
    cp "$engine" "$feature/server"
done
archive() { tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$1" -cf - . | gzip -n >"$2"; }
archive "$feature" "$folder/devcontainer-feature-nano-lsp.tgz"
archive "$work/rendered/channels" "$folder/channels-$version.tar.gz"

cd "$folder"
rm -f SHA256SUMS
sha256sum -- * >"$work/SHA256SUMS"
cp "$work/SHA256SUMS" .
