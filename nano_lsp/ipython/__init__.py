"""The magics `%nano` and `%%nano` for IPython: they parse, show, and know the kernel; no rule about code is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: InteractiveShell) -> None:
    """Register the magics with a shell; once is enough."""
    from nano_lsp.ipython.magics import NanoMagics  # noqa: PLC0415 - needs IPython

    unload(shell)
    NanoMagics(shell).install()


def unload(shell: InteractiveShell) -> None:
    """Take the magics away again."""
    from nano_lsp.ipython.magics import NanoMagics  # noqa: PLC0415 - needs IPython

    installed = shell.magics_manager.registry.get(NanoMagics.__name__)
    if isinstance(installed, NanoMagics):
        installed.uninstall()
