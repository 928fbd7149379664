"""Read-only access to the state of an IPython shell: variables, cells, outputs, the last error."""

from __future__ import annotations

import builtins
import inspect
import linecache
import re
import sys
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.utils.text import DollarFormatter

from nano_lsp.code.live_source import find_source
from nano_lsp.code.namespace import describe
from nano_lsp.edits.cells import NotebookContext
from nano_lsp.errors import DocumentError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

_MAGIC_PREFIXES = ("%nano", "%%nano", "%load_ext nano_lsp")
_NAME = re.compile(r"[^\W\d]\w*")
_CELL = re.compile(r"(?:cell\s+)?(?:In\s*\[\s*(\d+)\s*\]|(?<=cell )\s*(\d+))", re.IGNORECASE)
_MISSING = object()


class ShellState:
    """The state of a shell that the magics use."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self._error: BaseException | None = getattr(sys, "last_value", None)  # from before the magics were loaded

    def remember(self, result: ExecutionResult) -> None:
        """Remember the error that a cell has raised, for `fix`."""
        error = result.error_before_exec or result.error_in_exec
        if error is not None and not isinstance(error, (UsageError, KeyboardInterrupt)):
            self._error = error

    @property
    def names(self) -> Mapping[str, Any]:
        """The user's variables by name."""
        hidden = self.shell.user_ns_hidden
        return {name: value for name, value in self.shell.user_ns.items() if hidden.get(name, _MISSING) is not value}

    def cells(self) -> list[str]:
        """The code of the cells that have run, in that order, without the running one and those with the magics."""
        running = self.shell.execution_count
        cells = enumerate(self._history)
        code = [cell for i, cell in cells if i and i != running and cell.strip()]
        return [cell for cell in code if not cell.lstrip().startswith(_MAGIC_PREFIXES)]

    @property
    def _history(self) -> list[str]:
        """The cells that the user has run, by number, as they were typed."""
        manager = self.shell.history_manager
        return list(manager.input_hist_raw) if manager is not None else []

    def describe_variables(self, text: str, *, values: bool = False) -> tuple[str, ...]:
        """Descriptions of the variables that a text mentions."""
        return tuple(describe(self.names, set(_NAME.findall(text)), values=values))

    def notebook_context(
        self, text: str, *, values: bool = False, cells: bool = False, output: bool = False, error: bool = False
    ) -> NotebookContext:
        """The context of a request: the variables that it mentions, and the requested parts of the notebook."""
        return NotebookContext(
            kernel_variables=self.describe_variables(text, values=values),
            cells=tuple(self.cells()) if cells else (),
            output=self._last_output() if output else "",
            error=self.last_error()[1] if error else "",
        )

    def find(self, name: str) -> object:
        """The object of a dotted name, looked up without evaluating properties.

        Raises:
            DocumentError: The name is not defined.
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
            DocumentError: The name or cell does not exist, or has no Python source.
        """
        cell = _CELL.fullmatch(name.strip())
        if cell is None:
            return find_source(self.find(name.strip()), self.cells(), name.strip(), self._cell_of)
        number = int(cell[1] or cell[2])
        history = self._history
        if not 0 < number < len(history) or not history[number].strip():
            raise DocumentError(
                f"There is no cell In[{number}].", "Use the execution number that the notebook shows."
            )
        return history[number]

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - whatever the user has
        """Evaluate an expression of the user.

        Raises:
            DocumentError: The expression raises an error.
        """
        names = self.shell.user_ns
        if expression in names:
            return names[expression]
        try:
            return eval(expression, dict(names))  # noqa: S307 - the user's own expression
        except Exception as error:
            raise DocumentError(
                f"{expression!r} has no value: {type(error).__name__}.", "Give a valid expression, or a file."
            ) from error

    def expand(self, text: str, local_names: Mapping[str, Any]) -> str:
        """Replace `{expression}` and `$name` by their values; returns the text unchanged if one has no value."""
        names = {**self.shell.user_ns, **local_names}
        try:
            return str(DollarFormatter().vformat(text, args=[], kwargs=names))
        except Exception:  # noqa: BLE001 - whatever the user's expression raises
            return text

    def last_error(self) -> tuple[str, str]:
        """The code that has raised the last error, and the error with its traceback through cells.

        Raises:
            DocumentError: There was no error, or it was not raised by code of a cell.
        """
        error = self._error
        if error is None:
            raise DocumentError("There is no error to fix.", "Run the cell that fails first.")
        code, lines = "", list[str]()
        if isinstance(error, SyntaxError) and error.filename:
            code = self._cell_of(error.filename)
        for frame, number in traceback.walk_tb(error.__traceback__):
            file = frame.f_code.co_filename
            cell = self._cell_of(file)
            if cell:
                code = cell
                lines.append(f"line {number}: {linecache.getline(file, number).strip()}")
        if not code:
            last = self.cells()
            code = last[-1] if isinstance(error, SyntaxError) and last else ""
        if not code.strip():
            raise DocumentError("The last error was not raised by a cell.", "Run the cell that fails again.")
        message = "".join(traceback.format_exception_only(type(error), error)).strip()
        return code, "\n".join([*lines, message])

    def _cell_of(self, file: str) -> str:
        """The code of a cell by its compiled file name; empty for other files."""
        named = self.shell.compile.format_code_name(file)  # such as ("Cell", "In[3]"), as tracebacks show it
        if named is None:
            return ""
        compiled = "".join(linecache.getlines(file))
        history, number = self._history, int(named[1].strip("In[]"))
        as_typed = history[number] if 0 < number < len(history) else ""
        return as_typed if self.shell.transform_cell(as_typed).strip() == compiled.strip() else compiled

    def _last_output(self) -> str:
        outputs = self.shell.user_ns.get("Out")
        if type(outputs) is not dict or not outputs:
            raise DocumentError("There is no output yet.", "Leave out --out.")
        number = max(outputs)
        description = describe({"output": outputs[number]}, values=True)[0]
        return f"Out[{number}]: {description.removeprefix('output: ')}"
