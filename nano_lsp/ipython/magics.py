"""The magics `%nano` and `%%nano`: choose the subcommand of a line, and report errors without a traceback."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand

from nano_lsp.code.ipython_syntax import find_cell_magic, find_specials
from nano_lsp.explain_errors import explain_error
from nano_lsp.ipython import subcommands
from nano_lsp.ipython.arguments import (
    SUBCOMMANDS,
    Operand,
    help_text,
    parse,
    split_cell_subcommand,
    split_subcommand,
)
from nano_lsp.ipython.completer import MagicCompleter
from nano_lsp.ipython.job_runner import JobRunner
from nano_lsp.ipython.shell_state import ShellState
from nano_lsp.lines import split_at_newlines

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


_QUESTION = re.compile(r"%nano +(\S.*\?)\s*", re.DOTALL)


@magics_class
class NanoMagics(Magics):  # type: ignore[misc]
    """The magics `%nano` and `%%nano`."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._state = ShellState(shell)
        self._runner = JobRunner()
        self._completer = MagicCompleter(shell)

    def install(self) -> None:
        """Register with the shell."""
        shell = self._state.shell
        shell.register_magics(self)
        shell.events.register("post_run_cell", self._state.remember)
        shell.input_transformers_cleanup.append(rewrite_questions)
        self._completer.install()

    def uninstall(self) -> None:
        """Undo `install`."""
        shell = self._state.shell
        self._completer.uninstall()
        shell.input_transformers_cleanup.remove(rewrite_questions)
        shell.events.unregister("post_run_cell", self._state.remember)
        shell.magics_manager.registry.pop(type(self).__name__, None)
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("nano", None)
        self._runner.close()

    @no_var_expand  # type: ignore[untyped-decorator]
    @needs_local_scope  # type: ignore[untyped-decorator]
    @line_cell_magic  # type: ignore[untyped-decorator]
    def nano(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> None:
        """See `help_text`, which replaces this docstring."""
        if cell is None or not (line.strip() or cell.strip()):
            (name, rest), body = split_subcommand(line), ""
        else:
            (name, rest), body = split_cell_subcommand(line), cell
        options = parse(name, rest)
        if body.strip() and SUBCOMMANDS[name].operand is Operand.NONE:
            raise UsageError(f"`{name}` takes no code below it. `%nano {name}`: {SUBCOMMANDS[name].summary}")
        if SUBCOMMANDS[name].operand is Operand.TEXT:
            options.text = self._state.expand(options.text, local_ns or {})
        for note in (_name_subcommand(name, line) if cell is not None else "", options.note):
            if note:
                print(note, file=sys.stderr)
        try:
            subcommands.run(name, options, body, self._state, self._runner)
        except Exception as error:
            explained = explain_error(error)
            if explained is None:
                raise
            raise UsageError(f"{explained.message} {explained.remedy}".strip()) from None

    nano.__doc__ = help_text()


def _name_subcommand(name: str, line: str) -> str:
    """The note on a `%%nano` line whose first word is ambiguous; empty for any other line."""
    first, _, rest = line.strip().partition(" ")
    if first not in SUBCOMMANDS or not rest.strip() or first == "code":
        return ""
    if name == "code":
        return f"Writing code for this request. The subcommand is: %nano {first}"
    return f"Running the subcommand {name}. To request code instead: %%nano code {line.strip()}"


def rewrite_questions(lines: list[str]) -> list[str]:
    """Rewrite lines that IPython would not pass to the magics.

    These are `%%nano TEXT` without further lines, which IPython rejects as a cell without a body, and `%nano` lines
    that end in a question mark, for which it would show help on the last word.
    """
    code = "".join(lines)
    if "%nano" not in code:
        return lines
    magic = find_cell_magic(code)
    if magic is not None:
        if magic.name != "nano" or code[magic.body :].strip():
            return lines
        return [f"get_ipython().run_cell_magic('nano', {magic.line!r}, '\\n')\n"]
    changed = code
    for special in reversed(find_specials(code)):
        question = _QUESTION.fullmatch(code[special.start : special.end])
        if question and "\\\n" not in question[0]:
            call = f"get_ipython().run_line_magic('nano', {question[1]!r})"
            changed = changed[: special.start] + call + changed[special.end :]
    return lines if changed == code else split_at_newlines(changed, keep_ends=True)
