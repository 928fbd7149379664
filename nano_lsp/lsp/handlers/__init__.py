"""The handlers of LSP requests, notifications and commands; the features themselves are in other packages."""

from nano_lsp.config import Folders
from nano_lsp.lsp.handlers import actions, documents, explanations, lifecycle, next_edits, suggestions, training
from nano_lsp.lsp.server import NanoServer

__all__ = ["create_server"]


def create_server(folders: Folders) -> NanoServer:
    """Create a server with its handlers; it loads nothing before `initialized`."""
    server = NanoServer(folders)
    for module in (lifecycle, documents, suggestions, next_edits, actions, explanations, training):
        module.register(server)
    return server
