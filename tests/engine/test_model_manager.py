"""Which models an engine keeps loaded; on the scripted model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from nano_lsp.config import find_folders
from nano_lsp.engine.model_manager import ClientInfo, ModelManager
from nano_lsp.errors import EngineBusyError
from nano_lsp.settings import Settings


def ignore(what: str, done: int, total: int) -> None:
    """A progress that nobody shows."""


def test_work_in_advance_neither_loads_a_model_nor_keeps_one_loaded(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"x = ": "1"}))
    settings = Settings(model=f"scripted:{script}", unload_minutes=0)
    client = ClientInfo("editor", settings)

    async def work() -> None:
        models = ModelManager(find_folders(), settings)
        with pytest.raises(EngineBusyError, match="not loaded"):
            async with models.acquire(client, ignore, in_advance=True):
                pass
        assert models.statuses() == []
        async with models.acquire(client, ignore):
            pass
        used = models.used
        async with models.acquire(client, ignore, in_advance=True) as assistant:
            assert assistant.model.tokenizer
            longer = ClientInfo("editor", Settings(model=settings.model, n_ctx=2 * settings.n_ctx))
            with pytest.raises(EngineBusyError):
                async with models.acquire(longer, ignore, in_advance=True):
                    pass
        assert models.used == used
        await models.unload_idle()
        assert models.statuses() == []
        await models.close()

    asyncio.run(work())
