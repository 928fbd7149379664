"""The cells of a notebook as one text: executed cells in execution order, IPython syntax as comments.

Each cell has its own language: the editor's, or that of its cell magic. Only the cells that the kernel runs as Python
make up the notebook's text; any other cell is completed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from nano_lsp.code.ipython_syntax import comment_out, find_cell_magic, find_specials, mask, strip_prompts
from nano_lsp.code.languages import PYTHON, language_of

_RUN_BODY_AS_PYTHON = {
    *("time", "timeit", "capture", "prun", "debug", "code_wrap"),  # IPython's own
    *("memit", "heat", "px", "snakeviz", "pyinstrument", "scalene", "memray_flamegraph", "wandb", "skip", "manim"),
}
_LANGUAGE_OF_PROGRAM = {
    **dict.fromkeys(("bash", "sh", "zsh", "system", "!", "sx", "!!", "cmd", "shell"), "shellscript"),
    **dict.fromkeys(("javascript", "js", "node"), "javascript"),
    **dict.fromkeys(("html", "HTML"), "html"),
    **dict.fromkeys(("svg", "SVG"), "xml"),
    **dict.fromkeys(("sql", "bigquery", "duckdb", "read_sql"), "sql"),
    **dict.fromkeys(("python", "python2", "python3", "pypy"), "python"),  # in a process of its own
    **dict.fromkeys(("R", "Rscript"), "r"),
    "cython": "cython",
    "julia": "julia",
    "latex": "latex",
    "lua": "lua",
    "markdown": "markdown",
    "perl": "perl",
    "ruby": "ruby",
}
_WRITE_FILE = {"writefile", "file"}
_SHELL = "shellscript"
_BETWEEN = "\n\n"


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Attributes:
        code: Text of the cell.
        language: Language id of the cell in the editor.
        execution_count: Execution count of the cell's last run in the kernel; None if it has not run.
    """

    code: str
    language: str = PYTHON.name
    execution_count: int | None = None

    @property
    def body_language(self) -> str:
        """Language of the cell's body, which its cell magic may change."""
        magic = find_cell_magic(self.code) if self.language == PYTHON.name else None
        if magic is None:
            return self.language
        if magic.name in _RUN_BODY_AS_PYTHON:
            return Cell(self.code[magic.body :]).body_language
        words = [word for word in magic.line.split() if not word.startswith("-")]
        if magic.name in _WRITE_FILE:
            return language_of(words[-1].strip("\"'")).name if words else "plaintext"
        if magic.name == "nano":
            return PYTHON.name if words[:1] in (["complete"], ["explain"]) else "plaintext"
        program = PurePath(words[0]).name if magic.name == "script" and words else magic.name
        return _LANGUAGE_OF_PROGRAM.get(program, "plaintext")

    @property
    def is_run_as_python(self) -> bool:
        """Whether the kernel runs the code as Python, in the namespace of the other cells."""
        return self.language == PYTHON.name and _is_run_as_python(self.code)


def in_execution_order(cells: Sequence[Cell], index: int) -> tuple[list[Cell], int]:
    """Sort cells by execution order; the sorted cells and the index of the cell with the cursor among them.

    Executed cells come first, wherever they are in the notebook: the names that they bind exist in the kernel. The
    others stay around the cursor's cell, which counts as not executed, since it is being edited.
    """

    def place(i: int) -> tuple[int, int]:
        count = cells[i].execution_count
        return (0, count) if count is not None and i != index else (1, i)

    order = sorted(range(len(cells)), key=place)
    return [cells[i] for i in order], order.index(index)


def build_notebook_text(cells: Sequence[Cell], index: int, offset: int) -> tuple[str, int, str]:
    """Build the text for a prompt at the cursor; the text, the cursor's offset in it and its language.

    `index` is that of the cursor's cell, `offset` that of the cursor in it, in code points; executed cells come
    first, see `in_execution_order`.
    """
    cells, index = in_execution_order(cells, index)
    cell = cells[index]
    if cell.language == PYTHON.name and _is_for_ipython(cell.code, offset):
        return cell.code, offset, _SHELL
    if not cell.is_run_as_python:
        language = cell.body_language
        return as_python(cell.code) if language == PYTHON.name else cell.code, offset, language
    texts: list[str] = []
    for i, other in enumerate(cells):
        if i == index:
            offset += sum(len(before) + len(_BETWEEN) for before in texts)
            texts.append(as_python(cell.code))
        elif other.is_run_as_python:
            texts.append(as_python(strip_prompts(other.code)))
    return _BETWEEN.join(texts), offset, PYTHON.name


def as_python(code: str) -> str:
    """Convert a cell to Python of the same length: IPython syntax, or a cell of another language, becomes comments.

    A magic in a block or after `=` becomes a name, since Python needs a statement or an expression there.
    """
    magic = find_cell_magic(code)
    if magic is None:
        return mask(code)
    head, body = code[: magic.body], code[magic.body :]
    if _is_run_as_python(code):
        return comment_out(head) + as_python(body)
    return comment_out(head) + (body if Cell(code).body_language == PYTHON.name else comment_out(body))


def _is_run_as_python(code: str) -> bool:
    magic = find_cell_magic(code)
    return magic is None or (magic.name in _RUN_BODY_AS_PYTHON and _is_run_as_python(code[magic.body :]))


def _is_for_ipython(code: str, offset: int) -> bool:
    """Whether the cursor is in a magic or a shell command."""
    magic = find_cell_magic(code)
    if magic is None:
        return any(special.start < offset <= special.end for special in find_specials(code))
    head = code[: magic.body].rstrip("\r\n")
    if offset <= len(head):
        return code[:offset].strip() != ""
    return magic.name in _RUN_BODY_AS_PYTHON and _is_for_ipython(code[magic.body :], offset - magic.body)
