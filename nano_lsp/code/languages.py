"""Table of the supported languages: a row, a grammar and a few queries each (docs/reference/languages.md).

A language without a tree-sitter grammar is completed by text and indentation alone, and so is one whose grammar is
not installed.
"""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from pathlib import PurePath

from tree_sitter import Language as Grammar

from nano_lsp.code.lexis import C_LIKE, HASH, Blocks, BlockWords, Lexis, Quote

_GRAMMAR_ERRORS = (ImportError, AttributeError, OSError, TypeError, ValueError)
"""Not installed, another package of that name, a library that cannot be loaded, a grammar for another tree-sitter."""


@dataclass(frozen=True, eq=False)
class Language:
    """A programming language: a row of the table, equal only to itself.

    Attributes:
        name: LSP language id (`languageId`).
        suffixes: File name suffixes.
        lexis: Comments, strings and blocks, for text that has no syntax tree.
        aliases: Other language ids that editors use.
        file_names: Whole names of files without a telling suffix, in lower case; one that ends with a dot stands for
            those with any suffix.
        grammar_module: Package with the tree-sitter grammar; empty if there is none.
        grammar_function: Function of that package that returns the grammar.
        queries: Folders of `queries/` whose files make up the language's queries, in order.
        imports: Expression for the beginning of an import.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    lexis: Lexis = HASH
    aliases: tuple[str, ...] = ()
    file_names: tuple[str, ...] = ()
    grammar_module: str = ""
    grammar_function: str = "language"
    queries: tuple[str, ...] = ()
    imports: str = r"(?:from|import)\s"

    @property
    def comment(self) -> str:
        """Start of a comment up to the end of the line, else that of a block comment; `#` where there is none."""
        return next(iter((*self.lexis.line_comments, *(opening for opening, _ in self.lexis.block_comments))), "#")

    @property
    def grammar(self) -> Grammar | None:
        """The tree-sitter grammar, loaded at first use; None if there is none, or if it is not installed."""
        return _load_grammar(self.grammar_module, self.grammar_function) if self.grammar_module else None

    @property
    def lacks_grammar(self) -> bool:
        """Whether its grammar is not installed, or cannot be loaded."""
        return bool(self.grammar_module) and self.grammar is None


_SHELL_QUOTES = (Quote('"', multi_line=True), Quote("'", escape="", multi_line=True))
_SCRIPT = Lexis(("//",), (("/*", "*/"),), (Quote("`", multi_line=True), Quote('"'), Quote("'")), Blocks.BRACKETS)

_RUBY_WORDS = BlockWords(
    openers=frozenset({"do"}),
    starters=frozenset({"if", "unless", "while", "until", "for", "case", "begin", "def", "class", "module"}),
    closers=frozenset({"end"}),
    middles=frozenset({"else", "elsif", "when", "in", "rescue", "ensure"}),
    loops=frozenset({"while", "until", "for"}),
)
_SHELL_WORDS = BlockWords(
    starters=frozenset({"if", "do", "case"}),
    closers=frozenset({"fi", "done", "esac"}),
    middles=frozenset({"then", "else", "elif"}),
)
_LUA_WORDS = BlockWords(
    openers=frozenset({"if", "do", "function", "repeat"}),
    closers=frozenset({"end", "until"}),
    middles=frozenset({"else", "elseif"}),
)

_HASH_AND_BRACES = Lexis(blocks=Blocks.BRACKETS)
_BATCH = ("::", "rem ", "REM ", "@rem ", "@REM ")
PLAIN = Language("plaintext", (".txt",), Lexis((), quotes=()))
PYTHON = Language(
    "python",
    (".py", ".pyi", ".pyw"),
    Lexis(("#",), (), (Quote('"""', multi_line=True), Quote("'''", multi_line=True), Quote('"'), Quote("'"))),
    grammar_module="tree_sitter_python",
    queries=("python",),
)
JAVASCRIPT = Language(
    "javascript",
    (".js", ".mjs", ".cjs", ".jsx"),
    _SCRIPT,
    ("javascriptreact", "jsx"),
    grammar_module="tree_sitter_javascript",
    queries=("ecmascript", "javascript", "jsx"),
)
TYPESCRIPT = Language(
    "typescript",
    (".ts", ".mts", ".cts"),
    _SCRIPT,
    grammar_module="tree_sitter_typescript",
    grammar_function="language_typescript",
    queries=("ecmascript", "typescript"),
)
TSX = Language(
    "typescriptreact",
    (".tsx",),
    _SCRIPT,
    ("tsx",),
    grammar_module="tree_sitter_typescript",
    grammar_function="language_tsx",
    queries=("ecmascript", "typescript", "jsx"),
)
C = Language("c", (".c", ".h"), C_LIKE, grammar_module="tree_sitter_c", queries=("c",), imports=r"#\s*include\b")
CPP = Language(
    "cpp",
    (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".ipp", ".inl"),
    C_LIKE,
    ("c++",),
    grammar_module="tree_sitter_cpp",
    queries=("c", "cpp"),
    imports=r"#\s*include\b|(?:import|using)\s",
)
HTML = Language(
    "html",
    (".html", ".htm", ".xhtml", ".vue", ".svelte", ".svg", ".xml"),
    Lexis((), (("<!--", "-->"),), (Quote('"'),), Blocks.INDENTATION),
    ("vue", "svelte", "xml", "xhtml", "svg"),
)
LANGUAGES = (
    PYTHON,
    JAVASCRIPT,
    TYPESCRIPT,
    TSX,
    C,
    CPP,
    Language(
        "csharp",
        (".cs", ".csx"),
        Lexis(
            ("//",),
            (("/*", "*/"),),
            (Quote('"""', "", True), Quote('"')),
            Blocks.BRACKETS,
            character=r"'(?:\\.|[^\\'\n])'",
        ),
        ("cs", "c-sharp", "c#"),
        grammar_module="tree_sitter_c_sharp",
        queries=("csharp",),
        imports=r"(?:global\s+)?using\s",
    ),
    Language(
        "go",
        (".go",),
        Lexis(("//",), (("/*", "*/"),), (Quote("`", "", True), Quote('"'), Quote("'")), Blocks.BRACKETS),
        grammar_module="tree_sitter_go",
        queries=("go",),
    ),
    Language(
        "java",
        (".java",),
        Lexis(("//",), (("/*", "*/"),), (Quote('"""', multi_line=True), Quote('"'), Quote("'")), Blocks.BRACKETS),
        grammar_module="tree_sitter_java",
        queries=("java",),
    ),
    Language(
        "rust",
        (".rs",),
        # A lone quote begins a lifetime.
        Lexis(
            ("//",),
            (("/*", "*/"),),
            (Quote('"', multi_line=True),),
            Blocks.BRACKETS,
            character=r"'(?:\\[^\n]+?|[^\\'\n])'",
        ),
        grammar_module="tree_sitter_rust",
        queries=("rust",),
        imports=r"(?:pub(?:\([^)]*\))?\s+)?(?:use|mod)\s",
    ),
    Language(
        "ruby",
        (".rb", ".rake", ".gemspec"),
        Lexis(("#",), (("=begin", "=end"),), (Quote('"'), Quote("'")), Blocks.WORDS, _RUBY_WORDS),
        file_names=("rakefile", "gemfile"),
        grammar_module="tree_sitter_ruby",
        queries=("ruby",),
        imports=r"(?:require|require_relative|load)\b",
    ),
    Language(
        "shellscript",
        (".sh", ".bash", ".zsh"),
        Lexis(("#",), (), _SHELL_QUOTES, Blocks.WORDS, _SHELL_WORDS, comment_at_word=True),
        ("bash", "sh", "zsh"),
        (".bashrc", ".profile", ".bash_profile", ".zshrc"),
        grammar_module="tree_sitter_bash",
        queries=("bash",),
        imports=r"(?:source|\.)\s",
    ),
    Language(
        "lua",
        (".lua",),
        Lexis(
            ("--",),
            (("--[[", "]]"),),
            (Quote("[[", "", True, "]]"), Quote('"'), Quote("'")),
            Blocks.WORDS,
            _LUA_WORDS,
        ),
        grammar_module="tree_sitter_lua",
        queries=("lua",),
        imports=r"(?:local\s+\w+\s*=\s*)?require\b",
    ),
    Language("kotlin", (".kt", ".kts"), C_LIKE),
    Language("swift", (".swift",), C_LIKE),
    Language("objective-c", (".m", ".mm"), C_LIKE, ("objective-cpp", "objc", "objcpp"), imports=r"[#@]\s*import\b"),
    Language("cuda-cpp", (".cu", ".cuh"), C_LIKE, ("cuda",), imports=r"#\s*include\b"),
    Language(
        "php",
        (".php",),
        Lexis(("//", "#"), (("/*", "*/"),), blocks=Blocks.BRACKETS),
        imports=r"(?:use|require|include)\b",
    ),
    Language("scala", (".scala", ".sc"), C_LIKE),
    Language("dart", (".dart",), C_LIKE),
    Language("groovy", (".groovy", ".gradle"), C_LIKE),
    Language("proto3", (".proto",), C_LIKE, ("proto", "protobuf")),
    Language("perl", (".pl", ".pm"), _HASH_AND_BRACES, imports=r"(?:use|require)\s"),
    Language("r", (".r",), _HASH_AND_BRACES, imports=r"(?:library|require|source)\b"),
    Language(
        "powershell",
        (".ps1", ".psm1"),
        Lexis(("#",), (("<#", "#>"),), blocks=Blocks.BRACKETS),
        ("ps1",),
        imports=r"using\s",
    ),
    Language(
        "bat", (".bat", ".cmd"), Lexis(_BATCH, quotes=(Quote('"'),), comment_at_word=True), ("dosbatch", "batch")
    ),
    Language("elixir", (".ex", ".exs"), imports=r"(?:import|alias|require|use)\s"),
    Language("julia", (".jl",), imports=r"(?:import|using)\s"),
    Language("haskell", (".hs",), Lexis(("--",), (("{-", "-}"),), (Quote('"'),))),
    Language("latex", (".tex", ".sty", ".cls"), Lexis(("%",), quotes=(), comment_at_word=True), ("tex", "plaintex")),
    Language("makefile", (".mk",), aliases=("make",), file_names=("makefile", "makefile.", "gnumakefile")),
    Language("cmake", (".cmake",), file_names=("cmakelists.txt",)),
    Language(
        "ini", (".ini", ".cfg", ".properties"), Lexis(("#", ";"), quotes=()), ("properties", "dosini", "jproperties")
    ),
    Language("json", (".json", ".jsonc", ".json5"), C_LIKE, ("jsonc", "json5")),
    Language(
        "yaml",
        (".yaml", ".yml"),
        Lexis(("#",), (), _SHELL_QUOTES, comment_at_word=True),
        ("dockercompose", "docker-compose", "github-actions-workflow"),
    ),
    Language("toml", (".toml",), Lexis(("#",), (), (Quote('"""', multi_line=True), *_SHELL_QUOTES))),
    HTML,
    Language(
        "css",
        (".css", ".scss", ".less"),
        Lexis((), (("/*", "*/"),), (Quote('"'), Quote("'")), Blocks.BRACKETS),
        ("scss", "less"),
    ),
    Language(
        "sql",
        (".sql",),
        Lexis(("--",), (("/*", "*/"),), (Quote("'", "", True), Quote('"', "", True))),
        ("mysql", "postgres", "plsql", "tsql"),
    ),
    Language("markdown", (".md", ".markdown"), Lexis((), (("<!--", "-->"),), ())),
    Language(
        "dockerfile",
        (".dockerfile",),
        Lexis(("#",), (), _SHELL_QUOTES),
        file_names=("dockerfile", "dockerfile.", "containerfile", "containerfile."),
    ),
    PLAIN,
)
_HEADER_CHARS = 1 << 16  # that tell the headers of C++ from those of C: 3 ms a key
_BLOCK_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_CPP_IN_HEADER = re.compile(
    r"^[ \t]*(?:class\s+\w+[^;]*$|namespace\s+[\w:]*\s*\{?\s*$|template\s*<|using\s+[\w:]+"
    r"|(?:public|private|protected)\s*:|#\s*include\s*<[a-z_]+>)|\bstd::|\b(?:constexpr|nullptr|noexcept|decltype)\b",
    re.MULTILINE,
)


def language_of(file_name: str, language_id: str = "", text: str = "") -> Language:
    """Return the language of a document: by its LSP language id, else by the file name, else plain text.

    Args:
        file_name: Name of the file; empty for none.
        language_id: Language id of the editor; empty for none. One that is not known counts as none.
        text: Text of the document, which tells the headers of C++ from those of C.
    """
    path, wanted = PurePath(file_name), language_id.lower()
    suffix, name = path.suffix.lower(), path.name.lower()
    found = (
        _by_id().get(wanted)
        or _by_id().get(wanted.partition(".")[0])
        or _by_suffix().get(name)
        or _by_suffix().get(suffix)
        or _by_suffix().get(f"{name.partition('.')[0]}.")
        or PLAIN
    )
    if found is C and suffix == ".h" and _is_cpp(text):
        return CPP
    return found


def _is_cpp(header: str) -> bool:
    """Whether the text of a header is C++, by the code at its beginning: comments may begin lines with any word."""
    return _CPP_IN_HEADER.search(_BLOCK_COMMENT.sub("", header[:_HEADER_CHARS])) is not None


def is_stub(file_name: str) -> bool:
    """Whether a file is a type stub of another module; docstrings belong in that module."""
    return PurePath(file_name).suffix.lower() == ".pyi"


@functools.cache
def _by_id() -> dict[str, Language]:
    return {name: language for language in LANGUAGES for name in (language.name, *language.aliases)}


@functools.cache
def _by_suffix() -> dict[str, Language]:
    return {name: language for language in LANGUAGES for name in (*language.suffixes, *language.file_names)}


@functools.cache
def _load_grammar(module: str, function: str) -> Grammar | None:
    try:
        return Grammar(getattr(importlib.import_module(module), function)())
    except _GRAMMAR_ERRORS:
        return None
