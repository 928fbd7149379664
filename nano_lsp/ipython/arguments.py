"""The subcommands of `%nano` and their options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

FORMATS = ("code", "markdown", "text", "json")
_OPTION = re.compile(r"(?P<name>--?[A-Za-z][\w-]*|--)(?:(?P<equals>=)|(?=\s|$))")
_VALUE = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+")
_NAME_OR_CELL = re.compile(r"(?:cell\s+)?In\s*\[\s*\d+\s*\]|cell\s+\d+|\S+", re.IGNORECASE)
_CONTEXT = ("values", "in", "out", "error")


class Takes(Enum):
    """What may stand behind a subcommand and its options."""

    NOTHING = "nothing"
    NAME = "a name, a cell, a file or an expression"
    CODE = "code"
    TEXT = "a request"


@dataclass(frozen=True)
class Subcommand:
    """One thing that `%nano` can do.

    Attributes:
        summary: What it does, in one line.
        usage: What stands behind its name, for the help.
        takes: What may stand behind its name and options.
        options: Names of the options it takes besides `-f`.
        example: An example of its use.
    """

    summary: str
    usage: str
    takes: Takes
    options: tuple[str, ...]
    example: str


SUBCOMMANDS = {
    "code": Subcommand(
        "Write code for a request, into the next cell.",
        "TEXT…",
        Takes.TEXT,
        ("replace", "think", "tokens", *_CONTEXT),
        "%%nano plot the sales of each city in df",
    ),
    "complete": Subcommand(
        "Go on from code, into the next cell.",
        "CODE…",
        Takes.CODE,
        ("replace", "values"),
        "%nano complete def f(n):",
    ),
    "explain": Subcommand(
        "Explain a function, a class, a cell or the code below; the last cell unless told otherwise.",
        "[NAME | cell In[n]]",
        Takes.NAME,
        (),
        "%nano explain cell In[3]",
    ),
    "doc": Subcommand(
        "Write the docstring of a live function or class; its code goes into the next cell.",
        "NAME",
        Takes.NAME,
        ("replace", "style"),
        "%nano doc --style numpy load",
    ),
    "fix": Subcommand(
        "Correct the code that raised the last error, into the next cell, and say why.",
        "",
        Takes.NOTHING,
        ("replace",),
        "%nano fix",
    ),
    "test": Subcommand(
        "Write a test of a live function, into the next cell.", "NAME", Takes.NAME, ("replace",), "%nano test slugify"
    ),
    "ask": Subcommand(
        "Answer a question.",
        "TEXT…",
        Takes.TEXT,
        ("think", "tokens", *_CONTEXT),
        "%nano ask --think is {n} prime?",
    ),
    "summarize": Subcommand(
        "Summarize a text or a document; each statement says where it stands.",
        "EXPRESSION | FILE",
        Takes.NAME,
        ("length",),
        "%nano summarize --length short report.pdf",
    ),
    "task": Subcommand(
        "Have a value: a choice, or JSON of a schema.",
        "TEXT…",
        Takes.TEXT,
        ("think", "tokens", "data", "choice", "schema"),
        "%nano task --data review --choice good,bad Which mood is this?",
    ),
    "model": Subcommand("Show the models, or take another one.", "[NAME]", Takes.NAME, (), "%nano model pico"),
    "status": Subcommand("Show the engine, the model and what it has cost.", "", Takes.NOTHING, (), "%nano status"),
    "stats": Subcommand("Show what became of suggestions in editors.", "", Takes.NOTHING, (), "%nano stats"),
    "help": Subcommand("Show this, or a subcommand's options.", "[SUBCOMMAND]", Takes.NAME, (), "%nano help task"),
}


def parse(name: str, line: str) -> argparse.Namespace:
    """The options that a subcommand's line begins with, and as `text` everything behind them, as it was typed.

    The first word that is not one of the subcommand's own options begins the text; `--` ends the options as well.
    Behind a NAME or a FILE options may stand too, since no name begins with a hyphen.

    Returns:
        The options, with `note`: what to tell the user of a text that seems to have options in it; empty for none.

    Raises:
        UsageError: An option lacks its value, or has a wrong one; or there is a text where none is taken.
    """
    parser, takes = build_parser(name), SUBCOMMANDS[name].takes
    options, text = _split_options(parser, line)
    if takes in {Takes.NAME, Takes.NOTHING}:
        behind = re.search(r"\s(?=--?[a-z])", text)
        more, rest = _split_options(parser, text[behind.end() :]) if behind else ([], text)
        if behind and not rest:
            options, text = [*options, *more], text[: behind.start()]
        text = text.strip()
        if text and takes is Takes.NOTHING:
            raise UsageError(f"`{name}` takes no text. For code on request: %nano code {name} {text}")
    found: argparse.Namespace = parser.parse_args([option for option in options if option != "--"])
    found.text = text
    found.note = "" if "--" in options or takes is Takes.CODE else _note_on_options(name, parser, text)
    return found


def _note_on_options(name: str, parser: argparse.ArgumentParser, text: str) -> str:
    own = [option for option in _options(parser) if option.startswith("--")]
    words = [word.partition("=")[0] for word in text.split()]
    found = next((word for word in words if word in own), "")
    if found:
        return f"`{found}` stands behind the text, so it is part of it. Options come first: %nano {name} {found} …"
    if words and re.match(r"--[a-z]", words[0]):
        return f"`{words[0]}` is not an option of `{name}`, so it is part of the text. See: %nano help {name}"
    return ""


def _split_options(parser: argparse.ArgumentParser, line: str) -> tuple[list[str], str]:
    """The options that a line begins with, as words for the parser, and the rest of the line as it is."""
    words: list[str] = []
    known = _options(parser)
    rest = line.lstrip()
    while found := _OPTION.match(rest):
        if found["name"] == "--":
            return [*words, "--"], rest[found.end() :].removeprefix(" ")
        action = known.get(found["name"])
        if action is None or (action.nargs == 0 and found["equals"]):
            break
        words.append(found["name"])
        rest = rest[found.end() :].lstrip()
        if action.nargs != 0:
            value = _VALUE.match(rest)
            if value is None:
                break
            words[-1] += f"={_unquoted(value[0])}" if words[-1].startswith("--") else _unquoted(value[0])
            rest = rest[value.end() :].lstrip()
    return words, rest


def _options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return parser._option_string_actions  # argparse has no other way to list them


def _unquoted(value: str) -> str:
    """A value without the quotes around the whole of it."""
    quoted = re.fullmatch(r"\"([^\"]*)\"|'([^']*)'", value)
    return (quoted[1] or quoted[2] or "") if quoted else value


def build_parser(name: str) -> MagicArgumentParser:
    """The parser of a subcommand."""
    about = SUBCOMMANDS[name]
    parser = MagicArgumentParser(
        prog=f"nano {name}",
        usage=f"%(prog)s [OPTIONS] {about.usage}".rstrip(),
        description=about.summary,
        epilog=f"Example: {about.example}",
        add_help=False,
    )
    parser.allow_abbrev = False
    parser.add_argument("-f", "--format", choices=FORMATS, help="Show it as one of these.")
    for option in about.options:
        _ADDERS[option](parser)
    return parser


def split_subcommand(line: str) -> tuple[str, str]:
    """The subcommand that the line of `%nano` begins with, and the rest as it was typed.

    Raises:
        UsageError: There is no such subcommand.
    """
    first, rest = _first_word(line)
    if not first:
        return "help", ""
    if first not in SUBCOMMANDS:
        raise UsageError(
            f"There is no subcommand {first!r}. Choose one of: {', '.join(SUBCOMMANDS)}. "
            "For code on request: %nano code TEXT, or a cell with %%nano."
        )
    return first, rest


def split_cell_subcommand(line: str) -> tuple[str, str]:
    """The subcommand that the line of `%%nano` stands for, and the rest as it was typed.

    Its first word counts as a subcommand only if nothing but its options and what it takes stands behind it: a text
    behind `ask`, `code` and `task`, one word behind those that take a name, nothing behind the others. Any other line
    is a request for code.
    """
    first, rest = _first_word(line)
    about = SUBCOMMANDS.get(first)
    if about is None:
        return "code", line.strip()
    text = _split_options(build_parser(first), rest)[1].strip()
    fits = {
        Takes.TEXT: True,
        Takes.NAME: not text or bool(_NAME_OR_CELL.fullmatch(re.split(r"\s+-", text)[0])),
        Takes.CODE: not text,
        Takes.NOTHING: not text,
    }
    return (first, rest) if fits[about.takes] else ("code", line.strip())


def _first_word(line: str) -> tuple[str, str]:
    first, _, rest = line.strip().partition(" ")
    return first, rest


def help_text(name: str = "") -> str:
    """What `%nano help` says."""
    if name:
        return str(build_parser(name).format_help()).replace("::\n", "Usage:\n")
    rows = "\n".join(f"  {name:<10} {about.usage:<20} {about.summary}" for name, about in SUBCOMMANDS.items())
    examples = "\n".join(f"  {about.example}" for about in SUBCOMMANDS.values())
    return (
        "%nano SUBCOMMAND … , or a cell that begins with %%nano and says what code to write.\n\n"
        f"{rows}\n\n"
        "Options stand in front of the text; behind them everything is taken as it was typed, and\n"
        "`--` ends the options. In the request of code, ask and task, {expression} and $name stand for\n"
        "their values, as in IPython; code and the lines below %%nano are never changed.\n"
        "In %%nano, a first word such as `fix` counts as a subcommand only if nothing else follows.\n\n"
        "Code that was written is not run; names of yours that a request mentions are described with\n"
        "types and shapes, with values only on --values.\n\n"
        f"Examples:\n{examples}\n\n"
        "%nano help SUBCOMMAND shows options."
    )


def _number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 4096")
    return int(text)


_Add = Callable[[MagicArgumentParser], object]
_ADDERS: dict[str, _Add] = {
    "replace": lambda p: p.add_argument(
        "-r", "--replace", action="store_true", help="Put it into this cell instead of the next one."
    ),
    "think": lambda p: p.add_argument("--think", action="store_true", help="Think step by step."),
    "tokens": lambda p: p.add_argument("--max-tokens", type=_number, default=512, help="At most so many tokens."),
    "values": lambda p: p.add_argument(
        "--values", action="store_true", help="Tell the values of short plain variables, too; secrets are masked."
    ),
    "in": lambda p: p.add_argument("--in", dest="cells", action="store_true", help="Tell the cells that have run."),
    "out": lambda p: p.add_argument("--out", dest="output", action="store_true", help="Tell the last output."),
    "error": lambda p: p.add_argument("--error", action="store_true", help="Tell the last error."),
    "style": lambda p: p.add_argument("--style", default="auto", help="google, numpy, sphinx or auto."),
    "length": lambda p: p.add_argument(
        "--length", choices=("short", "medium", "long"), default="short", help="5, 12 or 25 statements, at most."
    ),
    "data": lambda p: p.add_argument("--data", default="", help="Expression that has what to do it with."),
    "choice": lambda p: p.add_argument("--choice", default="", metavar="A,B,…", help="The answer is one of these."),
    "schema": lambda p: p.add_argument("--schema", default="", help="JSON schema: a file, or an expression."),
}
