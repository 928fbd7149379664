"""The conventions of documentation comments: JSDoc, TSDoc, Go, Rustdoc, Javadoc, Doxygen, XML comments, YARD, LDoc.

A row says how a comment is enclosed, how its entries begin, and how those of an existing comment are recognized.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nano_lsp.docstrings.layout import Topic

_TYPE = Topic.TYPE_PARAMETERS
_PARAMETER, _RETURNS, _YIELDS, _RAISES = Topic.PARAMETERS, Topic.RETURNS, Topic.YIELDS, Topic.RAISES
_PANICS, _SAFETY = Topic.PANICS, Topic.SAFETY


@dataclass(frozen=True)
class Enclosure:
    """What encloses a comment and begins each of its lines."""

    opening: str
    line: str
    closing: str = ""


@dataclass(frozen=True)
class CommentForm:
    """A convention.

    Attributes:
        title: Its name.
        enclosures: What encloses a comment; the first one where a file has none.
        labels: The beginning of each kind of entry that the convention has, with `{name}`.
        entry: Expression for the beginning of an entry or section, with groups `tag` and `rest`.
        topics: Topics of tags and titles, in lower case; all others only end the entry before them.
        name: Expression for the names in an entry's `rest`.
        error: Expression for the exceptions in it; None for the same.
        item: Expression for an item of a section's list, with a group `name`; None without sections.
        closing: What ends an entry.
        summary: The lines before and after the summary, and its beginning with `{name}`.
        headings: The lines above the first entry of a topic.
        is_spaced: Whether a blank line separates the text from the entries.
        joined: Topics whose entries follow each other without a blank line.
        hanging: Indentation of the second and later lines of an entry.
        mentions: Expressions for text that describes a topic without an entry, from its beginning.
        names_in_text: Expression for a parameter that the text mentions, with `{name}`; empty if each needs an entry.
        before_directive: A line between the comment and a comment for a tool.
        escaped: Whether `&`, `<` and `>` are escaped.
        marks: The characters that a tag may begin with.
    """

    title: str
    enclosures: tuple[Enclosure, ...]
    labels: Mapping[Topic, str]
    entry: re.Pattern[str]
    topics: Mapping[str, Topic]
    name: re.Pattern[str]
    error: re.Pattern[str] | None = None
    item: re.Pattern[str] | None = None
    closing: Mapping[Topic, str] = field(default_factory=dict)
    summary: tuple[tuple[str, ...], str, tuple[str, ...]] = ((), "", ())
    headings: Mapping[Topic, tuple[str, ...]] = field(default_factory=dict)
    is_spaced: bool = True
    joined: frozenset[Topic] = frozenset(Topic)
    hanging: str = "  "
    mentions: Mapping[Topic, re.Pattern[str]] = field(default_factory=dict)
    names_in_text: str = ""
    before_directive: str = ""
    escaped: bool = False
    marks: str = "@"


_BLOCK = Enclosure("/**", " * ", " */")
_TAG = re.compile(r"\s*(?P<mark>@)(?P<tag>[A-Za-z]\w*)(?P<rest>.*)")
_RETURN_TAGS = {"return": _RETURNS, "returns": _RETURNS}
_THROW_TAGS = {"throws": _RAISES, "throw": _RAISES, "exception": _RAISES}
_RETURN_MENTION = re.compile(r"\s*(?:Returns?|Yields?)\b|.*\{@return\b", re.DOTALL)

_JSDOC = CommentForm(
    "JSDoc",
    (_BLOCK,),
    {_PARAMETER: "@param {name} -", _RETURNS: "@returns", _YIELDS: "@yields", _RAISES: "@throws {{{name}}}"},
    _TAG,
    {
        **dict.fromkeys(("param", "arg", "argument"), _PARAMETER),
        **dict.fromkeys(("template", "typeparam"), _TYPE),
        **dict.fromkeys(("yields", "yield"), _YIELDS),
        **_RETURN_TAGS,
        **_THROW_TAGS,
    },
    re.compile(r"\s*(?:\{(?:[^{}]|\{[^{}]*\})*\}\s*)?\[?\s*(?P<name>[\w$.]+)"),
    re.compile(r"\s*\{?\s*(?:@link\s+)?(?P<name>[\w$.:]+)"),
    mentions={_RETURNS: _RETURN_MENTION},
)
_TSDOC = CommentForm(
    "TSDoc",
    (_BLOCK,),
    {
        _TYPE: "@typeParam {name} -",
        _PARAMETER: "@param {name} -",
        _RETURNS: "@returns",
        _YIELDS: "@yields",
        _RAISES: "@throws {{@link {name}}}",
    },
    _JSDOC.entry,
    _JSDOC.topics,
    _JSDOC.name,
    _JSDOC.error,
    mentions=_JSDOC.mentions,
)
_JAVADOC = CommentForm(
    "Javadoc",
    (_BLOCK,),
    {_TYPE: "@param <{name}>", _PARAMETER: "@param {name}", _RETURNS: "@return", _RAISES: "@throws {name}"},
    _TAG,
    {"param": _PARAMETER, **_RETURN_TAGS, **_THROW_TAGS},
    re.compile(r"\s+(?P<name><\s*\w+\s*>|[\w$.]+)"),
    mentions={_RETURNS: _RETURN_MENTION},
    escaped=True,
)
_DOXYGEN = CommentForm(
    "Doxygen",
    (_BLOCK, Enclosure("/*!", " * ", " */"), Enclosure("///", "/// "), Enclosure("//!", "//! ")),
    {_TYPE: "@tparam {name}", _PARAMETER: "@param {name}", _RETURNS: "@return", _RAISES: "@throws {name}"},
    re.compile(r"\s*(?P<mark>[@\\])(?P<tag>[A-Za-z]\w*)(?P<rest>.*)"),
    {
        "param": _PARAMETER,
        "tparam": _TYPE,
        **dict.fromkeys(("result", "retval"), _RETURNS),
        **_RETURN_TAGS,
        **_THROW_TAGS,
    },
    re.compile(r"\s*(?:\[[^\]]*\])?\s+(?P<name>\.{3}|[\w:]+(?:\s*,\s*\w+)*)"),
    summary=((), "@brief", ()),
    marks="@\\",
    mentions={_RETURNS: re.compile(r"\s*(?:[@\\]brief\s+)?Returns?\b")},
)
_XML_TAGS = (
    *("summary", "remarks", "value", "example", "param", "typeparam", "returns", "exception", "seealso"),
    *("permission", "inheritdoc", "include"),
)
_XML = CommentForm(
    "XML comments",
    (Enclosure("///", "/// "),),
    {
        _TYPE: '<typeparam name="{name}">',
        _PARAMETER: '<param name="{name}">',
        _RETURNS: "<returns>",
        _RAISES: '<exception cref="{name}">',
    },
    re.compile(rf"\s*<(?P<tag>{'|'.join(_XML_TAGS)})\b(?P<rest>[^>]*)"),
    {"typeparam": _TYPE, "param": _PARAMETER, "returns": _RETURNS, "exception": _RAISES},
    re.compile(r"\s*(?:name|cref)\s*=\s*[\"'](?:T:)?(?P<name>[^\"'{(]*)"),
    closing={_TYPE: "</typeparam>", _PARAMETER: "</param>", _RETURNS: "</returns>", _RAISES: "</exception>"},
    summary=(("<summary>",), "", ("</summary>",)),
    is_spaced=False,
    hanging="",
    escaped=True,
)
_RUSTDOC = CommentForm(
    "Rustdoc",
    (Enclosure("///", "/// "), _BLOCK),
    {_PARAMETER: "* `{name}` -", _RETURNS: "", _RAISES: "", _PANICS: "", _SAFETY: ""},
    re.compile(r"\s*#{1,6}\s+(?P<tag>[A-Za-z][\w ]*?)(?P<rest>)\s*:?\s*$"),
    {
        **dict.fromkeys(("arguments", "argument", "parameters", "params", "args"), _PARAMETER),
        **dict.fromkeys(("returns", "return", "return value"), _RETURNS),
        **dict.fromkeys(("errors", "error"), _RAISES),
        **dict.fromkeys(("panics", "panic"), _PANICS),
        "safety": _SAFETY,
    },
    re.compile(r"(?P<name>(?!))"),
    item=re.compile(r"\s*(?:[*+-]|\d+\.)\s+[*_]*`?(?P<name>(?<=`)[^`]+|[^`*:,\s]+)"),
    headings={
        _PARAMETER: ("# Arguments", ""),
        _RETURNS: ("# Returns", ""),
        _RAISES: ("# Errors", ""),
        _PANICS: ("# Panics", ""),
        _SAFETY: ("# Safety", ""),
    },
    joined=frozenset(),
    mentions={
        _RETURNS: re.compile(r"(?is).*(?:\breturns?\b|\byields?\b)"),
        _RAISES: re.compile(r"(?is).*(?:\berrors?\b|\bfails?\b|`err\b)"),
        _PANICS: re.compile(r"(?is).*\bpanics?\b"),
        _SAFETY: re.compile(r"(?is).*(?:\b(?:un)?safe(?:ty)?\b|\bundefined behaviou?r\b)"),
    },
    names_in_text=r"`[^`]*\b{name}\b[^`]*`",
)
_GO = CommentForm(
    "Go",
    (Enclosure("//", "// "),),
    {_PARAMETER: "  - {name}:", _RETURNS: "It returns", _RAISES: "It returns an error if", _PANICS: "It panics if"},
    re.compile(
        r"\s*#?\s*(?P<tag>Parameters|Params|Arguments|Args|Example|Usage|Deprecated(?=:))(?P<rest>)"
        r"(?:(?<=Deprecated):.*|:?\s*)$"
    ),
    dict.fromkeys(("parameters", "params", "arguments", "args"), _PARAMETER),
    re.compile(r"(?P<name>(?!))"),
    item=re.compile(r"\s*[*-]\s+`?(?P<name>\w+)"),
    summary=((), "{name}", ()),
    headings={_PARAMETER: ("Parameters:",)},
    joined=frozenset({_RETURNS, _RAISES, _PANICS}),
    mentions={
        _RETURNS: re.compile(r"(?is).*(?:\breturn(?:s|ed|ing)?\b|\breports? whether\b|\byields?\b|\bis the\b)"),
        _RAISES: re.compile(r"(?is).*(?:\berr(?:or)?s?\b|\bfail(?:s|ed|ure)?\b)"),
        _PANICS: re.compile(r"(?is).*\bpanics?\b"),
    },
    names_in_text=r"(?!\ba\b)\b{name}\b",
    before_directive="//",
)
_YARD = CommentForm(
    "YARD",
    (Enclosure("#", "# "),),
    {_PARAMETER: "@param {name}", _RETURNS: "@return", _YIELDS: "@yield", _RAISES: "@raise [{name}]"},
    _TAG,
    {
        "param": _PARAMETER,
        "return": _RETURNS,
        **dict.fromkeys(("yield", "yieldparam", "yieldreturn"), _YIELDS),
        "raise": _RAISES,
    },
    re.compile(r"\s*(?:\[[^\]]*\]\s*)?[*&]*(?P<name>\w+)"),
    re.compile(r"\s*\[(?P<name>[^\]]*)\]"),
    mentions={_RETURNS: _RETURN_MENTION},
)
_LDOC_TYPES = ("string", "number", "int", "bool", "func", "tab", "thread")
_LDOC = CommentForm(
    "LDoc",
    (Enclosure("---", "--- "),),
    {_PARAMETER: "@param {name}", _RETURNS: "@return", _RAISES: "@raise"},
    re.compile(r"\s*(?P<mark>@)(?P<tag>[A-Za-z]\w*)(?:(?<=@tparam)(?:\[[^\]]*\])?\s+\S+(?=\s))?(?P<rest>.*)"),
    {
        **dict.fromkeys(("param", "tparam", *_LDOC_TYPES), _PARAMETER),
        **dict.fromkeys(("return", "treturn"), _RETURNS),
        **dict.fromkeys(("raise", "error"), _RAISES),
    },
    re.compile(r"(?:\[[^\]]*\])?\s+(?P<name>\.{3}|[\w.]+)"),
    is_spaced=False,
    mentions={_RETURNS: _RETURN_MENTION},
    names_in_text=r"(?m:^\s*@\w+(?:\[[^\]]*\])?\s+{name}\b)",  # tags that a project defines
)
_FORMS = {
    "javascript": _JSDOC,
    **dict.fromkeys(("typescript", "typescriptreact"), _TSDOC),
    "go": _GO,
    "rust": _RUSTDOC,
    "java": _JAVADOC,
    **dict.fromkeys(("c", "cpp"), _DOXYGEN),
    "csharp": _XML,
    "ruby": _YARD,
    "lua": _LDOC,
}


def form_of(language: str) -> CommentForm | None:
    """The convention of a language; None for one without, such as Bash, and for Python, which has docstrings."""
    return _FORMS.get(language)
