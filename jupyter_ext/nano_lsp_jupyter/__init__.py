"""NEURO-NANO in JupyterLab and Notebook 7: the server's side, and where the front end lies."""

from __future__ import annotations

from nano_lsp_jupyter.app import NanoApp


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "neuro-nano-jupyter"}]


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    return [{"module": "nano_lsp_jupyter", "app": NanoApp}]
