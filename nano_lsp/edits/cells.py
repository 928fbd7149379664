"""Writes notebook cells, and corrects them after an error. The code is never run here, only by the user."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.fences import extract_code, fenced, text_after_code
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import cut_code
from nano_lsp.assistant.requests import build_chat_request
from nano_lsp.code.notebook import as_python
from nano_lsp.code.syntax_tree import is_python
from nano_lsp.edits.code_requests import MAX_CODE_TOKENS, ask_again
from nano_lsp.errors import DocumentError

_MAX_TOKENS = 512
_MAX_CELLS_CHARS = 4000
_MAX_ERROR_CHARS = 1200
_WHY = re.compile(r"\bwhy\b\W*\s+(.+)", re.IGNORECASE)
_WHY_LINE = re.compile(r"^\s*#?\s*\W*why:\W*", re.IGNORECASE | re.MULTILINE)  # within the code block
_DATA = re.compile(r"(\w+): \w+  # (?:of|shape|\d+ rows)\b")  # format of `nano_lsp.code.namespace`
_SENTENCE = re.compile(r"(.+?[.!?])(?=\s|$)")


@dataclass(frozen=True)
class NotebookContext:
    """The parts of a notebook that go into a prompt.

    Attributes:
        kernel_variables: Descriptions of the kernel's variables, from `nano_lsp.code.namespace`.
        cells: Code of the cells that have run, in that order.
        output: Output of the last cell.
        error: The last error, with its traceback.
    """

    kernel_variables: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    output: str = ""
    error: str = ""

    def add_to(self, question: str) -> str:
        """The question, with the notebook's context before it."""
        parts: list[str] = []
        if self.cells:
            parts.append(f"These cells have run:\n{fenced(_newest(self.cells), 'python')}")
        if self.kernel_variables:
            parts.append("These names exist already:\n" + fenced("\n".join(self.kernel_variables), "python"))
        if self.output:
            parts.append(f"The last output:\n{fenced(self.output[:_MAX_ERROR_CHARS])}")
        if self.error:
            parts.append(f"The last error:\n{fenced(self.error[-_MAX_ERROR_CHARS:])}")
        return "\n\n".join([*parts, question])


_NOTHING = NotebookContext()


@dataclass(frozen=True)
class CellCode:
    """Code for a cell.

    Attributes:
        code: The code; empty if the model gave no valid one.
        parses: Whether it is valid Python, apart from IPython syntax.
        why: One sentence on what was wrong with the previous code.
    """

    code: str
    parses: bool = True
    why: str = ""


@dataclass(frozen=True)
class WriteCell(Job[CellCode]):
    """Write the code of a cell, with a second attempt if it does not parse.

    Attributes:
        request: Description of what the code should do.
        notebook: Context from the notebook.
        think: Think step by step before the code.
        max_tokens: Maximum number of tokens of the answer.
    """

    request: str
    notebook: NotebookContext = _NOTHING
    think: bool = False
    max_tokens: int = _MAX_TOKENS

    async def run(self, context: FeatureContext) -> CellCode:
        """The code of the cell."""
        task = f"Write the code of one Python notebook cell. {self.request.strip()}"
        if self.notebook.kernel_variables:
            task += "\nUse the names that exist already, do not assign them again; import what else is needed."
        request = build_chat_request(
            self.notebook.add_to(task),
            context,
            code=not self.think,
            think=self.think,
            max_tokens=self.max_tokens,
            listener=context.listener,
        )
        first = extract_code((await context.generate(request)).text)
        if _is_code(first):
            return CellCode(_without_fake_data(first, self.notebook.kernel_variables))
        second = extract_code((await context.generate(ask_again(request))).text)
        if _is_code(second):
            return CellCode(_without_fake_data(second, self.notebook.kernel_variables))
        return CellCode(first, parses=False)


@dataclass(frozen=True)
class FixCell(Job[CellCode]):
    """Correct the code of a cell that has raised an error; the prompt has only that code and that error."""

    code: str
    error: str

    async def run(self, context: FeatureContext) -> CellCode:
        """The corrected code and the reason; only the reason if no attempt parses and differs from the code."""
        code = self.code.strip("\n")
        if cut_code(code, context.tokenizer, MAX_CODE_TOKENS) != code:
            raise DocumentError("The cell is too long to correct.", "Split it, and run the part that fails.")
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
        for attempt in (request, ask_again(request)):
            answer = (await context.generate(attempt)).text
            found = read_fix(answer)
            why = why or found.why
            if "```" in answer and _is_code(found.code) and _corrects(found.code, code, last):
                return replace(found, why=found.why or last)
        return CellCode("", why=why or last)


def _without_fake_data(code: str, kernel_variables: Sequence[str]) -> str:
    """Code without statements that overwrite existing data with invented data before its use."""
    data = {found[1] for line in kernel_variables if (found := _DATA.match(line))}
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
    """Whether a fix differs from the code and assigns no variables that the code only reads."""
    if code.strip() == fixed.strip():
        return False
    before, after = as_python(code).strip(), as_python(fixed).strip()
    if not is_python(before):
        return True
    read, bound = _names(before, ast.Load), _names(before, ast.Store)
    invented = (_names(after, ast.Store) - bound) & read
    return not any(name not in error or "is not defined" not in error for name in invented)


def _names(code: str, context: type[ast.expr_context]) -> set[str]:
    """The variables that code reads (`ast.Load`) or binds (`ast.Store`)."""
    nodes = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name))
    return {node.id for node in nodes if isinstance(node.ctx, context)}


def read_code(answer: str) -> str:
    """The code of an answer that may be incomplete."""
    if "\n" not in answer and answer.lstrip().startswith("`"):
        return ""
    return extract_code(answer).rstrip("`").rstrip()


def read_fix(answer: str) -> CellCode:
    """The code and the reason in an answer that may be incomplete."""
    code, _, inside = _WHY_LINE.sub("\0", extract_code(answer), count=1).partition("\0")
    after = text_after_code(answer)
    found = _WHY.search(after) or _WHY.search(f"why: {inside}" if inside else "")
    line = found[1] if found else next((line for line in after.split("\n") if line.strip()), "")
    sentence = _SENTENCE.match(line.strip())
    return CellCode(code.rstrip().rstrip("`").rstrip(), why=(sentence[1] if sentence else line).strip(" *_"))


def _is_code(code: str) -> bool:
    return bool(code.strip()) and is_python(as_python(code))


def _newest(cells: Sequence[str]) -> str:
    """The newest cells within the character limit, in order."""
    kept: list[str] = []
    for cell in reversed(cells):
        if sum(map(len, kept)) + len(cell) > _MAX_CELLS_CHARS:
            break
        kept.append(cell.strip("\n"))
    return "\n\n".join(reversed(kept))
