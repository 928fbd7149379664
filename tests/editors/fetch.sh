#!/usr/bin/env bash
# Puts editors that tests drive under the user's cache: tests/editors/fetch.sh neovim helix emacs vim
#
# They are Debian's packages of the next release. These need a newer C library than this system may have, so they are
# unpacked beside it and run through their own loader. What has been fetched once is kept.
set -euo pipefail

readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/nano-lsp-ci/editors"
readonly MIRROR=http://deb.debian.org/debian SUITE=forky
readonly KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

# unpack NAME PACKAGE...: packages, and all they need, into $CACHE/NAME.
unpack() {
    local name=$1 apt root=$CACHE/$1.part
    shift
    apt=$(mktemp -d)
    mkdir -p "$apt"/{etc,lists/partial,cache/archives/partial}
    : >"$apt/empty"
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$MIRROR" "$SUITE" "$KEYS" >"$apt/etc/x.sources"
    local options=(-q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$apt/etc" -o "Dir::State::lists=$apt/lists"
        -o "Dir::Cache=$apt/cache" -o "Dir::State::status=$apt/empty" -o "APT::Sandbox::User=$(id -un)")
    apt-get "${options[@]}" update
    # Without the status of this system, everything the package needs is downloaded.
    apt-get "${options[@]}" install -y --no-install-recommends --download-only "$@"
    rm -rf "$root"
    mkdir -p "$root"
    for archive in "$apt"/cache/archives/*.deb; do dpkg -x "$archive" "$root"; done
    rm -rf "$apt"
    # Paths in the wrapper are those after the move.
    "wrap_$name" "$CACHE/$name" >"$root/run"
    chmod +x "$root/run"
    mv "$root" "$CACHE/$name"
}

# through_loader ROOT PROGRAM [ARGUMENT]: the command line that runs a program with the C library it was built for.
through_loader() {
    local lib=$1/usr/lib/x86_64-linux-gnu
    # shellcheck disable=SC2016 # the wrapper expands it
    printf 'exec "%s/ld-linux-x86-64.so.2" --library-path "%s:%s/lua/5.1" "%s" %s "$@"\n' "$lib" "$lib" "$lib" "$1/$2" "${3:-}"
}

wrap_neovim() {
    printf '#!/bin/sh\nexport VIMRUNTIME="%s/usr/share/nvim/runtime"\n' "$1"
    through_loader "$1" usr/bin/nvim
}

wrap_helix() {
    printf '#!/bin/sh\nexport HELIX_RUNTIME="%s/usr/lib/hx/runtime"\n' "$1"
    through_loader "$1" usr/bin/hx
}

wrap_emacs() {
    local part=$1.part share libexec dump
    share=$(echo "$part"/usr/share/emacs/[0-9]*)
    dump=$(echo "$part"/usr/libexec/emacs/*/*/emacs-*.pdmp)
    libexec=$(dirname "$dump")
    printf '#!/bin/sh\nexport EMACSLOADPATH="%s"\n' \
        "$(find "$share/lisp" "$part"/usr/share/emacs/site-lisp/elpa-src -type d | sed "s#^$part#$1#" | paste -sd:)"
    printf 'export EMACSDATA="%s" EMACSDOC="%s" EMACSPATH="%s"\n' "${share/$part/$1}/etc" "${share/$part/$1}/etc" "${libexec/$part/$1}"
    through_loader "$1" usr/bin/emacs-nox "--dump-file=${dump/$part/$1}"
}

wrap_vim() {
    local runtime
    runtime=$(echo "$1".part/usr/share/vim/vim[0-9]*)
    printf '#!/bin/sh\nexport VIMRUNTIME="%s"\n' "${runtime/$1.part/$1}"
    # ALE is a package of the system's Vim.
    through_loader "$1" usr/bin/vim.basic "--cmd 'set packpath^=$1/usr/share/vim/vimfiles'"
}

declare -A packages=([neovim]=neovim [helix]=hx [emacs]="emacs-nox elpa-lsp-mode" [vim]="vim vim-ale")
mkdir -p "$CACHE"
for name in "${@:-neovim}"; do
    [ -n "${packages[$name]:-}" ] || { echo "fetch.sh: no editor $name; there are: ${!packages[*]}" >&2; exit 2; }
    # shellcheck disable=SC2086 # an editor may be several packages
    [ -x "$CACHE/$name/run" ] || unpack "$name" ${packages[$name]}
    "$CACHE/$name/run" --version | head -1
done
