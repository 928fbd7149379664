"""The magics themselves: which subcommand a line is for, and what goes wrong said without a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.utils.text import DollarFormatter

from nano_lsp.adapters.ipython import subcommands
from nano_lsp.adapters.ipython.arguments import SUBCOMMANDS, help_text, parse, split_subcommand
from nano_lsp.adapters.ipython.completing import Completing
from nano_lsp.adapters.ipython.kernel import Kernel
from nano_lsp.adapters.ipython.work import Work
from nano_lsp.errors import NanoError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class NanoMagics(Magics):  # type: ignore[misc]
    """`%nano` and `%%nano`.

    Args:
        shell: that they are for.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._kernel = Kernel(shell)
        self._work = Work()
        self._completing = Completing(shell)

    def install(self) -> None:
        """Register with the shell."""
        shell = self._kernel.shell
        shell.register_magics(self)
        shell.events.register("post_run_cell", self._kernel.remember)
        shell.input_transformers_cleanup.append(as_line_magic)
        self._completing.install()

    def uninstall(self) -> None:
        """Leave the shell as it was."""
        shell = self._kernel.shell
        self._completing.uninstall()
        shell.input_transformers_cleanup.remove(as_line_magic)
        shell.events.unregister("post_run_cell", self._kernel.remember)
        shell.magics_manager.registry.pop(type(self).__name__, None)
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("nano", None)
        self._work.close()

    @line_cell_magic  # type: ignore[untyped-decorator]
    def nano(self, line: str, cell: str | None = None) -> None:
        """See `help_text`, which takes the place of this."""
        if cell is not None:
            first = line.strip().split(" ")[0]
            rest = line.strip()[len(first) :] if first in SUBCOMMANDS else line
            name, body = (first if first in SUBCOMMANDS else "code"), self._expand(cell)
        else:
            (name, rest), body = split_subcommand(line), ""
        options = parse(name, rest)
        try:
            subcommands.run(name, options, body, self._kernel, self._work)
        except NanoError as error:
            raise UsageError(f"{error.message} {error.remedy}".strip()) from None

    nano.__doc__ = help_text()

    def _expand(self, cell: str) -> str:
        """A cell's text with `{expression}` in place, as IPython does it in lines; as it is where one fails."""
        try:
            return str(DollarFormatter().vformat(cell, args=[], kwargs=dict(self._kernel.shell.user_ns)))
        except Exception:  # noqa: BLE001 - whatever the user's expression raises
            return cell


def as_line_magic(lines: list[str]) -> list[str]:
    """`%%nano TEXT` without more lines, which IPython would refuse as a cell without a body, as a line."""
    code = "".join(lines).strip()
    if not code.startswith("%%nano") or "\n" in code:
        return lines
    rest = code.removeprefix("%%nano")
    if rest[:1] not in {"", " "}:
        return lines
    known = rest.split()[:1]
    return [f"%nano{'' if known and known[0] in SUBCOMMANDS else ' code'}{rest}\n"] if known else ["%nano help\n"]
