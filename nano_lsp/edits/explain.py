"""Explains code."""

from __future__ import annotations

from textwrap import dedent

from nano_lsp.inference.backend import Vocabulary
from nano_lsp.assistant.chat import build_request
from nano_lsp.assistant.fences import fenced
from nano_lsp.assistant.listener import NOBODY, Plan, Watcher
from nano_lsp.assistant.prompts import cut_code
from nano_lsp.schema import SamplingParams

_MAX_CODE_TOKENS = 2048
_MAX_TOKENS = 320


def explain(
    vocabulary: Vocabulary, code: str, language: str, diagnostic: str = "", watcher: Watcher = NOBODY
) -> Plan[str]:
    """What code does, in Markdown; or what a diagnostic about it means.

    Args:
        vocabulary: of the model.
        code: to explain; of very long code, its beginning.
        language: that it is in.
        diagnostic: message of another tool about this code; empty for none.
        watcher: is told of progress.
    """
    code = dedent(code).strip("\n")
    shown = cut_code(code, vocabulary, min(_MAX_CODE_TOKENS, vocabulary.spec.n_ctx // 2))
    about = f"{language.capitalize()} code" if language else "code"
    task = f"Explain what this {about} does, briefly."
    if diagnostic:
        task = f"A tool reports about this {about}: {diagnostic}\nExplain briefly what is wrong and the remedy."
    request = build_request(
        f"{task}\n\n{fenced(shown, language)}",
        vocabulary,
        code=False,
        think=False,
        max_tokens=_MAX_TOKENS,
        sampling=SamplingParams(),
        draft=False,  # the same code is explained in the same words, whatever else the machine is at
        watcher=watcher,
    )
    text = (yield request).text.strip()
    return text if shown == code else f"{text}\n\n*Only the beginning of the code was read.*"
