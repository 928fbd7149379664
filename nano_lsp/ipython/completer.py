"""Tab completion of subcommands, options and names after `%nano`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nano_lsp.ipython.arguments import FORMATS, SUBCOMMANDS, build_parser

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_WITH_NAMES = {"explain", "doc", "test", "summarize"}


class MagicCompleter:
    """Tab completion for the magics of a shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def install(self) -> None:
        """Register the completer with IPython."""
        for magic in ("%nano", "%%nano"):
            self._shell.set_hook("complete_command", self._complete, str_key=magic)

    def uninstall(self) -> None:
        """Unregister the completer."""
        hooks = self._shell.strdispatchers["complete_command"]
        for magic in ("%nano", "%%nano"):
            hooks.strs.pop(magic, None)

    def _complete(self, _shell: object, event: Any) -> list[str]:  # noqa: ANN401 - IPython's, without a type
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
        options = build_parser(command)._option_string_actions  # argparse has no other way to list them
        return sorted(option for option in options if option.startswith(typed))
    if command == "help":
        return [name for name in SUBCOMMANDS if name.startswith(typed)]
    if command in _WITH_NAMES:
        return sorted(name for name in names if name.startswith(typed) and (typed or not name.startswith("_")))
    return []
