"""Baseline: the completions of llama.vim with llama-server's `/infill`, on the same weights.

Up to 256 lines above the cursor, 64 below, the cursor's line after the middle token (`llama#fim` of
ggml-org/llama.vim, `format_prompt_infill` of llama.cpp's server), greedy. For a line of whitespace only, llama.vim
sends nothing and removes the same amount of whitespace from the answer.
llama-server ends an answer with a line once `t_max_predict_ms` have passed, 250 ms for what llama.vim shows first:
here, after the tokens that two cores decode in this time, so that a run can be repeated. It also ends it before a
line that is indented less than the cursor's (`n_indent`). llama.vim drops answers that repeat the lines below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.job import Job
from nano_lsp.code.cursor_context import CursorContext
from nano_lsp.code.document import indent_of
from nano_lsp.errors import EvaluationError
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.lines import split_lines
from nano_lsp.schema import Completion, GenerateParams, Token, Verdict

LINES_ABOVE, LINES_BELOW, MAX_TOKENS = 256, 64, 128
_TOKENS_IN_TIME = 7  # decoded in 250 ms by two cores: nano-lsp reports 15 to 28 tokens/s


@dataclass(frozen=True)
class LlamaVimCompletion(Job[Completion]):
    """The completion that llama.vim shows at a cursor, from a model with fill-in-the-middle tokens."""

    name: str
    cursor: CursorContext

    async def run(self, context: FeatureContext) -> Completion:
        """The completion.

        Raises:
            EvaluationError: The model has no fill-in-the-middle tokens.
        """
        tokenizer = context.tokenizer
        fim = tokenizer.spec.fim
        if fim is None:
            raise EvaluationError(
                f"{tokenizer.spec.name} has no fill-in-the-middle tokens.", "Choose another --model."
            )
        above = split_lines(self.cursor.prefix[: len(self.cursor.prefix) - len(self.cursor.typed)], keep_ends=True)[
            -LINES_ABOVE:
        ]
        below = "".join(split_lines(self.cursor.suffix, keep_ends=True)[: LINES_BELOW + 1])
        tail = tokenizer.tokenize(self.cursor.typed) if self.cursor.typed.strip() else []
        suffix = [fim.suffix, *tokenizer.tokenize(below), fim.middle]
        room = tokenizer.spec.n_ctx - MAX_TOKENS - len(tail) - len(suffix) - 1
        prompt = [fim.prefix, *tokenizer.tokenize("".join(above))[-max(1, room) :], *suffix, *tail]

        def hook(text: str, tokens: Sequence[Token], _ended: bool) -> Verdict | None:
            is_late = len(tokens) > _TOKENS_IN_TIME and b"\n" in tokens[-1].piece
            return Verdict(stop=True) if is_late or _indented_less(self.cursor, text) is not None else None

        request = GenerationRequest(
            prompt=tuple(prompt),
            params=GenerateParams(max_tokens=MAX_TOKENS, draft=False),
            document=self.name,
            hook=hook,
            adapter=context.find_adapter(),
        )
        return _shown(self.cursor, await context.generate(request))


def _shown(cursor: CursorContext, completion: Completion) -> Completion:
    """The part of an answer that llama.vim shows."""
    lines = completion.text.split("\n")[: _indented_less(cursor, completion.text)]
    while lines and not lines[-1]:
        del lines[-1]
    if not lines or _repeats_below(cursor, lines):
        return replace(completion, text="")
    blanks = 0 if cursor.typed.strip() else min(len(cursor.typed), indent_of(lines[0]))
    return replace(completion, text="\n".join(lines)[blanks:])


def _indented_less(cursor: CursorContext, text: str) -> int | None:
    """Number of the first line, from 0, that is indented less than the cursor's; None if there is none."""
    min_indent = indent_of(cursor.typed) if cursor.typed.strip() else 0
    others = enumerate(text.split("\n")[1:], 1)
    return next((i for i, line in others if line.strip(" \t") and indent_of(line) < min_indent), None)


def _repeats_below(cursor: CursorContext, lines: Sequence[str]) -> bool:
    """Whether an answer's lines are those below the cursor, by the rules of `s:fim_render` of llama.vim."""
    below = cursor.suffix.split("\n")[1:]
    if not lines[0] and len(lines) > 1:
        return list(lines[1:]) == below[: len(lines) - 1]
    while below and not below[0].strip():
        del below[0]
    first = (cursor.typed if cursor.typed.strip() else "") + lines[0]
    if not below or first != below[0]:
        return False
    if len(lines) == 2:
        return below[1:2] != [] and below[1].startswith(lines[1])
    return list(lines[1:]) == below[1 : len(lines)]
