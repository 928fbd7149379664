"""The magics `%nano` and `%%nano` for IPython: parsing, display, and the state of the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: InteractiveShell) -> None:
    """Register the magics with a shell, in place of those registered before."""
    from nano_lsp.ipython.magics import NanoMagics  # noqa: PLC0415 - needs IPython

    unload(shell)
    NanoMagics(shell).install()


def unload(shell: InteractiveShell) -> None:
    """Unregister the magics."""
    from nano_lsp.ipython.magics import NanoMagics  # noqa: PLC0415 - needs IPython

    installed = shell.magics_manager.registry.get(NanoMagics.__name__)
    if isinstance(installed, NanoMagics):
        installed.uninstall()
