"""What llama.vim asks of llama-server's `/infill`, to compare with, on the same weights.

Up to 256 lines above the cursor, 64 below, the cursor's line behind the middle token (`llama#fim` of
ggml-org/llama.vim, `format_prompt_infill` of llama.cpp's server), greedy. Of a line that holds only blanks it sends
nothing, and removes as many blanks from what comes; the rest is taken as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nano_lsp.code.cursor_context import Site
from nano_lsp.code.document import indent_of
from nano_lsp.inference.backend import Vocabulary
from nano_lsp.inference.request import Request
from nano_lsp.errors import EvaluationError
from nano_lsp.lines import split_lines
from nano_lsp.schema import Completion, GenerateParams, Token, Verdict

LINES_ABOVE, LINES_BELOW, MAX_TOKENS = 256, 64, 128


def build_request(site: Site, name: str, vocabulary: Vocabulary) -> Request:
    """The request at a cursor, for a model with fill-in-the-middle tokens.

    One line is generated and no more: no measure looks further, and time is short.

    Raises:
        EvaluationError: the model has no such tokens.
    """
    fim = vocabulary.spec.fim
    if fim is None:
        raise EvaluationError(f"{vocabulary.spec.name} has no fill-in-the-middle tokens.", "Choose another --model.")
    above = split_lines(site.prefix[: len(site.prefix) - len(site.typed)], keep_ends=True)[-LINES_ABOVE:]
    below = "".join(split_lines(site.suffix, keep_ends=True)[: LINES_BELOW + 1])
    tail = vocabulary.tokenize(site.typed) if site.typed.strip() else []
    suffix = [fim.suffix, *vocabulary.tokenize(below), fim.middle]
    room = vocabulary.spec.n_ctx - MAX_TOKENS - len(tail) - len(suffix) - 1
    prompt = [fim.prefix, *vocabulary.tokenize("".join(above))[-max(1, room) :], *suffix, *tail]

    def hook(text: str, _tokens: Sequence[Token], _ended: bool) -> Verdict | None:
        return Verdict(stop=True) if "\n" in text else None

    return Request(
        prompt=tuple(prompt), params=GenerateParams(max_tokens=MAX_TOKENS, draft=False), document=name, hook=hook
    )


def finish(site: Site, completion: Completion) -> Completion:
    """What it shows of the answer to that request."""
    blanks = 0 if site.typed.strip() else min(len(site.typed), indent_of(completion.text))
    return replace(completion, text=completion.text[blanks:])
