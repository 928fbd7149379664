"""Prompts as token ids: fill-in-the-middle and chat.

The user's text is never parsed for control tokens (prompt injection): they come only from the model's own ids or
from the template's own text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from nano_lsp.errors import ModelFileError
from nano_lsp.inference.backend import Tokenizer
from nano_lsp.schema import ModelSpec

PERSONA = (
    "You are NEURO-NANO, a coding assistant that runs offline. Be succinct: "
    "answer what was asked and nothing else. Say so when you do not know."
)
CODE_DIRECTIVE = "Provide code only. Do not explain."
THINK_DIRECTIVE = "Think step-by-step."
# The format Qwen2.5 and SmolLM2 were trained on; for files without a template of their own.
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: `system`, `user` or `assistant`.
        content: Text of the turn.
    """

    role: str
    content: str


def build_fim_prompt(
    tokenizer: Tokenizer, prefix: str, suffix: str, *, order: str = "spm_tail", context: str = ""
) -> list[int]:
    """A fill-in-the-middle prompt; only the prefix for a model that was not trained for it.

    `spm_tail` puts the prefix last, so that typed text is appended to the prompt (it also solved more problems than
    `psm`: 92.5 against 88.8 % pass@1, 80 single-line problems of HumanEval-Infilling).
    The context, code from other files, comes first, as it changes least.
    """
    spec = tokenizer.spec
    before, after, elsewhere = (tokenizer.tokenize(text) for text in (prefix, suffix, context))
    if spec.fim is None:
        return [*([] if spec.bos_id is None else [spec.bos_id]), *elsewhere, *before] or tokenizer.tokenize("\n")
    if order == "psm":
        return [spec.fim.prefix, *elsewhere, *before, spec.fim.suffix, *after, spec.fim.middle]
    return [spec.fim.prefix, *elsewhere, spec.fim.suffix, *after, spec.fim.middle, *before]


def cut_code(code: str, tokenizer: Tokenizer, max_tokens: int) -> str:
    """The beginning of code, in whole lines, that fits into a number of tokens."""
    size = len(tokenizer.tokenize(code))
    while size > max_tokens and code:
        code = code[: len(code) * max_tokens // size]
        code = code[: code.rfind("\n") + 1] or code[:-1]
        size = len(tokenizer.tokenize(code))
    return code


def build_chat_prompt(
    tokenizer: Tokenizer, messages: Sequence[Message], *, code: bool = False, think: bool = False
) -> list[int]:
    """The prompt of a conversation with the NEURO-NANO persona, up to the start of the assistant's turn.

    System messages are appended to the persona, then the directives to answer with code only and to think step by
    step.

    Raises:
        ModelFileError: The model's chat template cannot be rendered.
    """
    instructions = [message.content for message in messages if message.role == "system"]
    system = " ".join([PERSONA] + [CODE_DIRECTIVE] * code + [THINK_DIRECTIVE] * think + instructions)
    turns = [Message("system", system), *(message for message in messages if message.role != "system")]
    ids: list[int] = []
    rest = _render(tokenizer.spec, turns)
    for i, turn in enumerate(turns):
        template, found, rest = rest.partition(_placeholder(i))
        if not found:
            raise ModelFileError(
                "The model's chat template leaves out a message.", "Use a model from `nano-lsp model list`."
            )
        ids += tokenizer.tokenize(template, parse_special=True)
        ids += tokenizer.tokenize(turn.content)
    return ids + tokenizer.tokenize(rest, parse_special=True)


def _placeholder(index: int) -> str:
    """Placeholder of a message while the template is rendered: letters only, which no template would alter."""
    return f"NANOMESSAGE{index}ENDOFMESSAGE"


def _render(spec: ModelSpec, turns: Sequence[Message]) -> str:
    """The rendered chat template with placeholders for the messages, so that their text cannot forge a turn.

    Templates come with model files: they run in Jinja's sandbox, which limits their access, not their run time.
    """
    # Not imported before the first keystroke is answered.
    from jinja2 import TemplateError  # noqa: PLC0415
    from jinja2.ext import loopcontrols  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    messages = [{"role": turn.role, "content": _placeholder(i)} for i, turn in enumerate(turns)]
    try:
        template = environment.from_string(spec.chat_template or _CHATML)
        return template.render(messages=messages, add_generation_prompt=True, bos_token="", eos_token="")
    except (
        TemplateError,
        TypeError,
        ValueError,
        KeyError,
        ZeroDivisionError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ModelFileError(
            f"The model's chat template cannot be used: {error}.", "Use a model from `nano-lsp model list`."
        ) from error
