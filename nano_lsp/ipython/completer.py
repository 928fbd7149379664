"""Tab completion of subcommands, options and names after `%nano`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import TryNext

from nano_lsp.ipython.arguments import FORMATS, SUBCOMMANDS, build_parser, options_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_WITH_NAMES = {"explain", "doc", "test", "summarize"}


class MagicCompleter:
    """Tab completion for the magics of a shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._installed = False

    def install(self) -> None:
        """Register the completer with IPython."""
        self._installed = True
        for magic in ("%nano", "%%nano"):
            self._shell.set_hook("complete_command", self._complete, str_key=magic)

    def uninstall(self) -> None:
        """Complete nothing any more; IPython has no public way to unregister."""
        self._installed = False

    def _complete(self, _shell: object, event: Any) -> list[str]:  # noqa: ANN401 - IPython's, without a type
        if not self._installed:
            raise TryNext
        return find_completions(str(event.line), list(self._shell.user_ns))


def find_completions(line: str, names: list[str]) -> list[str]:
    """The completions at the end of a line up to the cursor, also among the names of the user's variables."""
    *before, typed = line.split(" ")
    words = [word for word in before[1:] if word]
    if not words:
        return [name for name in SUBCOMMANDS if name.startswith(typed)]
    if words[-1] in {"-f", "--format"}:
        return [form for form in FORMATS if form.startswith(typed)]
    command = words[0] if words[0] in SUBCOMMANDS else "code"
    if typed.startswith("-"):
        return sorted(option for option in options_of(build_parser(command)) if option.startswith(typed))
    if command == "help":
        return [name for name in SUBCOMMANDS if name.startswith(typed)]
    if command in _WITH_NAMES:
        return sorted(name for name in names if name.startswith(typed) and (typed or not name.startswith("_")))
    return []
