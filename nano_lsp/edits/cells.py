"""Code of notebook cells on request: written, or corrected after an error. Nobody runs it but the user."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.fences import extract_code, fenced, text_behind
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import cut_code
from nano_lsp.assistant.requests import build_chat_request
from nano_lsp.code.notebook import as_python
from nano_lsp.code.syntax_tree import is_python
from nano_lsp.errors import DocumentError
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import SamplingParams

_MAX_TOKENS = 512
_MAX_CODE_TOKENS = 1024
_MAX_CELLS_CHARS = 4000
_MAX_ERROR_CHARS = 1200
_AGAIN = SamplingParams(temperature=0.5, seed=1)
_WHY = re.compile(r"\bwhy\b\W*\s+(.+)", re.IGNORECASE)
_WHY_LINE = re.compile(r"^\s*#?\s*\W*why:\W*", re.IGNORECASE | re.MULTILINE)  # within the code's block
_DATA = re.compile(r"(\w+): \w+  # (?:of|shape|\d+ rows)\b")  # as `live_names` says it
_SENTENCE = re.compile(r"(.+?[.!?])(?=\s|$)")


@dataclass(frozen=True)
class Surroundings:
    """What a notebook lets a question know.

    Attributes:
        live: what its names stand for, see `nano_lsp.code.namespace`.
        cells: code that has run, in that order.
        output: of the last cell.
        error: the last one, with its traceback.
    """

    live: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    output: str = ""
    error: str = ""

    def tell(self, question: str) -> str:
        """A question with all this in front of it."""
        parts: list[str] = []
        if self.cells:
            parts.append(f"These cells have run:\n{fenced(_newest(self.cells), 'python')}")
        if self.live:
            parts.append("These names exist already:\n" + fenced("\n".join(self.live), "python"))
        if self.output:
            parts.append(f"The last output:\n{fenced(self.output[:_MAX_ERROR_CHARS])}")
        if self.error:
            parts.append(f"The last error:\n{fenced(self.error[-_MAX_ERROR_CHARS:])}")
        return "\n\n".join([*parts, question])


_NOTHING = Surroundings()


@dataclass(frozen=True)
class CellCode:
    """Code for a cell.

    Attributes:
        code: of it; empty where there is none that holds.
        parses: whether it is Python, but for what only IPython understands.
        why: what was wrong with the code before, in a sentence.
    """

    code: str
    parses: bool = True
    why: str = ""


@dataclass(frozen=True)
class WriteCell(Job[CellCode]):
    """Write the code of a cell; tried once more where it does not parse.

    Attributes:
        request: what the code is to do.
        around: what the notebook lets it know.
        think: think step by step first.
        max_tokens: at most so many tokens.
    """

    request: str
    around: Surroundings = _NOTHING
    think: bool = False
    max_tokens: int = _MAX_TOKENS
    result: ClassVar[Any] = CellCode

    async def run(self, context: FeatureContext) -> CellCode:
        """The code as it goes into a cell."""
        task = f"Write the code of one Python notebook cell. {self.request.strip()}"
        if self.around.live:
            task += "\nUse the names that exist already, do not assign them again; import what else is needed."
        request = build_chat_request(
            self.around.tell(task),
            context,
            code=not self.think,
            think=self.think,
            max_tokens=self.max_tokens,
            listener=context.listener,
        )
        first = extract_code((await context.generate(request)).text)
        if _is_code(first):
            return CellCode(_without_made_up(first, self.around.live))
        second = extract_code((await context.generate(_again(request))).text)
        if _is_code(second):
            return CellCode(_without_made_up(second, self.around.live))
        return CellCode(first, parses=False)


@dataclass(frozen=True)
class FixCell(Job[CellCode]):
    """Correct the code of a cell that has raised an error; the prompt has that code and that error, nothing else.

    Attributes:
        code: of the cell.
        error: with its traceback.
    """

    code: str
    error: str
    result: ClassVar[Any] = CellCode

    async def run(self, context: FeatureContext) -> CellCode:
        """The corrected code and a sentence on why; only that where the model has no code that parses and differs."""
        code = self.code.strip("\n")
        if cut_code(code, context.tokenizer, _MAX_CODE_TOKENS) != code:
            raise DocumentError("The cell is too long to be corrected.", "Split it, and run the part that fails.")
        task = (
            f"This Python code raises an error.\n\n{fenced(code, 'python')}\n\n"
            f"{fenced(self.error[-_MAX_ERROR_CHARS:])}\n\n"
            "Reply with the whole corrected code, with as few changes as possible, in a ```python block. "
            'Below it, write one line that begins with "Why:" and says what was wrong.'
        )
        request = build_chat_request(
            task,
            context,
            max_tokens=2 * len(context.tokenizer.tokenize(code)) + 192,
            listener=context.listener,
        )
        last = self.error.strip().split("\n")[-1]
        why = ""
        for attempt in (request, _again(request)):
            answer = (await context.generate(attempt)).text
            found = read_fix(answer)
            why = why or found.why
            if "```" in answer and _is_code(found.code) and _corrects(found.code, code, last):
                return replace(found, why=found.why or last)
        return CellCode("", why=why or last)


def _without_made_up(code: str, live: Sequence[str]) -> str:
    """Code without statements that put made-up data in place of live data before they use it."""
    data = {found[1] for line in live if (found := _DATA.match(line))}
    lines, body = code.split("\n"), ast.parse(as_python(code)).body
    read: set[str] = set()
    for i, statement in enumerate(body):
        reads = _names(ast.unparse(statement), ast.Load)
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            later = {name for rest in body[i + 1 :] for name in _names(ast.unparse(rest), ast.Load)}
            if isinstance(target, ast.Name) and target.id in (data & later) - read - reads:
                for number in range(statement.lineno - 1, statement.end_lineno or statement.lineno):
                    lines[number] = "\0"
        read |= reads
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line for line in lines if line != "\0")).strip("\n")


def _corrects(fixed: str, code: str, error: str) -> bool:
    """Whether code differs from what it is to correct, and makes up nothing that was only read there."""
    if code.strip() == fixed.strip():
        return False
    before, after = as_python(code).strip(), as_python(fixed).strip()
    if not is_python(before):
        return True
    read, bound = _names(before, ast.Load), _names(before, ast.Store)
    made_up = (_names(after, ast.Store) - bound) & read
    return not any(name not in error or "is not defined" not in error for name in made_up)


def _names(code: str, context: type[ast.expr_context]) -> set[str]:
    """The variables that code reads or binds."""
    nodes = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name))
    return {node.id for node in nodes if isinstance(node.ctx, context)}


def read_code(answer: str) -> str:
    """The code of an answer that may not be whole yet."""
    if "\n" not in answer and answer.lstrip().startswith("`"):
        return ""
    return extract_code(answer).rstrip("`").rstrip()


def read_fix(answer: str) -> CellCode:
    """The code and the reason in an answer, which may not be whole yet."""
    code, _, inside = _WHY_LINE.sub("\0", extract_code(answer), count=1).partition("\0")
    behind = text_behind(answer)
    found = _WHY.search(behind) or _WHY.search(f"why: {inside}" if inside else "")
    line = found[1] if found else next((line for line in behind.split("\n") if line.strip()), "")
    sentence = _SENTENCE.match(line.strip())
    return CellCode(code.rstrip().rstrip("`").rstrip(), why=(sentence[1] if sentence else line).strip(" *_"))


def _again(request: GenerationRequest) -> GenerationRequest:
    return replace(request, params=replace(request.params, sampling=_AGAIN))


def _is_code(code: str) -> bool:
    return bool(code.strip()) and is_python(as_python(code))


def _newest(cells: Sequence[str]) -> str:
    """The newest cells that there is room for, in order."""
    kept: list[str] = []
    for cell in reversed(cells):
        if sum(map(len, kept)) + len(cell) > _MAX_CELLS_CHARS:
            break
        kept.append(cell.strip("\n"))
    return "\n\n".join(reversed(kept))
