"""`nano-lsp bundle`: creates a folder that installs everything on a machine without a network."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nano_lsp.atomic_files import require_disk_space
from nano_lsp.cli import bundle_install, bundle_parts
from nano_lsp.cli.terminal import file_progress, stderr, stdout
from nano_lsp.config import find_folders
from nano_lsp.errors import BundleError, ConfigError, DiskSpaceError, StoreWriteError
from nano_lsp.inference import hardware
from nano_lsp.models.store import ModelStore
from nano_lsp.offline import require_network

EXAMPLES = """Examples:

`nano-lsp bundle /media/usb/nano-lsp`

`nano-lsp bundle nano-lsp-bundle --portable --without vscode`

Then, on the other machine: `python3 nano-lsp-bundle/install.py`
"""

_SPARE_BYTES = 400 << 20  # for wheels, plugins and temporary files of their builds


class Part(StrEnum):
    """Parts of a bundle that can be left out."""

    VSCODE = "vscode"
    NVIM = "nvim"
    JUPYTER = "jupyter"


def bundle(  # noqa: PLR0917 - options, which typer passes by name
    out: Annotated[Path, typer.Argument(help="Folder to create; it must not exist, or must be empty.")],
    model: Annotated[str, typer.Option(help="Model to include, from this machine's store.")] = "nano",
    source: Annotated[
        Path | None,
        typer.Option(
            help="Checkout of the project, for the editor plugins. Default: the current folder.", file_okay=False
        ),
    ] = None,
    without: Annotated[list[Part] | None, typer.Option(help="Part to leave out; the option may be repeated.")] = None,
    jupyterlab: Annotated[
        bool, typer.Option("--jupyterlab", help="Include JupyterLab itself, and install it on the other machine.")
    ] = False,
    portable: Annotated[
        bool,
        typer.Option(
            "--portable", help="Build llama.cpp for every CPU of this machine's kind; takes ten minutes or more."
        ),
    ] = False,
) -> None:
    """Create a folder that installs server, model and editor plugins on a machine without a network.

    It is for machines with the same operating system, type of processor and version of Python. Wheels come from the
    package index that pip is configured for; editor plugins from a checkout of the project.
    """
    require_network("A bundle", "Make it on a machine that may download wheels.")
    parts = frozenset(Part) - frozenset(without or ())
    checkout = _find_checkout(source)
    npm = bundle_parts.find_npm() if Part.VSCODE in parts else ""  # before the work, to fail early
    store = ModelStore(find_folders())
    if model not in store.entries:
        raise ConfigError(
            f"There is no model {model!r}.",
            "`nano-lsp model list` shows all; `nano-lsp model import FILE --name NAME` adds one.",
        )
    with file_progress() as show:
        model_file = store.find(model, show)
    with _atomic_folder(out, model_file.stat().st_size + _SPARE_BYTES) as folder:
        wheels = bundle_parts.Wheels(folder / "wheels")
        extra = "[jupyter]" if Part.JUPYTER in parts else ""
        extension = checkout / "jupyter_ext"
        has_extension = Part.JUPYTER in parts and (extension / "pyproject.toml").is_file()
        with _step_display() as on_step:
            if portable:
                wheels.build_portable_llama(on_step, checkout)
            with_jupyterlab = ["jupyterlab"] if jupyterlab else []
            wheels.collect(on_step, f"nano-lsp{extra} @ {checkout.as_uri()}", *with_jupyterlab)
            if has_extension:
                wheels.collect(on_step, str(extension), deps=jupyterlab)
            if Part.VSCODE in parts:
                vsix = bundle_parts.package_extension(checkout / "editors/vscode", npm, on_step)
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
            "cpu_features": [] if portable else sorted(hardware.cpu_features()),
            "model": model,
            "model_file": f"model/{model_file.name}",
            "jupyterlab": jupyterlab,
            "jupyterlab_extension": bundle_parts.name_of(extension) if has_extension else "",
        }
        (folder / bundle_install.MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        digest = write_sums(folder)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    command = f"{bundle_install.python_command()} {out.name}/install.py"
    stdout.print(f"Created {out} ({size / 1e6:,.0f} MB). On the other machine, run: {command}")
    stdout.print(f"SHA-256 of its {bundle_install.SUMS}, to compare there: {digest}")


def write_sums(folder: Path) -> str:
    """Write the SHA-256 of each file in a folder, sorted, in the format of `sha256sum -c`.

    Returns:
        The SHA-256 of the file with the checksums.
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
    """The checkout given, the current folder, or the checkout that this package is installed from."""
    candidates = [source] if source else [Path.cwd(), Path(bundle_install.__file__).parents[2]]
    for folder in candidates:
        if (folder / "pyproject.toml").is_file() and (folder / "nano_lsp").is_dir():
            return folder.resolve()
    raise BundleError(
        f"{candidates[0]} is not a checkout of the project, which the editor plugins are taken from.",
        "Run the command in a checkout, or give one: `--source FOLDER`.",
    )


@contextlib.contextmanager
def _atomic_folder(out: Path, needed: int) -> Iterator[Path]:
    """Yield a temporary folder to fill; it is renamed to `out` on success and deleted on failure."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise BundleError(f"{out} is not empty.", "Choose another folder, or remove it.")
    out = out.resolve()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        require_disk_space("The bundle", out.parent, needed, "Free some space, or choose another disk.")
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
def _step_display() -> Iterator[Callable[[str], None]]:
    """Show the current step: in one changing line on a terminal, otherwise in a line per step."""
    if stderr.is_terminal:
        with stderr.status("Starting") as status:

            def update(text: str) -> None:
                status.update(text[: stderr.width - 4].replace("[", r"\["))

            yield update
    else:
        shown = ""

        def print_title(text: str) -> None:
            nonlocal shown
            title = text.partition(":")[0]
            if title != shown:
                shown = title
                stderr.print(f"{title} …")

        yield print_title
