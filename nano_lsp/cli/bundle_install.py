"""Installs a bundle of nano-lsp on a machine without a network; `nano-lsp bundle` copies this file into each.

    python3 install.py              into a virtual environment of its own
    python3 install.py --check      only look whether every file is as it was made

It needs nothing but the Python that the bundle was made for, and changes nothing before all files are verified.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

SUMS = "SHA256SUMS"
MANIFEST = "bundle.json"
_CHUNK_BYTES = 1 << 20


class InstallError(Exception):
    """What went wrong, and what to do about it."""


def main() -> None:
    """Verify, install, and say what to do in each editor."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show does not end the installation
            stream.reconfigure(errors="backslashreplace")
    bundle = Path(__file__).resolve().parent
    options = _options()
    try:
        verify(bundle)
        print(f"Every file is as {SUMS} says.")
        if not options.check:
            manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
            check_machine(manifest)
            install(bundle, manifest, options.into)
            print(next_steps(bundle, manifest, program(options.into)))
    except InstallError as error:
        _leave(f"Error: {error}", 1)
    except OSError as error:
        _leave(f"Error: {error}. See to space and permissions, or choose another folder with --into.", 1)
    except KeyboardInterrupt:
        _leave("Interrupted; nothing is installed.", 130)


def verify(bundle: Path) -> None:
    """Compare all files of a bundle with its checksums.

    Raises:
        InstallError: a file is changed, missing or was not in the bundle.
    """
    remedy = "Nothing is installed. Copy the bundle anew from where it was made."
    try:
        lines = (bundle / SUMS).read_text(encoding="utf-8", errors="replace").rstrip("\n").split("\n")
    except FileNotFoundError:
        raise InstallError(f"{SUMS} is missing. {remedy}") from None
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    # Names that begin with a dot are what systems leave on a disk; pip takes none of them.
    here = {file.relative_to(bundle).as_posix() for file in bundle.rglob("[!.]*") if not file.is_dir()}
    for name in sorted(here - sums.keys() - {SUMS}):
        raise InstallError(f"{name} does not belong to the bundle. {remedy}")
    for name, expected in sums.items():
        if name not in here:
            raise InstallError(f"{name} is missing. {remedy}")
        if sha256_of(bundle / name) != expected:
            raise InstallError(f"{name} is not what {SUMS} says. {remedy}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def this_platform() -> str:
    """System and processor that wheels are built for, as `linux-x86_64`."""
    return f"{sys.platform}-{platform.machine().lower()}"


def check_machine(manifest: dict[str, Any]) -> None:
    """Whether the wheels run here.

    Raises:
        InstallError: another Python, another system, or a CPU that lacks what llama.cpp was built for.
    """
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python != manifest["python"]:
        raise InstallError(
            f"The bundle is for Python {manifest['python']}, this is {python}. "
            f"Run it with that one: python{manifest['python']} {sys.argv[0]}"
        )
    if this_platform() != manifest["platform"]:
        raise InstallError(
            f"The bundle is for {manifest['platform']}, this is {this_platform()}. Make one on a machine like this."
        )
    try:
        found = re.search(r"^(?:flags|Features)\s*:(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        return  # only Linux tells
    lacking = sorted(set(manifest["cpu_features"]) - set(found[1].split())) if found else []
    if lacking:
        raise InstallError(
            f"llama.cpp in this bundle needs a CPU with {', '.join(lacking)}. Make one for more CPUs: "
            "`nano-lsp bundle --portable`."
        )


def install(bundle: Path, manifest: dict[str, Any], into: Path) -> None:
    """Make the virtual environment, fill it from the wheels, and put the model into the store.

    Raises:
        InstallError: a step failed; the environment is gone then.
    """
    if into.exists() and any(into.iterdir()) and not (into / "pyvenv.cfg").is_file():
        raise InstallError(f"{into} holds something else. Choose another folder with --into.")
    print(f"Installing into {into} …", flush=True)
    try:
        remedy = "On Debian and Ubuntu, python3-venv is needed."
        _run([sys.executable, "-m", "venv", "--clear", str(into)], "The virtual environment cannot be made", remedy)
        pip = [str(program(into).with_name("python")), "-I", "-m", "pip", "install", "--no-index", "--no-input", "-q"]
        wanted = [f"nano-lsp{manifest['extra']}=={manifest['version']}"]
        if manifest["jupyterlab"]:
            wanted += ["jupyterlab", manifest["jupyterlab_extension"]]
        quiet = ["--disable-pip-version-check", "--find-links", str(bundle / "wheels")]
        _run([*pip, *quiet, *filter(None, wanted)], "pip could not install the wheels", "See its words above.")
        model = [str(program(into)), "model", "import", str(bundle / manifest["model_file"])]
        _run([*model, "--name", manifest["model"]], "The model cannot be put into its store", "See the words above.")
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def next_steps(bundle: Path, manifest: dict[str, Any], nano_lsp: Path) -> str:
    """Where things are, and what to do in each editor whose part is in the bundle."""
    lines = ["", f"Installed: {nano_lsp}", f"Try it:    {_quote(nano_lsp)} demo"]
    if manifest["model"] != "nano":
        lines += [
            "",
            f'The model is {manifest["model"]}: write model = "{manifest["model"]}" into config.toml, which',
        ]
        lines += [f"{_quote(nano_lsp)} doctor names, or set it in the editor (nano.model)."]
    is_found = nano_lsp == program(default_environment())  # where the editors' plugins look by themselves
    vsix = bundle / "vscode" / "neuro-nano.vsix"
    if vsix.is_file():
        lines += ["", "VS Code:", f"  code --install-extension {_quote(vsix)}"]
        if not is_found:
            lines += [f'  and in its settings: "nano.server.path": {json.dumps(str(nano_lsp))}']
    if (bundle / "nvim").is_dir():
        site = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "nvim"
        if os.name == "nt":
            site = Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "nvim-data"
        lines += [
            "",
            "Neovim:",
            f"  copy the folder {bundle / 'nvim'}",
            f"  to {site / 'site/pack/nano/start/nano'},",
        ]
        options = "" if is_found else f'{{ cmd = {{ {json.dumps(str(nano_lsp))}, "server" }} }}'
        lines += [f'  and in init.lua: require("nano").setup({options})']
    if manifest["jupyterlab"]:
        lines += ["", f"JupyterLab: {_quote(nano_lsp.with_name('jupyter'))} lab"]
    elif manifest["jupyterlab_extension"]:
        lines += ["", "JupyterLab, with the Python that it runs on:"]
        install_it = f"-m pip install --no-index --find-links {_quote(bundle / 'wheels')}"
        lines += [f"  python {install_it} {manifest['jupyterlab_extension']}"]
    return "\n".join([*lines, "", f"Other editors: their server is `{_quote(nano_lsp)} server`."])


def program(environment: Path) -> Path:
    """`nano-lsp` in a virtual environment."""
    return environment / "Scripts" / "nano-lsp.exe" if os.name == "nt" else environment / "bin" / "nano-lsp"


def default_environment() -> Path:
    """Where programs of a user keep their data on this system."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "nano-lsp" / "venv"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/nano-lsp/venv"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "nano-lsp" / "venv"


def _options() -> argparse.Namespace:
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=kind)
    into = "folder of the virtual environment; an earlier one there is replaced (default: %(default)s)"
    parser.add_argument("--into", type=Path, default=default_environment(), metavar="FOLDER", help=into)
    parser.add_argument("--check", action="store_true", help="verify the files and install nothing")
    return parser.parse_args()


def _run(command: list[str], failure: str, remedy: str) -> None:
    """Run a step; what the user's shell has set for another Python does not reach it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(command, check=False, env=environment)  # noqa: S603 - no shell, own words
    if done.returncode:
        raise InstallError(f"{failure} (exit code {done.returncode}). {remedy}")


def _quote(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)


def _leave(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
