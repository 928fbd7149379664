"""The table of languages: each row's grammar and queries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tree_sitter import QueryCursor

from nano_lsp.code import languages
from nano_lsp.code.cursor_context import CursorKind
from nano_lsp.code.definition_nodes import DefinitionNodes, find_definition_nodes
from nano_lsp.code.languages import LANGUAGES, PLAIN, Language, language_of
from nano_lsp.code.lexis import Blocks
from nano_lsp.code.open_documents import OpenDocument, OpenDocuments
from nano_lsp.code.queries import FOLDER, find_matches, find_query, query_text
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.window import cut_window
from tests.code.language_samples import SAMPLES, Sample, build_document

WITH_GRAMMAR = [language for language in LANGUAGES if language.grammar_module]
KINDS = sorted({file.stem for file in FOLDER.glob("*/*.scm")})
_ENDS = {Blocks.INDENTATION: "indentation", Blocks.BRACKETS: "braces", Blocks.WORDS: "words"}
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.language)


def parse(sample: Sample) -> SyntaxTree:
    tree = SyntaxTree.parse(sample.code, language_of(sample.file_name, text=sample.code))
    assert tree is not None
    return tree


def names(tree: SyntaxTree, kind: str) -> tuple[str, ...]:
    found = (each.name for each in find_definition_nodes(tree) if each.kind == kind)
    return tuple(tree.text_of(name) for name in found if name is not None)


def test_each_language_with_a_grammar_has_a_sample() -> None:
    assert {sample.language for sample in SAMPLES} == {language.name for language in WITH_GRAMMAR}


def test_each_folder_of_queries_belongs_to_a_language() -> None:
    folders = {folder.name for folder in FOLDER.iterdir()}
    assert folders == {folder for language in LANGUAGES for folder in language.queries}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", WITH_GRAMMAR, ids=lambda language: language.name)
def test_each_query_compiles(language: Language, kind: str) -> None:
    assert language.grammar is not None
    assert (find_query(language, kind) is None) == (not query_text(language, kind))
    if kind != "documentation":  # not asked of such a text
        assert "(#" not in query_text(language, kind), "a predicate raises where a text has lone surrogates"
    assert query_text(language, "literals")
    assert query_text(language, "blocks")
    assert query_text(language, "definitions")


@each_sample
def test_a_sample_has_its_language_and_no_syntax_errors(sample: Sample) -> None:
    assert language_of(sample.file_name, text=sample.code).name == sample.language
    assert language_of("", sample.language).name == sample.language
    assert parse(sample).n_errors() == 0


@each_sample
def test_definitions_are_found_with_their_names(sample: Sample) -> None:
    tree = parse(sample)
    assert names(tree, "function") == sample.functions
    assert names(tree, "class") == sample.classes
    assert names(tree, "value") == sample.values


@each_sample
def test_comments_and_strings_are_found(sample: Sample) -> None:
    tree = parse(sample)
    nodes = [
        node
        for match in find_matches(tree, "literals")
        for name, found in match.items()
        for node in found
        if name != "code"
    ]
    texts = [tree.text_of(node) for node in sorted(nodes, key=lambda node: node.start_byte)]
    assert len(texts) == len(sample.literals), texts
    for text, expected in zip(texts, sample.literals, strict=True):
        assert text.startswith(expected)


@each_sample
def test_functions_have_a_body_within_them(sample: Sample) -> None:
    def is_within(each: DefinitionNodes) -> bool:
        parts = (each.name, each.parameters, each.result, each.body)
        return all(
            each.whole.start_byte <= part.start_byte and part.end_byte <= each.whole.end_byte
            for part in parts
            if part
        )

    found = find_definition_nodes(parse(sample))
    assert any(each.kind == "function" and each.body for each in found)
    assert all(map(is_within, found))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", WITH_GRAMMAR, ids=lambda language: language.name)
def test_no_query_is_slow(language: Language, kind: str) -> None:
    """Its work grows with the document, not faster: 64 unfinished matches are enough, however long it is."""
    query, tree = find_query(language, kind), SyntaxTree.parse(build_document(language.name, 2_000)[0], language)
    assert tree is not None
    if query is not None:
        cursor = QueryCursor(query, match_limit=64)
        cursor.matches(tree.root)
        assert not cursor.did_exceed_match_limit


def test_a_language_is_found_by_its_ids_and_by_its_file_name() -> None:
    assert language_of("a.jsx").name == "javascript"
    assert language_of("untitled", "javascriptreact").name == "javascript"
    assert language_of("a.js", "typescriptreact").name == "typescriptreact"
    assert language_of("Dockerfile").name == "dockerfile"
    assert language_of("/x/.bashrc").name == "shellscript"
    assert language_of("App.vue", "vue").name == "html"
    assert language_of("a.go", "an id that nobody knows").name == "go"
    assert language_of("a.txt", "yaml.ansible").name == "yaml"
    assert language_of("compose", "dockercompose").name == "yaml"
    assert language_of("a.cu", "cuda-cpp").comment == language_of("a.m", "objective-c").comment == "//"
    assert language_of("a.xyz", "an id that nobody knows") is PLAIN
    assert language_of("Dockerfile.dev").name == language_of("sub/Containerfile.prod").name == "dockerfile"
    assert language_of("CMakeLists.txt").name == "cmake"
    assert language_of("Makefile.am").name == "makefile"
    assert language_of("Gemfile.lock") is PLAIN
    assert language_of("a.R").name == language_of("", "R").name == "r"


@pytest.mark.parametrize(
    ("file_name", "line", "is_comment"),
    [
        ("a.xyz", "# not known", False),
        ("a.tex", r"\newcommand{\a}[1]{#1 b", False),
        ("a.tex", r"50 \% of", False),
        ("a.tex", "a  % b", True),
        ("a.hs", "f x = x -- its", True),
        ("a.hs", "{- a\nb", True),
        ("a.bat", "REM it's", True),
        ("a.bat", "set theorem = 1", False),
        ("a.scala", "val a = # b", False),
        ("a.proto", "int32 a = 1; // b", True),
        ("a.ps1", "<# a\nb", True),
        ("a.ini", "; a", True),
        ("a.R", "x <- 1 # b", True),
    ],
)
def test_comments_of_languages_without_a_grammar(file_name: str, line: str, is_comment: bool) -> None:
    cursor = OpenDocuments().update(file_name, line).cursor(len(line))
    assert (cursor.kind is CursorKind.COMMENT) == is_comment


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("#include <stdio.h>\n\nint f(void);\nstruct a { int b; };\n", "c"),
        ("", "c"),
        ("/* a class of its own */\nint class_of(int x);\n", "c"),
        ("/* This is a\n   class one of a kind,\n   using the stack.  */\nint f(void);\n", "c"),
        ("\n" * 60_000, "c"),
        ("#include <string>\n", "cpp"),
        ("namespace a {\nint f();\n}\n", "cpp"),
        ("class A {\npublic:\n  int f();\n};\n", "cpp"),
        ("template <typename T> T f(T x);\n", "cpp"),
        ("std::string f();\n", "cpp"),
    ],
)
def test_a_header_of_cpp_is_told_by_its_text(text: str, name: str) -> None:
    assert language_of("a.h", text=text).name == name
    assert language_of("a.h", "c", text).name == name
    assert language_of("a.c", text=text).name == "c"


def test_a_grammar_that_is_not_installed_leaves_the_text() -> None:
    language = Language("x", (".x",), grammar_module="tree_sitter_of_nobody", queries=("python",))
    assert language.grammar is None
    assert SyntaxTree.parse("x = 1\n", language) is None
    for function in ("language", "JSONDecoder"):  # of another package with the grammar's name
        assert languages._load_grammar("json", function) is None


def test_a_minified_line_of_two_megabytes_is_completed_as_text() -> None:
    text = "function f(a){return g(a,[1,2])}" * 65_000
    language = language_of("a.min.js", text=text)
    assert SyntaxTree.parse(text, language) is None
    document = OpenDocument("a.min.js", language)
    document.update(text)
    at = len(text) - 5  # in the brackets of the last call
    assert document.cursor(at).kind is CursorKind.EXPRESSION
    window = cut_window(text, at, 768, len, tree=document.tree)
    assert text[:at].endswith(window.prefix)
    assert 0 < len(window.prefix) < 768


@pytest.mark.parametrize("name", ["shellscript", "ruby", "lua"])
def test_the_blocks_of_a_long_line_are_counted_once_through(name: str) -> None:
    lexis = language_of("", name).lexis
    opening, closing = {"shellscript": ("if x; then", "fi"), "ruby": ("if x;", "end"), "lua": ("if x then", "end")}[
        name
    ]
    line = f"{opening} y; {closing}; " * 20_000  # seconds where each word looks back to the beginning of the line
    assert lexis.block_depth(line) == 0
    assert lexis.block_depth(f"{line}\n{opening}\n  y\n") == 1
    document = OpenDocument("a", language_of("", name))
    document.update("x" * 2_000_000 + f" {line}")
    assert document.cursor(len(document.text)).kind is CursorKind.EXPRESSION


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@each_sample
def test_each_line_end_parses_and_mixed_ones_do(sample: Sample, line_end: str) -> None:
    lines = sample.code.split("\n")
    mixed = "".join(line + ("\n" if i % 2 else line_end) for i, line in enumerate(lines))
    for text in (line_end.join(lines), mixed):
        tree = SyntaxTree.parse(text, language_of(sample.file_name))
        assert tree is not None
        assert tree.n_errors() == 0
        assert names(tree, "function") == sample.functions


def test_a_document_of_any_language_is_kept_by_its_name_and_language() -> None:
    documents = OpenDocuments()
    assert documents.update("a.h", "int f(void);\n").language.name == "c"
    assert documents.update("a.h", "class A {\npublic:\n};\n", "c").language.name == "cpp"
    assert documents.update("a.txt", "x", "an id that nobody knows").language is PLAIN


def test_neovim_starts_the_server_for_each_language() -> None:
    config = (Path(__file__).parents[2] / "editors/nvim/lua/nano/config.lua").read_text(encoding="utf-8")
    listed = re.search(r"filetypes = \{(.*?)\}", config, re.DOTALL)
    assert listed is not None
    known = [language_of("", file_type) for file_type in re.findall(r'"(\w+)"', listed[1])]
    assert PLAIN not in known
    assert {language.name for language in known} == {language.name for language in LANGUAGES} - {"plaintext"}


def test_the_documentation_has_each_language_with_its_grammar_and_suffixes() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/languages.md").read_text(encoding="utf-8")
    rows = [line for line in text.split("\n") if line.startswith("|")]
    for language in WITH_GRAMMAR:
        (row,) = (row for row in rows if f"(`{language.name}`)" in row)
        assert f"| {language.grammar_module.replace('_', '-')} |" in row
        assert all(f"`{suffix}`" in row for suffix in language.suffixes)
        assert f"| {_ENDS[language.lexis.blocks]} |" in row
        has_imports = bool(query_text(language, "imports")) or language.name == "python"
        assert row.endswith("| \N{EN DASH} |") != has_imports
