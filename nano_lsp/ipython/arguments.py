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


class Operand(Enum):
    """What follows a subcommand and its options."""

    NONE = "nothing"
    NAME = "a name, a cell, a file or an expression"
    CODE = "code"
    TEXT = "a request"


@dataclass(frozen=True)
class Subcommand:
    """A subcommand of `%nano`.

    Attributes:
        summary: One line on what the subcommand does.
        usage: Placeholder of the operand, for the help.
        operand: What follows the subcommand and its options.
        options: Names of the options that the subcommand has besides `-f`.
        example: An example of its use.
    """

    summary: str
    usage: str
    operand: Operand
    options: tuple[str, ...]
    example: str


SUBCOMMANDS = {
    "code": Subcommand(
        "Write code for a request into the next cell.",
        "TEXT…",
        Operand.TEXT,
        ("replace", "think", "tokens", *_CONTEXT),
        "%%nano plot the sales of each city in df",
    ),
    "complete": Subcommand(
        "Complete code and put it into the next cell.",
        "CODE…",
        Operand.CODE,
        ("replace", "values"),
        "%nano complete def f(n):",
    ),
    "explain": Subcommand(
        "Explain a function, a class, a cell or the code below; by default the last cell.",
        "[NAME | cell In[n]]",
        Operand.NAME,
        (),
        "%nano explain cell In[3]",
    ),
    "doc": Subcommand(
        "Write the docstring of a function or class of this session; its code goes into the next cell.",
        "NAME",
        Operand.NAME,
        ("replace", "style"),
        "%nano doc --style numpy load",
    ),
    "fix": Subcommand(
        "Fix the code that raised the last error, put it into the next cell, and explain the fix.",
        "",
        Operand.NONE,
        ("replace",),
        "%nano fix",
    ),
    "test": Subcommand(
        "Write a test of a function of this session into the next cell.",
        "NAME",
        Operand.NAME,
        ("replace",),
        "%nano test slugify",
    ),
    "ask": Subcommand(
        "Answer a question.",
        "TEXT…",
        Operand.TEXT,
        ("think", "tokens", *_CONTEXT),
        "%nano ask --think is {n} prime?",
    ),
    "summarize": Subcommand(
        "Summarize a text or a document, with a citation for each statement.",
        "EXPRESSION | FILE",
        Operand.NAME,
        ("length",),
        "%nano summarize --length short report.pdf",
    ),
    "task": Subcommand(
        "Decide or extract a value: a choice, or JSON that matches a schema.",
        "TEXT…",
        Operand.TEXT,
        ("think", "tokens", "data", "choice", "schema"),
        "%nano task --data review --choice good,bad Which mood is this?",
    ),
    "model": Subcommand("List the models, or switch to another one.", "[NAME]", Operand.NAME, (), "%nano model pico"),
    "status": Subcommand("Show the engine, the model and token counts.", "", Operand.NONE, (), "%nano status"),
    "stats": Subcommand("Show the acceptance of suggestions in editors.", "", Operand.NONE, (), "%nano stats"),
    "help": Subcommand(
        "Show this help, or a subcommand's options.", "[SUBCOMMAND]", Operand.NAME, (), "%nano help task"
    ),
}


def parse(name: str, line: str) -> argparse.Namespace:
    """Parse a subcommand's line: the options at its beginning, and as `text` the rest, as it was typed.

    The text begins at the first word that is not one of the subcommand's own options, or after `--`. Options may also
    follow a NAME or a FILE, as no name begins with a hyphen.

    Returns:
        The options, with `note`: a message for the user if the text seems to contain options; empty for none.

    Raises:
        UsageError: An option has no value or an invalid one, or a subcommand without an operand is followed by text.
    """
    parser, operand = build_parser(name), SUBCOMMANDS[name].operand
    words, text = _split_options(parser, line)
    if operand in {Operand.NAME, Operand.NONE}:
        hyphen = re.search(r"\s(?=--?[a-z])", text)
        more, rest = _split_options(parser, text[hyphen.end() :]) if hyphen else ([], text)
        if hyphen and not rest:
            words, text = [*words, *more], text[: hyphen.start()]
        text = text.strip()
        if text and operand is Operand.NONE:
            raise UsageError(f"`{name}` takes no text. To request code: %nano code {name} {text}")
    options: argparse.Namespace = parser.parse_args([word for word in words if word != "--"])
    options.text = text
    options.note = "" if "--" in words or operand is Operand.CODE else _note_on_options(name, parser, text)
    return options


def _note_on_options(name: str, parser: argparse.ArgumentParser, text: str) -> str:
    own = [option for option in options_of(parser) if option.startswith("--")]
    words = [word.partition("=")[0] for word in text.split()]
    option = next((word for word in words if word in own), "")
    if option:
        return f"`{option}` follows the text, so it is part of it. Options come first: %nano {name} {option} …"
    if words and re.match(r"--[a-z]", words[0]):
        return f"`{words[0]}` is not an option of `{name}`, so it is part of the text. See: %nano help {name}"
    return ""


def _split_options(parser: argparse.ArgumentParser, line: str) -> tuple[list[str], str]:
    """The options at the beginning of a line, as words for the parser, and the rest of the line unchanged."""
    words: list[str] = []
    known = options_of(parser)
    rest = line.lstrip()
    while option := _OPTION.match(rest):
        if option["name"] == "--":
            return [*words, "--"], rest[option.end() :].removeprefix(" ")
        action = known.get(option["name"])
        if action is None or (action.nargs == 0 and option["equals"]):
            break
        words.append(option["name"])
        rest = rest[option.end() :].lstrip()
        if action.nargs != 0:
            value = _VALUE.match(rest)
            if value is None:
                break
            words[-1] += f"={_unquoted(value[0])}" if words[-1].startswith("--") else _unquoted(value[0])
            rest = rest[value.end() :].lstrip()
    return words, rest


def options_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options of a parser, by their names."""
    return parser._option_string_actions  # noqa: SLF001 - argparse has no other way to list them


def _unquoted(value: str) -> str:
    """A value without quotes around the whole of it."""
    quoted = re.fullmatch(r"\"([^\"]*)\"|'([^']*)'", value)
    return (quoted[1] or quoted[2] or "") if quoted else value


def build_parser(name: str) -> MagicArgumentParser:
    """Create the parser of a subcommand."""
    subcommand = SUBCOMMANDS[name]
    parser = MagicArgumentParser(
        prog=f"nano {name}",
        usage=f"%(prog)s [OPTIONS] {subcommand.usage}".rstrip(),
        description=subcommand.summary,
        epilog=f"Example: {subcommand.example}",
        add_help=False,
    )
    parser.allow_abbrev = False
    parser.add_argument("-f", "--format", choices=FORMATS, help="Format of the output.")
    for option in subcommand.options:
        _ADDERS[option](parser)
    return parser


def split_subcommand(line: str) -> tuple[str, str]:
    """The subcommand at the beginning of a `%nano` line, and the rest as it was typed.

    Raises:
        UsageError: The first word is not a subcommand.
    """
    first, rest = _first_word(line)
    if not first:
        return "help", ""
    if first not in SUBCOMMANDS:
        raise UsageError(
            f"There is no subcommand {first!r}. Choose one of: {', '.join(SUBCOMMANDS)}. "
            "To request code: %nano code TEXT, or a cell with %%nano."
        )
    return first, rest


def split_cell_subcommand(line: str) -> tuple[str, str]:
    """The subcommand that a `%%nano` line means, and the rest as it was typed.

    The first word is a subcommand only if its options and operand are all that follows: a text after `ask`, `code`
    and `task`, one word after subcommands with a name, nothing after others. Any other line requests code.
    """
    first, rest = _first_word(line)
    subcommand = SUBCOMMANDS.get(first)
    if subcommand is None:
        return "code", line.strip()
    text = _split_options(build_parser(first), rest)[1].strip()
    fits = {
        Operand.TEXT: True,
        Operand.NAME: not text or bool(_NAME_OR_CELL.fullmatch(re.split(r"\s+-", text)[0])),
        Operand.CODE: not text,
        Operand.NONE: not text,
    }
    return (first, rest) if fits[subcommand.operand] else ("code", line.strip())


def _first_word(line: str) -> tuple[str, str]:
    first, _, rest = line.strip().partition(" ")
    return first, rest


def help_text(name: str = "") -> str:
    """The text of `%nano help`."""
    if name:
        return str(build_parser(name).format_help()).replace("::\n", "Usage:\n")
    rows = "\n".join(f"  {name:<10} {each.usage:<20} {each.summary}" for name, each in SUBCOMMANDS.items())
    examples = "\n".join(f"  {each.example}" for each in SUBCOMMANDS.values())
    return (
        "%nano SUBCOMMAND … , or a cell that begins with %%nano and a request for code.\n\n"
        f"{rows}\n\n"
        "Options come before the text, which is used as it was typed; `--` ends the options. In\n"
        "requests of code, ask and task, {expression} and $name are replaced by their values, as in\n"
        "IPython; code and the lines below %%nano are never changed.\n"
        "In %%nano, a first word such as `fix` is a subcommand only if nothing else follows.\n\n"
        "Generated code is not run. The model gets the types and shapes of your variables that a\n"
        "request mentions, and their values only with --values.\n\n"
        f"Examples:\n{examples}\n\n"
        "%nano help SUBCOMMAND shows options."
    )


def _token_limit(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 4096")
    return int(text)


_Add = Callable[[MagicArgumentParser], object]
_ADDERS: dict[str, _Add] = {
    "replace": lambda p: p.add_argument(
        "-r", "--replace", action="store_true", help="Put the code into this cell instead of the next one."
    ),
    "think": lambda p: p.add_argument("--think", action="store_true", help="Let the model reason step by step."),
    "tokens": lambda p: p.add_argument(
        "--max-tokens", type=_token_limit, default=512, help="Maximum number of tokens of the answer."
    ),
    "values": lambda p: p.add_argument(
        "--values",
        action="store_true",
        help="Include the values of short plain variables in the prompt; secrets are masked.",
    ),
    "in": lambda p: p.add_argument(
        "--in", dest="cells", action="store_true", help="Include the cells that have run in the prompt."
    ),
    "out": lambda p: p.add_argument(
        "--out", dest="output", action="store_true", help="Include the last output in the prompt."
    ),
    "error": lambda p: p.add_argument("--error", action="store_true", help="Include the last error in the prompt."),
    "style": lambda p: p.add_argument(
        "--style", default="auto", help="Docstring style: google, numpy, sphinx or auto."
    ),
    "length": lambda p: p.add_argument(
        "--length",
        choices=("short", "medium", "long"),
        default="short",
        help="Length of the summary: at most 5, 12 or 25 statements.",
    ),
    "data": lambda p: p.add_argument(
        "--data", default="", help="Expression whose value is the data that the request is about."
    ),
    "choice": lambda p: p.add_argument(
        "--choice", default="", metavar="A,B,…", help="Choices that the answer is one of."
    ),
    "schema": lambda p: p.add_argument(
        "--schema", default="", help="JSON schema of the answer: a file, or an expression."
    ),
}
