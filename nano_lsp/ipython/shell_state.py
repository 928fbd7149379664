"""What the magics read of a shell, without touching it: names, cells, outputs, the last error."""

from __future__ import annotations

import builtins
import inspect
import linecache
import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.utils.text import DollarFormatter

from nano_lsp.code.live_source import find_source
from nano_lsp.code.namespace import describe
from nano_lsp.edits.cells import Surroundings
from nano_lsp.errors import DocumentError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

_OURS = ("%nano", "%%nano", "%load_ext nano_lsp")
_NAME = re.compile(r"[^\W\d]\w*")
_CELL = re.compile(r"(?:cell\s+)?(?:In\s*\[\s*(\d+)\s*\]|(?<=cell )\s*(\d+))", re.IGNORECASE)
_MISSING = object()


class ShellState:
    """A shell, as the magics see it.

    Args:
        shell: that they are in.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self._error: BaseException | None = getattr(sys, "last_value", None)  # from before the magics were there

    def remember(self, result: ExecutionResult) -> None:
        """A cell has run; the error that it has raised is what `fix` is about."""
        error = result.error_before_exec or result.error_in_exec
        if error is not None and not isinstance(error, (UsageError, KeyboardInterrupt)):
            self._error = error

    @property
    def names(self) -> Mapping[str, Any]:
        """The user's names."""
        hidden = self.shell.user_ns_hidden
        return {name: value for name, value in self.shell.user_ns.items() if hidden.get(name, _MISSING) is not value}

    def cells(self) -> list[str]:
        """The code of the cells that have run, in that order, but for this one and for those of the magics."""
        running = self.shell.execution_count
        cells = enumerate(self._history)
        return [cell for i, cell in cells if i and i != running and cell.strip() and not _is_ours(cell)]

    @property
    def _history(self) -> list[str]:
        """What the user has run, by number, as it was typed."""
        manager = self.shell.history_manager
        return list(manager.input_hist_raw) if manager is not None else []

    def live(self, text: str, *, values: bool = False) -> tuple[str, ...]:
        """What the names stand for that a text mentions."""
        return tuple(describe(self.names, set(_NAME.findall(text)), values=values))

    def surroundings(
        self, text: str, *, values: bool = False, cells: bool = False, output: bool = False, error: bool = False
    ) -> Surroundings:
        """What a question about the notebook may know: the names it mentions, and what was asked for besides."""
        return Surroundings(
            live=self.live(text, values=values),
            cells=tuple(self.cells()) if cells else (),
            output=self._last_output() if output else "",
            error=self.last_error()[1] if error else "",
        )

    def find(self, name: str) -> object:
        """What a name stands for, dots included; no property of an object is run.

        Raises:
            DocumentError: there is no such name.
        """
        first, *rest = name.split(".")
        names = self.shell.user_ns
        if first not in names and first not in vars(builtins):
            raise DocumentError(f"There is no name {first!r}.", "Run the cell that defines it first.")
        value = names[first] if first in names else vars(builtins)[first]
        for part in rest:
            value = inspect.getattr_static(value, part, _MISSING)
            if value is _MISSING:
                raise DocumentError(f"{first} has no {part!r}.", "Check the name.")
        return value

    def source(self, name: str) -> str:
        """The code of a function or class by its name, or of a cell as `In[3]` or `cell 3`.

        Raises:
            DocumentError: there is none.
        """
        found = _CELL.fullmatch(name.strip())
        if found is None:
            return find_source(self.find(name.strip()), self.cells(), name.strip(), self._cell_of)
        number = int(found[1] or found[2])
        history = self._history
        if not 0 < number < len(history) or not history[number].strip():
            raise DocumentError(f"There is no cell In[{number}].", "Count as the notebook does.")
        return history[number]

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - whatever the user has
        """The value of an expression of the user's.

        Raises:
            DocumentError: it has none.
        """
        names = self.shell.user_ns
        if expression in names:
            return names[expression]
        try:
            return eval(expression, dict(names))  # noqa: S307 - the user's own
        except Exception as error:
            raise DocumentError(
                f"{expression!r} has no value: {type(error).__name__}.", "Give an expression of yours, or a file."
            ) from error

    def expand(self, text: str, local_names: Mapping[str, Any]) -> str:
        """A request with `{expression}` and `$name` replaced by their values; as it is where one has no value.

        Args:
            text: The request.
            local_names: The names of the function that the magic is in, if it is in one.
        """
        names = {**self.shell.user_ns, **local_names}
        try:
            return str(DollarFormatter().vformat(text, args=[], kwargs=names))
        except Exception:  # noqa: BLE001 - whatever the user's expression raises
            return text

    def last_error(self) -> tuple[str, str]:
        """The code that has raised the last error, and that error with the lines it came through.

        Raises:
            DocumentError: there was none, or it came from no cell.
        """
        error = self._error
        if error is None:
            raise DocumentError("There is no error to look at.", "Run the cell that fails first.")
        code, lines = "", list[str]()
        if isinstance(error, SyntaxError) and error.filename:
            code = self._cell_of(error.filename)
        for file, number in _frames(error.__traceback__):
            cell = self._cell_of(file)
            if cell:
                code = cell
                lines.append(f"line {number}: {linecache.getline(file, number).strip()}")
        if not code:
            last = self.cells()
            code = last[-1] if isinstance(error, SyntaxError) and last else ""
        if not code.strip():
            raise DocumentError("The last error comes from no cell.", "Run the cell that fails again.")
        said = "".join(traceback.format_exception_only(type(error), error)).strip()
        return code, "\n".join([*lines, said])

    def _cell_of(self, file: str) -> str:
        """The code of a cell by the name that it is compiled under; empty for other files."""
        numbers = getattr(self.shell.compile, "_filename_map", {})  # what IPython itself shows tracebacks with
        if file not in numbers:
            return ""
        compiled = "".join(linecache.getlines(file))
        history, number = self._history, numbers[file]
        as_typed = history[number] if 0 < number < len(history) else ""
        return as_typed if self.shell.transform_cell(as_typed).strip() == compiled.strip() else compiled

    def _last_output(self) -> str:
        outputs = self.shell.user_ns.get("Out")
        if type(outputs) is not dict or not outputs:
            raise DocumentError("There is no output yet.", "Leave out --out.")
        number = max(outputs)
        said = describe({"output": outputs[number]}, values=True)
        return f"Out[{number}]: {said[0].removeprefix('output: ')}"


def _is_ours(cell: str) -> bool:
    return cell.lstrip().startswith(_OURS)


def _frames(trace: TracebackType | None) -> list[tuple[str, int]]:
    return [(frame.f_code.co_filename, number) for frame, number in traceback.walk_tb(trace)]
