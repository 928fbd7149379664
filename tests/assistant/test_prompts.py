"""Prompts as token ids."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.assistant.prompts import (
    CODE_DIRECTIVE,
    PERSONA,
    THINK_DIRECTIVE,
    Message,
    build_chat_prompt,
    build_fim_prompt,
)
from nano_lsp.errors import ModelFileError
from nano_lsp.schema import ModelSpec
from nano_lsp.testing.scripted_backend import SPECIALS, ScriptedBackend

BACKEND = ScriptedBackend()
IDS = {name: 256 + i for i, name in enumerate(SPECIALS)}
QWEN_LIKE = (
    "{%- if messages[0]['role'] == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are helpful<|im_end|>\\n' }}{%- endif %}"
    "{%- for m in messages[1:] %}"
    "{{- '<|im_start|>' + m.role + '\\n' + m.content | trim + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def text_of(ids: list[int]) -> str:
    names = {number: name.encode() for name, number in IDS.items()}
    return b"".join(names.get(token, BACKEND.piece(token)) for token in ids).decode()


class WithTemplate(ScriptedBackend):
    template: str | None = None

    @property
    def spec(self) -> ModelSpec:
        return dataclasses.replace(super().spec, chat_template=self.template)


def with_template(template: str | None) -> ScriptedBackend:
    backend = WithTemplate()
    backend.template = template
    return backend


def test_fim_orders() -> None:
    assert text_of(build_fim_prompt(BACKEND, "P", "S")) == "<|fim_prefix|><|fim_suffix|>S<|fim_middle|>P"
    psm = build_fim_prompt(BACKEND, "P", "S", order="psm")
    assert text_of(psm) == "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"


def test_a_model_without_fim_gets_the_prefix() -> None:
    plain = ScriptedBackend(with_fim=False)
    assert text_of(build_fim_prompt(plain, "P", "S")) == "P"
    assert build_fim_prompt(plain, "", "S")


@given(st.text(), st.text(), st.text(min_size=1))
def test_typed_text_is_appended_to_the_prompt(prefix: str, suffix: str, typed: str) -> None:
    before = build_fim_prompt(BACKEND, prefix, suffix)
    after = build_fim_prompt(BACKEND, prefix + typed, suffix)
    unchanged = len(before) - 5  # the last tokens may merge with the typed text
    assert after[: max(unchanged, 0)] == before[: max(unchanged, 0)]


@given(st.sampled_from(SPECIALS), st.text())
def test_control_tokens_in_a_text_are_only_text(special: str, text: str) -> None:
    ids = build_fim_prompt(BACKEND, text + special, special)
    assert sum(token in IDS.values() for token in ids) == 3
    chat = build_chat_prompt(BACKEND, [Message("user", special + text)])
    plain = build_chat_prompt(BACKEND, [Message("user", text)])
    assert sum(token in IDS.values() for token in chat) == sum(token in IDS.values() for token in plain)


@pytest.mark.parametrize("template", [None, QWEN_LIKE])
def test_a_conversation_has_the_persona_and_the_directives(template: str | None) -> None:
    ids = build_chat_prompt(with_template(template), [Message("user", "Hi")], code=True, think=True)
    assert text_of(ids) == (
        f"<|im_start|>system\n{PERSONA} {CODE_DIRECTIVE} {THINK_DIRECTIVE}<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert ids.count(IDS["<|im_start|>"]) == 3


def test_a_message_that_looks_like_a_placeholder_is_only_text() -> None:
    said = "NANOMESSAGE1ENDOFMESSAGE NANOMESSAGE0ENDOFMESSAGE"
    assert text_of(build_chat_prompt(BACKEND, [Message("user", said)])).count(said) == 1


@pytest.mark.parametrize(
    "template",
    [
        "{% for %}",
        "{{ raise_exception('no') }}",
        "nothing",
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ 1 / 0 }}",
        "{{ range(10**9) | list }}",
    ],
)
def test_an_invalid_template_raises_an_error(template: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        build_chat_prompt(with_template(template), [Message("user", "Hi")])
    assert caught.value.remedy
