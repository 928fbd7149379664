"""`nano-lsp bundle`: a folder that installs everything on a machine without a network."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from nano_lsp.cli import bundle_install, bundle_parts
from nano_lsp.cli.terminal import file_progress, stderr, stdout
from nano_lsp.config import find_folders
from nano_lsp.errors import BundleError, ConfigError, DiskSpaceError, StoreWriteError
from nano_lsp.inference import hardware
from nano_lsp.models.store import ModelStore

EXAMPLES = """Examples:

`nano-lsp bundle /media/usb/nano-lsp`

`nano-lsp bundle nano-lsp-bundle --portable --without vscode`

Then, on the other machine: `python3 nano-lsp-bundle/install.py`
"""

_SPARE_BYTES = 400 << 20  # wheels, plugins, and what building them takes
_PORTABLE_FEATURES = ("avx2", "f16c", "fma")  # of x86 processors, since 2013; what llama.cpp takes for granted


class Part(str, Enum):
    """What may be left out."""

    VSCODE = "vscode"
    NVIM = "nvim"
    JUPYTER = "jupyter"


def bundle(  # noqa: PLR0917 - options, which typer passes by name
    out: Annotated[Path, typer.Argument(help="Folder to make; it must not exist, or be empty.")],
    model: Annotated[str, typer.Option(help="Model to take along, from this machine's store.")] = "nano",
    source: Annotated[
        Path | None, typer.Option(help="Checkout of the project. Default: the folder you are in.", file_okay=False)
    ] = None,
    without: Annotated[list[Part] | None, typer.Option(help="Leave a part out; may be repeated.")] = None,
    jupyterlab: Annotated[
        bool, typer.Option("--jupyterlab", help="Take JupyterLab itself along, and install it there.")
    ] = False,
    portable: Annotated[
        bool,
        typer.Option("--portable", help="Build llama.cpp anew, for any CPU with AVX2 or any ARM; takes minutes."),
    ] = False,
) -> None:
    """Make a folder that installs server, model and editor plugins on a machine without a network.

    It is for machines with this system, this kind of processor and this version of Python. Wheels come from the
    package index that pip is configured for; plugins of editors from a checkout of the project.
    """
    parts = frozenset(Part) - frozenset(without or ())
    checkout = _find_checkout(source)
    npm = bundle_parts.find_npm() if Part.VSCODE in parts else ""  # what is missing is told before the work
    store = ModelStore.open(find_folders())
    if model not in store.entries:
        raise ConfigError(
            f"There is no model {model!r}.",
            "`nano-lsp model list` shows all; `nano-lsp model import FILE --name NAME` adds one.",
        )
    with file_progress() as show:
        model_file = store.find(model, show)
    with _made_whole(out, model_file.stat().st_size + _SPARE_BYTES) as folder:
        wheels = bundle_parts.Wheels(folder / "wheels")
        extra = "[jupyter]" if Part.JUPYTER in parts else ""
        extension = checkout / "jupyter_ext"
        has_extension = Part.JUPYTER in parts and (extension / "pyproject.toml").is_file()
        with _steps() as step:
            if portable:
                wheels.build_portable_llama(step)
            with_jupyterlab = ["jupyterlab"] if jupyterlab else []
            wheels.collect(step, f"nano-lsp{extra} @ {checkout.as_uri()}", *with_jupyterlab)
            if has_extension:
                wheels.collect(step, str(extension), deps=jupyterlab)
            if Part.VSCODE in parts:
                vsix = bundle_parts.package_extension(checkout / "editors/vscode", npm, step)
                (folder / "vscode").mkdir()
                shutil.copyfile(vsix, folder / "vscode" / vsix.name)
        if Part.NVIM in parts:
            unneeded = shutil.ignore_patterns(".*", "tags")
            shutil.copytree(checkout / "editors/nvim", folder / "nvim", ignore=unneeded)
        _copy_model(model_file, folder / "model" / model_file.name)
        shutil.copyfile(bundle_install.__file__, folder / "install.py")
        manifest = {
            "version": wheels.version_of("nano-lsp"),
            "extra": extra,
            "python": wheels.python,
            "platform": bundle_install.this_platform(),
            "cpu_features": _needed_features(portable=portable),
            "model": model,
            "model_file": f"model/{model_file.name}",
            "jupyterlab": jupyterlab,
            "jupyterlab_extension": bundle_parts.name_of(extension) if has_extension else "",
        }
        (folder / bundle_install.MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        digest = write_sums(folder)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    stdout.print(f"{out} is a bundle of {size / 1e6:,.0f} MB. On the other machine: python3 {out.name}/install.py")
    stdout.print(f"SHA-256 of its {bundle_install.SUMS}, to compare there: {digest}")


def write_sums(folder: Path) -> str:
    """Write the SHA-256 of each file of a folder, in the form and order that `sha256sum -c` and a diff can use.

    Returns:
        The SHA-256 of that list.
    """
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    sums = folder / bundle_install.SUMS
    lines = [f"{bundle_install.sha256_of(folder / name)}  {name}\n" for name in names]
    sums.write_bytes("".join(lines).encode())
    return bundle_install.sha256_of(sums)


def _copy_model(file: Path, target: Path) -> None:
    from nano_lsp.models.sources import fetch_copy  # noqa: PLC0415 - the hub's library takes half a second to import

    target.parent.mkdir()
    size = file.stat().st_size
    with file_progress() as show:
        fetch_copy(file, target, lambda done: show("copying the model", done, size))


def _find_checkout(source: Path | None) -> Path:
    """The checkout named, the one we are in, or the one that this package is installed from."""
    places = [source] if source else [Path.cwd(), Path(bundle_install.__file__).parents[2]]
    for place in places:
        if (place / "pyproject.toml").is_file() and (place / "nano_lsp").is_dir():
            return place.resolve()
    raise BundleError(
        f"{places[0]} is no checkout of the project, which the editors' plugins are taken from.",
        "Run it in a checkout, or name one: `--source FOLDER`.",
    )


@contextlib.contextmanager
def _made_whole(out: Path, needed: int) -> Iterator[Path]:
    """A folder to fill; it takes its place when all has gone well, else nothing of it stays."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise BundleError(f"{out} is not empty.", "Choose another folder, or remove it.")
    out = out.resolve()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(out.parent).free
        if free < needed:
            raise DiskSpaceError(
                f"The bundle needs {needed / 1e6:,.0f} MB in {out.parent}, {free / 1e6:,.0f} MB are free.",
                "Free some space, or choose another disk.",
            )
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
            folder = Path(work) / out.name
            folder.mkdir()
            yield folder
            if out.is_dir():
                out.rmdir()
            folder.rename(out)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskSpaceError(f"The disk of {out.parent} is full.", "Free some space, and try again.") from error
        raise StoreWriteError(
            f"{error.filename or out} cannot be written: {error.strerror or error}.", "Correct its permissions."
        ) from error


@contextlib.contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """Shows what is being done: one line that moves on a terminal, a line a step elsewhere."""
    if stderr.is_terminal:
        with stderr.status("Starting") as status:

            def move(text: str) -> None:
                status.update(text[: stderr.width - 4].replace("[", r"\["))

            yield move
    else:
        told = ""

        def tell(text: str) -> None:
            nonlocal told
            title = text.partition(":")[0]
            if title != told:
                told = title
                stderr.print(f"{title} …")

        yield tell


def _needed_features(*, portable: bool) -> list[str]:
    found = hardware.cpu_features()
    return sorted(found & frozenset(_PORTABLE_FEATURES) if portable else found)
