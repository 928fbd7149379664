"""NEURO-NANO for JupyterLab and Notebook 7: the Jupyter server extension, and the location of the front end."""

from __future__ import annotations

from nano_lsp_jupyter.app import NanoApp


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "neuro-nano-jupyter"}]


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    return [{"module": "nano_lsp_jupyter", "app": NanoApp}]
