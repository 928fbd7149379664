"""An assistant where the settings say that the model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nano_lsp.config import IN_PROCESS, SHARED, Folders, Settings
from nano_lsp.features.assistant import Assistant
from nano_lsp.shared.client import OnConnection, SharedAssistant, tell_nobody
from nano_lsp.shared.place import find_place

if TYPE_CHECKING:  # not imported: it knows the model hub
    from nano_lsp.engine.model_store import Progress


def open_assistant(
    settings: Settings,
    folders: Folders,
    name: str,
    on_load: Progress,
    on_connection: OnConnection = tell_nobody,
) -> Assistant:
    """An assistant, ready for work; can be interrupted at any time.

    Args:
        settings: which model, and where it runs.
        folders: of this user.
        name: of this program, for people.
        on_load: is told of the model's loading, in bytes.
        on_connection: is told when an engine in another process has gone, and with None when it is back.

    Raises:
        NanoError: the model cannot be loaded, or the engine cannot be reached.
    """
    if settings.engine == SHARED:
        shared = SharedAssistant(find_place(folders), settings, name, on_load=on_load, on_connection=on_connection)
        try:
            shared.connect()
        except BaseException:
            shared.close()
            raise
        return shared
    from nano_lsp.features.assistant import LocalAssistant  # noqa: PLC0415
    from nano_lsp.features.model import Model  # noqa: PLC0415 - others need no arrays

    if settings.engine == IN_PROCESS:
        return LocalAssistant(Model.load(settings, folders, on_load), settings, folders)
    raise NotImplementedError
