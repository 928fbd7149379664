"""The subcommands of `%nano` and their options."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

FORMATS = ("code", "markdown", "text", "json")
_CONTEXT = ("values", "in", "out", "error")


@dataclass(frozen=True)
class Subcommand:
    """What `%nano` can do.

    Attributes:
        summary: of it, a line.
        usage: what stands behind its name.
        options: names of the options it takes besides `-f`.
        example: of a use.
    """

    summary: str
    usage: str
    options: tuple[str, ...]
    example: str


SUBCOMMANDS = {
    "code": Subcommand(
        "Write code for a request, into the next cell.",
        "TEXT…",
        ("replace", "think", "tokens", *_CONTEXT),
        "%%nano plot the sales of each city in df",
    ),
    "complete": Subcommand(
        "Go on from code, into the next cell.", "CODE…", ("replace", "values"), "%nano complete def fibonacci(n):"
    ),
    "explain": Subcommand(
        "Explain a function, a class, a cell or the code below; the last cell unless told otherwise.",
        "[NAME | cell In[n]]",
        (),
        "%nano explain cell In[3]",
    ),
    "doc": Subcommand(
        "Write the docstring of a live function or class; its code goes into the next cell.",
        "NAME",
        ("replace", "style"),
        "%nano doc load --style numpy",
    ),
    "fix": Subcommand(
        "Correct the code that raised the last error, into the next cell, and say why.",
        "",
        ("replace",),
        "%nano fix",
    ),
    "test": Subcommand(
        "Write a test of a live function, into the next cell.", "NAME", ("replace",), "%nano test slugify"
    ),
    "ask": Subcommand(
        "Answer a question.", "TEXT…", ("think", "tokens", *_CONTEXT), "%nano ask --think is {n} a prime number?"
    ),
    "summarize": Subcommand(
        "Summarize a text or a document; each statement says where it stands.",
        "EXPRESSION | FILE",
        ("length",),
        "%nano summarize report.pdf --length short",
    ),
    "task": Subcommand(
        "Have a value: a choice, or JSON of a schema.",
        "TEXT…",
        ("think", "tokens", "data", "choice", "schema"),
        "%nano task Which mood is this? --data review --choice good,bad",
    ),
    "model": Subcommand("Show the models, or take another one.", "[NAME]", (), "%nano model pico"),
    "status": Subcommand("Show the engine, the model and what it has cost.", "", (), "%nano status"),
    "stats": Subcommand("Show what became of suggestions in editors.", "", (), "%nano stats"),
    "help": Subcommand("Show this, or the options of a subcommand.", "[SUBCOMMAND]", (), "%nano help task"),
}


def parse(name: str, line: str) -> argparse.Namespace:
    """The options of a subcommand, and as `text` what is none.

    Raises:
        UsageError: an option is unknown or lacks its value.
    """
    try:
        words = shlex.split(line, posix=False)
    except ValueError:  # a lone quote, as in a sentence
        words = line.split()
    found: argparse.Namespace = build_parser(name).parse_intermixed_args(words)
    for option, value in vars(found).items():
        if option not in {"text", "data"} and isinstance(value, str):
            setattr(found, option, value.strip("\"'"))
    found.text = " ".join(found.text)
    return found


def build_parser(name: str) -> MagicArgumentParser:
    """The parser of a subcommand."""
    about = SUBCOMMANDS[name]
    parser = MagicArgumentParser(prog=f"nano {name}", description=about.summary, epilog=f"Example: {about.example}")
    parser.allow_abbrev = False
    parser.add_argument("text", nargs="*", metavar=about.usage or "TEXT", help="What it is about.")
    parser.add_argument("-f", "--format", choices=FORMATS, help="Show it as one of these.")
    for option in about.options:
        _ADDERS[option](parser)
    return parser


def split_subcommand(line: str) -> tuple[str, str]:
    """The subcommand that a line begins with, and the rest.

    Raises:
        UsageError: it is none.
    """
    first, _, rest = line.strip().partition(" ")
    if not first:
        return "help", ""
    if first not in SUBCOMMANDS:
        raise UsageError(
            f"There is no subcommand {first!r}. Choose one of: {', '.join(SUBCOMMANDS)}. "
            "For code on request: %nano code TEXT, or a cell with %%nano."
        )
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
        "{expression} stands for its value, as in IPython. Nothing that was written is run; names of\n"
        "yours that a request mentions are told with types and shapes, with values only on --values.\n\n"
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
