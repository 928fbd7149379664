"""A notebook's cells as one text: those that have run in that order, what only IPython understands as comments.

IPython's syntax: "Built-in magic commands" and "System shell access" of its documentation. The cursor's own line
stays as it is, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nano_lsp.context.document import indent_of
from nano_lsp.lines import line_start

_PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "memit", "mprun", "nano", "python", "python3", "pypy"}
_LANGUAGE_OF_MAGIC = {
    **dict.fromkeys(("bash", "sh", "system", "!", "sx"), "shellscript"),
    **dict.fromkeys(("javascript", "js"), "javascript"),
    **dict.fromkeys(("html", "HTML", "svg", "SVG", "markdown", "latex", "writefile", "file"), "plaintext"),
    "ruby": "ruby",
    "sql": "sql",
    "perl": "perl",
    "R": "r",
}
_CELL_MAGIC = re.compile(r"\s*%%(!|\w+)")
_LINE_MAGIC = re.compile(r"\s*(%(?!=)|!|\?)|[^#'\"]*[\w\])]\?{1,2}\s*$")
_ASSIGNED = re.compile(r"(\s*)([\w, ]+?)\s*=\s*[!%]\s*\w")
_BETWEEN = "\n\n"


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Attributes:
        code: of it.
        language: as the editor calls it.
        execution_count: the kernel's number of its last execution; None where it has not run.
    """

    code: str
    language: str = "python"
    execution_count: int | None = None


def in_execution_order(cells: Sequence[Cell], index: int) -> tuple[list[Cell], int]:
    """The cells as the kernel knows them, and where the one with the cursor is then.

    Those that have run come first, in the order they ran in, wherever they stand: what they bind is there. The others
    stay around the cursor's cell.

    Args:
        cells: in the order of the notebook.
        index: of the cell with the cursor; it counts as not run, since it is being changed.
    """

    def place(i: int) -> tuple[int, int]:
        count = cells[i].execution_count
        return (0, count) if count is not None and i != index else (1, i)

    order = sorted(range(len(cells)), key=place)
    return [cells[i] for i in order], order.index(index)


def build_notebook_text(cells: Sequence[Cell], index: int, offset: int) -> tuple[str, int, str]:
    """What a prompt for a cell may see: the text, the cursor's offset in it, and its language.

    Args:
        cells: the code cells in the order of the notebook; those that have run come first, see `in_execution_order`.
        index: of the cell with the cursor.
        offset: of the cursor in that cell, in code points.
    """
    cells, index = in_execution_order(cells, index)
    cell = cells[index]
    language = _language(cell)
    if language == cell.language == "python" and is_magic(cell.code[line_start(cell.code, offset) : offset]):
        return cell.code, offset, "shellscript"
    if language != cell.language or language != "python":
        return cell.code, offset, language
    texts: list[str] = []
    at = offset
    for i, other in enumerate(cells):
        if _language(other) == language:
            text, at_i = _plain(other.code, offset if i == index else None)
            if i == index:
                at = at_i + sum(len(before) + len(_BETWEEN) for before in texts)
            texts.append(text)
    return _BETWEEN.join(texts), at, language


def is_magic(line: str) -> bool:
    """Whether a line is for IPython or the shell rather than for Python."""
    return bool(_CELL_MAGIC.match(line) or _LINE_MAGIC.match(line) or _ASSIGNED.match(line))


def as_python(code: str) -> str:
    """A cell's code with what only IPython understands as comments."""
    return _plain(code, None)[0]


def _language(cell: Cell) -> str:
    found = _CELL_MAGIC.match(cell.code) if cell.language == "python" else None
    if found is None or found[1] in _PYTHON_MAGICS:
        return cell.language
    return _LANGUAGE_OF_MAGIC.get(found[1], "plaintext")


def _plain(code: str, cursor: int | None) -> tuple[str, int]:
    """A cell as plain Python, and where the cursor is in it."""
    lines: list[str] = []
    start = at = 0
    for line in code.split("\n"):
        within = cursor is not None and start <= cursor <= start + len(line)
        if within and cursor is not None:
            at = sum(len(above) + 1 for above in lines) + cursor - start
        lines.append(line if within else _as_python(line))
        start += len(line) + 1
    return "\n".join(lines), at


def _as_python(line: str) -> str:
    assigned = _ASSIGNED.match(line)
    if assigned:
        return f"{assigned[1]}{assigned[2]} = None  # {line.strip()}"
    return f"{line[: indent_of(line)]}# {line.strip()}" if is_magic(line) else line
