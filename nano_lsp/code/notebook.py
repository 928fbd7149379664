"""A notebook's cells as one text: those that have run in that order, what only IPython understands as comments.

A cell has a language of its own: the editor's, or that of its cell magic. Only the cells whose code the kernel runs
as Python make up the notebook's text; any other cell stands alone.
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
        code: The cell's text.
        language: The cell's language, as the editor calls it.
        execution_count: The kernel's number of the cell's last execution; None where it has not run.
    """

    code: str
    language: str = PYTHON.name
    execution_count: int | None = None

    @property
    def body_language(self) -> str:
        """The language of the cell's body: its cell magic may say another one than the editor."""
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
        """Whether the kernel runs the code as Python, with the names of the other cells."""
        return self.language == PYTHON.name and _is_run_as_python(self.code)


def in_execution_order(cells: Sequence[Cell], index: int) -> tuple[list[Cell], int]:
    """The cells as the kernel knows them, and the index of the cell with the cursor among them.

    Those that have run come first, in the order they ran in, wherever they stand: what they bind is there. The others
    stay around the cursor's cell.

    Args:
        cells: The cells in the order of the notebook.
        index: Index of the cell with the cursor; it counts as not run, since it is being changed.
    """

    def place(i: int) -> tuple[int, int]:
        count = cells[i].execution_count
        return (0, count) if count is not None and i != index else (1, i)

    order = sorted(range(len(cells)), key=place)
    return [cells[i] for i in order], order.index(index)


def build_notebook_text(cells: Sequence[Cell], index: int, offset: int) -> tuple[str, int, str]:
    """What a prompt for a cell may see: the text, the cursor's offset in it, and its language.

    Args:
        cells: The code cells in the order of the notebook; those that have run come first, see `in_execution_order`.
        index: Index of the cell with the cursor.
        offset: Offset of the cursor in that cell, in code points.
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
    """A cell's code of the same length, with what is not Python as comments: a cell of another language as a whole.

    A magic in a block becomes a name, and one behind `=` as well, since Python wants something there.
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
    """Whether the cursor is in a magic, or in a command for the shell."""
    magic = find_cell_magic(code)
    if magic is None:
        return any(special.start < offset <= special.end for special in find_specials(code))
    head = code[: magic.body].rstrip("\r\n")
    if offset <= len(head):
        return code[:offset].strip() != ""
    return magic.name in _RUN_BODY_AS_PYTHON and _is_for_ipython(code[magic.body :], offset - magic.body)
