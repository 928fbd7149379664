"""Generates random docstrings in all forms of the style guides, for functions whose signature has changed since.

The guides are those of Google, numpydoc, Sphinx and epytext. The generator knows which lines are still valid.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

TYPES = (
    *("int", "str, optional", "list of int", "tuple(int, int) or (float, float)", "dict[str, list[int]]"),
    *(":obj:`str`, optional", ":math:`(N, 2)` array", ":class:`~a.B`", "{'a', 'b', None}", "Callable[[int], str]"),
    *("``int`` or None", "int, default: 3", "array-like of shape (n, m)", "'a:b' or \"c)\""),
)
ANNOTATIONS = ("", ": int", ": str = 'a, b'", ": dict[str, int] = {}", " = (1, 2)", ": 'list[int]' = None")
TEXT_SECTIONS = ("Note", "Notes", "Example", "Examples", "See Also", "References", "Todo", "Warning", "Warns", "Tip")
SENTENCES = (
    *(
        "The {} of it.",
        "It's “{}”, mostly.",
        "If ``{}`` is set: nothing.",
        "See :func:`{}`.",
        "A {}; (b [c",
        "{} - or so",
    ),
    *("[{}](http://a.b/c)", "`{}` * 2 ** 3", "e.g. {} = None", "\\{} stays", "Say \"{}\" or 'so'.", "für {}, 数 🙂"),
)


@dataclass
class Lines:
    """Lines of a docstring, which must be kept if `names` is None, else until the last of these names is removed."""

    names: tuple[str, ...] | None
    lines: list[str]


@dataclass
class Signature:
    """The signature of a function, its exceptions and its last line."""

    plain: list[str]
    keywords: list[str]
    stars: list[str]
    raises: list[str]
    last: str


@dataclass
class Case:
    """A function whose signature has changed under its docstring.

    Attributes:
        code: The function.
        source: The docstring's source in it.
        kept: Lines of the docstring's value that must be kept, in order.
        cut: Texts that must be kept although a name before them is removed.
        added: Parameters that the docstring does not describe.
        is_outdated: Whether the docstring is outdated.
        in_lines: Its lines are lines of the file.
    """

    code: str
    source: str
    kept: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    is_outdated: bool = False
    in_lines: bool = True


class Generator:
    """Generates cases from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - repeatable, no secret
        self.n_words = 0

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def word(self) -> str:
        self.n_words += 1
        return f"word{self.n_words}"

    def sentence(self) -> str:
        return self.random.choice(SENTENCES).format(self.word())

    def description(self, indent: str, first: str = "") -> list[str]:
        """A description of one or several lines; the first may follow the entry's name."""
        lines = [f"{first} {self.sentence()}" if first else indent + self.sentence()]
        for _ in range(self.random.choice((0, 0, 1, 2))):
            lines.append(indent + self.sentence())
        if self.chance(0.15):
            lines += ["", f"{indent}- {self.word()}: {self.sentence()}", f"{indent}  {self.sentence()}"]
        if self.chance(0.1):
            lines += ["", f"{indent}Args::", "", f"{indent}    {self.word()}: 1"]
        return lines

    # Entries: lines with the names that they describe

    def google(self, section: str, groups: Sequence[tuple[str, ...]]) -> list[Lines]:
        indent = self.random.choice(("    ", "    ", "  ", "        "))
        deeper = indent + self.random.choice(("    ", "  "))
        found = []
        for group in groups:
            escape = self.random.choice(("", "", "\\"))
            head = indent + ", ".join(name.replace("*", escape + "*") for name in group)
            kind = self.random.choice(TYPES)
            if self.chance(0.08):
                head, first = f"{head} (Union[int,\n{deeper}    str]):", ""
                *above, head = head.split("\n")
                lines = [*above, *self.description(deeper, head)]
            elif self.chance(0.3):
                lines = [f"{head} ({kind}):" if self.chance(0.7) else f"{head}:", *self.description(deeper)]
            else:
                first = f"{head} ({kind}):" if self.chance(0.6) else f"{head}:"
                lines = self.description(deeper, first)
            found.append(Lines(group, lines + [""] * self.chance(0.2)))
        return [Lines(None, [f"{section}:"]), *found]

    def numpy(self, section: str, groups: Sequence[tuple[str, ...]]) -> list[Lines]:
        found = []
        for group in groups:
            head = ", ".join(group)
            separator = self.random.choice((" : ", " : ", ": "))
            head += self.random.choice(("", " :", *[separator + self.random.choice(TYPES)] * 6))
            found.append(Lines(group, [head, *self.description("    "), *[""] * self.chance(0.3)]))
        return [Lines(None, [section, "-" * len(section)]), *found]

    def fields(self, mark: str, names: Sequence[str], groups: Sequence[tuple[str, ...]]) -> list[Lines]:
        found = []
        for group in groups:
            name = self.random.choice(names)
            kind = (
                self.random.choice(("", "", "int ", "dict[str, int] ", "list[int] or None ")) if mark == ":" else ""
            )
            shown = self.random.choice((", ", ",")).join(group)
            if len(group) > 1 or name not in {"param", "parameter", "arg"}:
                kind = ""
            lines = self.description("    ", f"{mark}{name} {kind}{shown}:")
            found.append(Lines(group, lines))
            if len(group) == 1 and name == "param" and self.chance(0.3):
                found.append(Lines(group, [f"{mark}type {group[0].lstrip('*')}: {self.random.choice(TYPES)}"]))
        return found

    def result(self, style: str, names: Sequence[str]) -> list[Lines]:
        name = self.random.choice(names)
        if style == "google":
            if self.chance(0.1):
                return [Lines(None, [f"{name}: {self.sentence()}"])]
            return [Lines(None, [f"{name}:", *self.description("    ", "    int:" * self.chance(0.5))])]
        if style == "numpy":
            heads = self.random.choice((["int"], ["a : int"], ["a", "b : str"], [":class:`a.B`"]))
            body = [line for head in heads for line in (head, *self.description("    "))]
            return [Lines(None, [name, "-" * len(name), *body])]
        mark = ":" if style == "sphinx" else "@"
        lines = self.description("    ", f"{mark}{name.lower()}:")
        return [Lines(None, lines), *[Lines(None, [f"{mark}rtype: int"])] * self.chance(0.4)]

    def text_section(self, style: str) -> list[Lines]:
        title = self.random.choice(TEXT_SECTIONS)
        body = [self.sentence(), *[f">>> {self.word()}(x=1)", "Args:"] * self.chance(0.3), *self.description("")]
        if style == "google":
            return [Lines(None, [f"{title}:", *[f"    {line}".rstrip() for line in body]])]
        if style == "numpy":
            return [Lines(None, [title, "-" * len(title), *body])]
        mark = ":" if style == "sphinx" else "@"
        return [Lines(None, [f"{mark}{self.random.choice(('meta', 'note', 'see'))}: {self.sentence()}"])]

    def groups(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        found, rest = [], list(names)
        while rest:
            n = 2 if len(rest) > 1 and self.chance(0.2) else 1
            found.append(tuple(rest[:n]))
            rest = rest[n:]
        return found

    def case(self, style: str) -> Case:
        """A function with a docstring in a style."""
        source = self.random
        plain = [f"p{i}" for i in range(source.randint(1, 4))]
        keywords = [f"k{i}" for i in range(source.choice((0, 0, 1, 2)))]
        stars = ["*args", "**kwargs"] if self.chance(0.25) else []
        returns, yields = source.choice(((True, False), (False, False), (False, True)))
        raises = source.sample(["ValueError", "KeyError", "a.Error"], source.choice((0, 0, 1, 2)))
        form: Callable[[str, Sequence[tuple[str, ...]]], list[Lines]]
        form = self.google if style == "google" else self.numpy
        mark = ":" if style == "sphinx" else "@"
        blocks: list[list[Lines]] = []
        documented = [*plain, *stars]
        apart = bool(keywords) and self.chance(0.6)
        documented = documented if apart else [*plain, *keywords, *stars]
        if style in {"google", "numpy"}:
            title = source.choice(("Args", "Arguments", "Parameters")) if style == "google" else "Parameters"
            blocks.append(form(title, self.groups(documented)))
            other = (
                ("Keyword Args", "Keyword Arguments", "Other Parameters")
                if style == "google"
                else ("Other Parameters",)
            )
            blocks += [form(source.choice(other), self.groups(keywords))] * apart
        else:
            names = ("param", "param", "arg", "parameter") if mark == ":" else ("param",)
            blocks.append(self.fields(mark, names, self.groups(documented)))
            blocks += [self.fields(mark, ("keyword", "kwarg"), self.groups(keywords))] * apart
        if returns or (yields and self.chance(0.3)):
            blocks.append(self.result(style, ("Returns", "Return")))
        elif yields:
            blocks.append(self.result(style, ("Yields", "Yield")))
        said = [*raises, *source.sample(["OSError", "b.Other", "TypeError"], source.choice((0, 1)))]
        if said:
            groups = [(name,) for name in said]
            if style in {"google", "numpy"}:
                found = form("Raises", groups)
            else:
                found = self.fields(mark, ("raises", "raise", "except"), groups)
            blocks.append([Lines(None, each.lines) for each in found])
        for _ in range(source.choice((0, 0, 1, 2))):
            blocks.insert(source.randint(0, len(blocks)), self.text_section(style))
        last = "return 1" if returns else "yield 1" if yields else "print('x')"
        return self.with_change(style, blocks, Signature(plain, keywords, stars, raises, last))

    def with_change(self, style: str, blocks: list[list[Lines]], now: Signature) -> Case:
        """The function with its docstring, after its signature has changed."""
        source = self.random
        change = source.choice(("nothing", "add", "add", "remove", "rename", "raise"))
        gone: list[str] = []
        added: list[str] = []
        if change in {"remove", "rename"}:
            name = source.choice([*now.plain, *now.keywords])
            chosen = now.plain if name in now.plain else now.keywords
            at = chosen.index(name)
            gone = [name]
            chosen[at : at + 1] = ["new"] if change == "rename" else []
            added = ["new"] if change == "rename" else []
        if change == "add":
            chosen = now.keywords if now.keywords and self.chance(0.3) else now.plain
            chosen.insert(source.randint(0, len(chosen)), "new")
            added = ["new"]
        extra = ["RuntimeError"] if change == "raise" else []
        now.raises += extra
        kept: list[str] = []
        cut: list[str] = []
        lines = self.summary(style)
        kept += [line for line in lines if line.strip()]
        if style in {"google", "numpy"} or self.chance(0.5):
            lines.append("")
        for block in blocks:
            for each in block:
                left = [name for name in each.names or ("",) if name not in gone]
                if each.names is None or now.stars or len(left) == len(each.names):
                    kept += each.lines
                elif left:
                    cut += each.lines[0].split(":", 1)[1:] if style != "sphinx" else []
                    kept += each.lines[1:]
                lines += each.lines
            if style in {"google", "numpy"} or self.chance(0.2):
                lines.append("")
        while not lines[-1]:
            lines.pop()
        kept = self.without_empty_heads(blocks, kept, [] if now.stars else gone)
        outdated = bool(added or (gone and not now.stars) or (extra and self.has_raises(blocks)))
        case = Case("", "", [line for line in kept if line.strip()], cut, added, outdated)
        self.write_function(case, lines, now)
        return case

    def has_raises(self, blocks: list[list[Lines]]) -> bool:
        return any(
            "aise" in line or "except" in line for block in blocks for each in block for line in each.lines[:1]
        )

    def without_empty_heads(self, blocks: list[list[Lines]], kept: list[str], gone: list[str]) -> list[str]:
        """Sections without remaining entries are removed with their title."""
        for block in blocks:
            named = [each.names for each in block if each.names]
            if named and block[0].names is None and all(set(names) <= set(gone) for names in named):
                kept = [line for line in kept if line not in block[0].lines]
        return kept

    def summary(self, style: str) -> list[str]:
        lines = [self.random.choice(("Do {}.", "Compute the {} of it", 'Say "{}".')).format(self.word())]
        for _ in range(self.random.choice((0, 0, 1, 2))):
            lines += ["", *self.description("")[:2]]
        if self.chance(0.1):
            lines += ["", f"{self.word()}::", "", "    Args:", f"        {self.word()}: 1", "", self.sentence()]
        if self.chance(0.1):
            lines += ["", ">>> f(1)", self.word()]
        return [*lines, ""]

    def write_function(self, case: Case, lines: list[str], now: Signature) -> None:
        """Set the code of a case, with these lines as the docstring."""
        source = self.random
        parameters = [name + source.choice(ANNOTATIONS) for name in now.plain]
        defaults = [each if "=" in each else f"{each} = 0" for each in parameters]
        first = next((i for i, each in enumerate(parameters) if "=" in each), len(parameters))
        parameters[first:] = defaults[first:]
        parameters += now.stars[:1] or ["*"] * bool(now.keywords)
        parameters += [name + source.choice(ANNOTATIONS) for name in now.keywords] + now.stars[1:]
        is_method = self.chance(0.3)
        tab = "\t" if self.chance(0.15) else "    "
        indent = tab * (1 + is_method)
        body = [*(f"if p: raise {name}({name!r})" for name in now.raises), now.last]
        literal, case.in_lines = self.literal(lines, indent)
        code = f"{tab * is_method}def f({'self, ' * is_method}{', '.join(parameters)}):\n{indent}{literal}\n"
        code += "".join(f"{indent}{line}\n" for line in body)
        code = ("class A:\n" if is_method else "") + code
        crlf = self.chance(0.1)
        case.code, case.source = (each.replace("\n", "\r\n") if crlf else each for each in (code, literal))

    def literal(self, lines: list[str], indent: str) -> tuple[str, bool]:
        """A literal with these lines, and whether they are lines of the file."""
        kind = self.random.choice(
            ("plain",) * 6 + ("below", "continued", "raw", "closed", "parts", "escaped", "parenthesized")
        )
        quote = self.random.choice(('"""', '"""', "'''"))
        escaped = [line.replace("\\", "\\\\") for line in lines]
        if kind in {"parts", "escaped"}:
            pieces = [f"{line}\n".replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') for line in lines]
            if kind == "escaped":
                return '"' + "".join(pieces)[:-2] + '"', False
            return "(" + f"\n{indent} ".join(f'"{piece}"' for piece in pieces) + ")", False
        if kind == "raw":
            escaped = lines
        shown = [(indent + line).rstrip() if i else line for i, line in enumerate(escaped)]
        start, end = "", f"\n{indent}"
        if kind == "below":
            start = f"\n{indent}"
        if kind == "continued":
            start = f"\\\n{indent}"
        if kind == "closed" and shown[-1][-1] not in "\"'\\":
            end = ""
        prefix = "r" if kind == "raw" else self.random.choice(("", "", "", "u"))
        whole = prefix + quote + start + "\n".join(shown) + end + quote
        return (f"({whole})" if kind == "parenthesized" else whole), True
