"""Settings and folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.config import Settings, find_folders, load_settings
from nano_lsp.errors import ConfigError


def test_the_later_source_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text("n_ctx = 1024\nn_batch = 16\nmodel = 'pico'\nsnapshots = true\n")
    monkeypatch.setenv("NANO_LSP_N_CTX", "2048")
    monkeypatch.setenv("NANO_LSP_N_BATCH", "64")
    settings = load_settings(os.environ, n_batch=8, max_tokens=None)
    assert (settings.n_ctx, settings.n_batch, settings.model, settings.snapshots) == (2048, 8, "pico", True)
    assert settings.max_tokens == Settings().max_tokens


@given(st.integers())
def test_a_number_is_in_range_or_refused(n_ctx: int) -> None:
    if 512 <= n_ctx <= 32_768:
        assert Settings(n_ctx=n_ctx).n_ctx == n_ctx
    else:
        with pytest.raises(ConfigError) as caught:
            Settings(n_ctx=n_ctx)
        assert "512 to 32768" in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        "n_ctx = 'many'",
        "n_ctx = true",
        "n_ctx = 1.5",
        "model = 5",
        "snapshots = 'maybe'",
        "nonsense = 1",
        "= 1",
        "\xff",
    ],
)
def test_a_file_that_makes_no_sense_is_refused(home: Path, content: str) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert caught.value.remedy


def test_folders_follow_the_system_or_one_home(tmp_path: Path) -> None:
    folders = find_folders({"NANO_LSP_HOME": str(tmp_path)})
    assert {folders.config, folders.models, folders.cache} == {tmp_path / n for n in ("config", "models", "cache")}
    assert find_folders({}).models.parts[-2:] == ("nano-lsp", "models")
    assert not list(tmp_path.iterdir())
