"""Installs a bundle of nano-lsp on a machine without a network; `nano-lsp bundle` copies this file into each bundle.

    python3 install.py              install into a new virtual environment
    python3 install.py --check      only verify the checksums of all files

It needs nothing but the version of Python that the bundle is for, and changes nothing until all files are verified.
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
    """The installation failed; the message has the remedy."""


def main() -> None:
    """Verify and install the bundle, and print the next steps for each editor."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that the terminal lacks must not raise an error
            stream.reconfigure(errors="backslashreplace")
    bundle = Path(__file__).resolve().parent
    options = _options()
    try:
        verify(bundle)
        print(f"All files match {SUMS}.")
        if not options.check:
            manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
            check_machine(manifest)
            install(bundle, manifest, options.into)
            print(next_steps(bundle, manifest, program(options.into)))
    except InstallError as error:
        _exit(f"Error: {error}", 1)
    except OSError as error:
        _exit(f"Error: {error}. Check free space and permissions, or choose another folder with --into.", 1)
    except KeyboardInterrupt:
        _exit("Interrupted; nothing is installed.", 130)


def verify(bundle: Path) -> None:
    """Compare all files of a bundle with its checksums.

    Raises:
        InstallError: A file is changed or missing, or does not belong to the bundle.
    """
    remedy = "Nothing is installed. Copy the bundle again from where it was created."
    try:
        lines = (bundle / SUMS).read_text(encoding="utf-8", errors="replace").rstrip("\n").split("\n")
    except FileNotFoundError:
        raise InstallError(f"{SUMS} is missing. {remedy}") from None
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    # Operating systems leave files whose names begin with a dot on a disk; pip ignores these.
    here = {file.relative_to(bundle).as_posix() for file in bundle.rglob("[!.]*") if not file.is_dir()}
    for name in sorted(here - sums.keys() - {SUMS}):
        raise InstallError(f"{name} does not belong to the bundle. {remedy}")
    for name, expected in sums.items():
        if name not in here:
            raise InstallError(f"{name} is missing. {remedy}")
        if sha256_of(bundle / name) != expected:
            raise InstallError(f"{name} does not match {SUMS}. {remedy}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def this_platform() -> str:
    """Operating system and processor that wheels are built for, such as `linux-x86_64`."""
    return f"{sys.platform}-{platform.machine().lower()}"


def check_machine(manifest: dict[str, Any]) -> None:
    """Check that the wheels run on this machine.

    Raises:
        InstallError: The version of Python or the operating system differs, or the CPU lacks a required feature.
    """
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python != manifest["python"]:
        raise InstallError(
            f"The bundle is for Python {manifest['python']}, this is {python}. "
            f"Run the installer with that version: {python_command(manifest['python'])} {sys.argv[0]}"
        )
    if this_platform() != manifest["platform"]:
        raise InstallError(
            f"The bundle is for {manifest['platform']}, this is {this_platform()}. "
            "Create the bundle on a machine like this one."
        )
    try:
        found = re.search(r"^(?:flags|Features)\s*:(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        return  # only on Linux
    lacking = sorted(set(manifest["cpu_features"]) - set(found[1].split())) if found else []
    if lacking:
        raise InstallError(
            f"llama.cpp in this bundle needs a CPU with {', '.join(lacking)}. Create a bundle for more CPUs: "
            "`nano-lsp bundle --portable`."
        )


def install(bundle: Path, manifest: dict[str, Any], into: Path) -> None:
    """Create the virtual environment, install the wheels, and import the model into the store.

    Raises:
        InstallError: A step failed; an environment that was there is as before.
    """
    if into.exists() and any(into.iterdir()) and not (into / "pyvenv.cfg").is_file():
        raise InstallError(f"{into} is not a virtual environment. Choose another folder with --into.")
    print(f"Installing into {into} …", flush=True)
    before = into.absolute().with_name(f"{into.absolute().name}.before")
    if into.exists() and not before.exists():  # where it is there, an earlier installation was killed
        try:
            into.rename(before)
        except PermissionError as error:  # Windows does not move a program that runs
            raise InstallError(
                f"{into} cannot be replaced: {error.strerror}. Close the editors and notebooks that use it, "
                f"run {_quote(program(into))} engine stop, and try again. Nothing has changed."
            ) from None
    try:
        remedy = "On Debian and Ubuntu, install python3-venv."
        _run(
            [sys.executable, "-m", "venv", "--clear", str(into)], "The virtual environment cannot be created", remedy
        )
        pip = [str(program(into).with_name("python")), "-I", "-m", "pip", "install", "--no-index", "--no-input", "-q"]
        wanted = [f"nano-lsp{manifest['extra']}=={manifest['version']}"]
        if manifest["jupyterlab"]:
            wanted += ["jupyterlab", manifest["jupyterlab_extension"]]
        quiet = ["--disable-pip-version-check", "--find-links", str(bundle / "wheels")]
        _run([*pip, *quiet, *filter(None, wanted)], "pip could not install the wheels", "See its output above.")
        model = [str(program(into)), "model", "import", str(bundle / manifest["model_file"])]
        _run([*model, "--name", manifest["model"]], "The model cannot be imported", "See the output above.")
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        if before.exists():
            before.rename(into)
        raise
    shutil.rmtree(before, ignore_errors=True)


def python_command(version: str = "") -> str:
    """The command that runs Python, or this version of it, as its installers name it on this system."""
    if os.name == "nt":
        return f"py -{version}" if version else "py"
    return f"python{version or 3}"


def next_steps(bundle: Path, manifest: dict[str, Any], nano_lsp: Path) -> str:
    """The installed program, and the next steps for each editor whose plugin is in the bundle."""
    lines = ["", f"Installed: {nano_lsp}", f"Try it:    {_quote(nano_lsp)} demo"]
    if manifest["model"] != "nano":
        lines += [
            "",
            f'The model is {manifest["model"]}: write model = "{manifest["model"]}" into config.toml, whose path',
        ]
        lines += [f"{_quote(nano_lsp)} doctor prints, or set nano.model in the editor."]
    is_found = nano_lsp == program(default_environment())  # the editor plugins look here without a setting
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
        lines += ["", "JupyterLab, with the Python that runs it:"]
        install_it = f"-m pip install --no-index --find-links {_quote(bundle / 'wheels')}"
        lines += [f"  python {install_it} {manifest['jupyterlab_extension']}"]
    return "\n".join([*lines, "", f"Other editors: the language server is `{_quote(nano_lsp)} server`."])


def program(environment: Path) -> Path:
    """The path of `nano-lsp` in a virtual environment."""
    return environment / "Scripts" / "nano-lsp.exe" if os.name == "nt" else environment / "bin" / "nano-lsp"


def default_environment() -> Path:
    """The default virtual environment, in the user's data folder of this operating system."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "nano-lsp" / "venv"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/nano-lsp/venv"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "nano-lsp" / "venv"


def _options() -> argparse.Namespace:
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=kind)
    into = "folder of the virtual environment; an existing one is replaced (default: %(default)s)"
    parser.add_argument("--into", type=Path, default=default_environment(), metavar="FOLDER", help=into)
    parser.add_argument("--check", action="store_true", help="verify the files and install nothing")
    return parser.parse_args()


def _run(command: list[str], failure: str, remedy: str) -> None:
    """Run a program, without the environment variables of Python and pip."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(command, check=False, env=environment)  # noqa: S603 - no shell, own arguments
    if done.returncode:
        raise InstallError(f"{failure} (exit code {done.returncode}). {remedy}")


def _quote(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)


def _exit(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
