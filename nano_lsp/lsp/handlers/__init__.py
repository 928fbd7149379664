"""The handlers. They translate; what to do is decided in `features`."""

from nano_lsp.config import Folders
from nano_lsp.lsp.handlers import actions, documents, explanations, lifecycle, suggestions
from nano_lsp.lsp.server import NanoServer

__all__ = ["create_server"]


def create_server(folders: Folders) -> NanoServer:
    """A server with its handlers; it loads nothing before an editor has introduced itself."""
    server = NanoServer(folders)
    for module in (lifecycle, documents, suggestions, actions, explanations):
        module.register(server)
    return server
