"""The magics themselves: which subcommand a line is for, and what goes wrong said without a traceback."""

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
    Takes,
    help_text,
    parse,
    split_cell_subcommand,
    split_subcommand,
)
from nano_lsp.ipython.completer import Completing
from nano_lsp.ipython.job_runner import JobRunner
from nano_lsp.ipython.shell_state import ShellState
from nano_lsp.lines import split_at_newlines

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


_QUESTION = re.compile(r"%nano +(\S.*\?)\s*", re.DOTALL)
_NOTHING: Mapping[str, Any] = {}


@magics_class
class NanoMagics(Magics):  # type: ignore[misc]
    """`%nano` and `%%nano`.

    Args:
        shell: that they are for.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._kernel = ShellState(shell)
        self._work = JobRunner()
        self._completing = Completing(shell)

    def install(self) -> None:
        """Register with the shell."""
        shell = self._kernel.shell
        shell.register_magics(self)
        shell.events.register("post_run_cell", self._kernel.remember)
        shell.input_transformers_cleanup.append(pass_on_questions)
        self._completing.install()

    def uninstall(self) -> None:
        """Leave the shell as it was."""
        shell = self._kernel.shell
        self._completing.uninstall()
        shell.input_transformers_cleanup.remove(pass_on_questions)
        shell.events.unregister("post_run_cell", self._kernel.remember)
        shell.magics_manager.registry.pop(type(self).__name__, None)
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("nano", None)
        self._work.close()

    @no_var_expand  # type: ignore[untyped-decorator]
    @needs_local_scope  # type: ignore[untyped-decorator]
    @line_cell_magic  # type: ignore[untyped-decorator]
    def nano(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> None:
        """See `help_text`, which takes the place of this."""
        if cell is None or not (line.strip() or cell.strip()):
            (name, rest), body = split_subcommand(line), ""
        else:
            (name, rest), body = split_cell_subcommand(line), cell
        options = parse(name, rest)
        if SUBCOMMANDS[name].takes is Takes.TEXT:
            options.text = self._kernel.expand(options.text, local_ns or _NOTHING)
        for note in (_name_subcommand(name, line) if cell is not None else "", options.note):
            if note:
                print(note, file=sys.stderr)
        try:
            subcommands.run(name, options, body, self._kernel, self._work)
        except Exception as error:
            explained = explain_error(error)
            if explained is None:
                raise
            raise UsageError(f"{explained.message} {explained.remedy}".strip()) from None

    nano.__doc__ = help_text()


def _name_subcommand(name: str, line: str) -> str:
    """What `%%nano` says of a line whose first word could be meant in two ways; empty for any other line."""
    first, _, rest = line.strip().partition(" ")
    if first not in SUBCOMMANDS or not rest.strip() or first == "code":
        return ""
    if name == "code":
        return f"Writing code for this request. The subcommand is: %nano {first}"
    return f"Running the subcommand {name}. For code on request: %%nano code {line.strip()}"


def pass_on_questions(lines: list[str]) -> list[str]:
    """What IPython would not hand over, in a form that it does.

    `%%nano TEXT` without more lines, which it refuses as a cell without a body; and `%nano` lines that end in a
    question mark, where it would look for help on the last word.
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
