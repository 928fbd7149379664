"""The Jupyter server extension application."""

from __future__ import annotations

from pathlib import Path

from jupyter_server.extension.application import ExtensionApp

from nano_lsp.config import find_folders
from nano_lsp_jupyter.handlers import HANDLERS
from nano_lsp_jupyter.service import Service

PREFIX = "nano-lsp"


class NanoApp(ExtensionApp):
    """Adds the handlers below `<base URL>/nano-lsp/`."""

    name = "nano_lsp_jupyter"
    open_browser = False
    service: Service

    def initialize_settings(self) -> None:
        """Create the service that the handlers share; it loads no model yet."""
        root = Path(self.serverapp.root_dir) if self.serverapp else Path.cwd()
        self.service = Service(find_folders(), root)

    def initialize_handlers(self) -> None:
        """Register the handlers; Jupyter prepends the base URL."""
        self.handlers.extend((f"/{PREFIX}/{name}", handler, {"service": self.service}) for name, handler in HANDLERS)

    async def stop_extension(self) -> None:
        """Stop the service and release the model."""
        self.service.stop()
        await self.service.session.closed()
