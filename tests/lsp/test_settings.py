"""Editor settings: validation, precedence, and what a project may set."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.editor.settings import load_project, read_settings
from nano_lsp.errors import ConfigError
from nano_lsp.settings import EDITOR_SETTINGS, EditorSettings, Settings, key_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([key_of(name) for name in EDITOR_SETTINGS])


@pytest.mark.parametrize(
    "around", [lambda given: given, lambda given: {"nano": given}, lambda given: {"nano-lsp": given}]
)
def test_settings_are_read(around: object) -> None:
    given = {"model": "pico", "maxTokens": 9, "minMeanProbability": 1, "languages": {"sql": False}, "exclude": ["a*"]}
    settings, warnings = read_settings(around(given))  # type: ignore[operator]
    assert warnings == []
    assert (settings.model, settings.max_tokens, settings.min_mean_probability) == ("pico", 9, 1.0)
    assert (settings.languages, settings.exclude) == ({"sql": False}, ["a*"])
    assert settings.of_model.max_tokens == 9


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("maxTokens", "9", "a whole number"),
        ("maxTokens", True, "a whole number"),
        ("maxTokens", 0, "from 1 to 4096"),
        ("enabled", 1, "true or false"),
        ("kvType", "f32", "one of f16, q8_0, q4_0"),
        ("exclude", "a*", "a list of texts"),
        ("exclude", [1], "a list of texts"),
        ("languages", {"sql": 0}, "an object of true and false"),
        ("colour", "red", "There is no setting nano.colour"),
    ],
)
def test_an_invalid_value_is_reported_with_its_key_and_the_default_is_used(
    key: str, value: object, said: str
) -> None:
    settings, warnings = read_settings({key: value, "nThreads": 2})
    assert settings == EditorSettings(n_threads=2)
    (warning,) = warnings
    assert f"nano.{key}" in warning
    assert said in warning


@given(JSON | st.dictionaries(KEYS, JSON, max_size=4))
def test_settings_are_valid_whatever_an_editor_sends(given: object) -> None:
    settings, warnings = read_settings(given)
    assert settings.of_model
    assert isinstance(given, dict) or not warnings


def test_later_settings_override_initial_ones() -> None:
    settings, _ = read_settings({"model": "pico", "maxTokens": 9}, {"nano": {"maxTokens": 8}}, {}, None, 7)
    assert (settings.model, settings.max_tokens) == ("pico", 8)


def test_the_editor_overrides_the_project_which_overrides_the_user_configuration(tmp_path: Path) -> None:
    user = Settings(model="pico", n_ctx=2048, n_threads=3, max_tokens=7, latency_ms=900, engine="in-process")
    settings, warnings = read_settings({"latencyMs": 0, "model": ""}, project={"max-tokens": 9}, user=user)
    assert warnings == []
    assert settings.of_model == replace(user, latency_ms=0, max_tokens=9)
    assert (settings.model, settings.n_ctx, settings.n_threads) == ("pico", 2048, 3)
    settings, _ = read_settings({"model": "smol", "nCtx": "much"}, user=user)
    assert (settings.model, settings.n_ctx) == ("smol", 2048)  # what cannot be used counts as not set


def test_a_project_sets_harmless_settings_and_the_editor_overrides_them(tmp_path: Path) -> None:
    assert load_project(tmp_path) == {}
    (tmp_path / "pyproject.toml").write_text("[tool.nano-lsp]\nmax-tokens = 9\ndocstringStyle = 'numpy'\n")
    project = load_project(tmp_path)
    settings, warnings = read_settings({"docstringStyle": "sphinx"}, project=project)
    assert warnings == []
    assert (settings.max_tokens, settings.docstring_style) == (9, "sphinx")


@pytest.mark.parametrize("key", ["model", "adapter", "workspace", "trusted", "statistics", "nThreads", "nCtx"])
def test_a_project_sets_nothing_that_loads_files_or_widens_what_is_read(key: str) -> None:
    settings, warnings = read_settings({}, project={key: "x.gguf"})
    assert settings == EditorSettings()
    assert "cannot be set by a project" in warnings[0]


def test_an_old_name_is_read_with_a_notice_and_the_new_name_overrides_it() -> None:
    given = {"calibrate": False, "minTokenProbability": 0.5, "nano.tokenConfidence": 0.1, "context": 2048}
    settings, warnings = read_settings(given, project={"confidence": 0.2, "token-confidence": 0.9})
    assert settings == EditorSettings(
        min_token_probability=0.5, adaptive_threshold=False, n_ctx=2048, min_mean_probability=0.2
    )
    renamed = [re.match(r"nano\.(\S+) is now nano\.(\w+)\. The old name", warning) for warning in warnings]
    assert [found and found.groups() for found in renamed] == [
        ("confidence", "minMeanProbability"),
        ("token-confidence", "minTokenProbability"),
        ("calibrate", "adaptiveThreshold"),
        ("context", "nCtx"),
        ("tokenConfidence", "minTokenProbability"),
    ]
    _, (notice, warning) = read_settings({"threads": "x"})
    assert "nano.nThreads" in notice
    assert "nano.threads is 'x'; it takes a whole number" in warning
    assert "cannot be set by a project" in read_settings(project={"calibrate": False})[1][0]


def test_settings_of_the_configuration_that_editors_have_not_are_kept() -> None:
    user = Settings(n_batch=8, check_memory=False)
    settings, warnings = read_settings({"nBatch": 9}, user=user)
    assert settings.of_model == user
    assert warnings == ["There is no setting nano.nBatch."]


def test_an_invalid_project_file(tmp_path: Path) -> None:
    for text in ("[tool]\nnano-lsp = 1\n", "tool = 3\n", "[tool.other]\n"):
        (tmp_path / "pyproject.toml").write_text(text)
        assert load_project(tmp_path) == {}
    (tmp_path / "pyproject.toml").write_text("[tool.nano-lsp\n")
    with pytest.raises(ConfigError):
        load_project(tmp_path)


def test_patterns_that_are_not_valid_leave_the_others_in_force() -> None:
    settings, warnings = read_settings({"exclude": ["!", "a*", "[z-a]"]})
    assert settings.exclude == ["a*"]
    assert [warning.split(" is ignored")[0] for warning in warnings] == ["nano.exclude: '!'", "nano.exclude: '[z-a]'"]
