"""Documentation comments with scripted answers: what they list, where they stand, and that all else is unchanged."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.code.definitions import Definition, find_definitions
from nano_lsp.code.document import apply_edits
from nano_lsp.code.languages import LANGUAGES
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.docstrings import Docstring, DocstringWriter, WriteDocstrings, is_outdated
from nano_lsp.docstrings.comments.forms import form_of
from nano_lsp.errors import DocumentError
from tests.scripted_answers import run

WORDS = "what is meant"


def parse(language: str, code: str) -> SyntaxTree:
    tree = SyntaxTree.parse(code, next(each for each in LANGUAGES if each.name == language))
    assert tree is not None
    return tree


async def write(context: FeatureContext, tree: SyntaxTree, definition: Definition) -> list[Docstring]:
    return await DocstringWriter(context).write_all(tree, [definition], "auto")


def document(language: str, code: str, name: str = "f", words: str = WORDS) -> str:
    """The code with a comment for a definition in it."""
    tree = parse(language, code)
    definition = next(each for each in find_definitions(tree) if each.name.rpartition(".")[2] == name)
    found = run(lambda it: write(it, tree, definition), otherwise=words)
    after = apply_edits(code, [each.edit for each in found])
    assert parse(language, after).n_errors() <= tree.n_errors()
    return after


def lines(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


NEW = [
    (
        "javascript",
        """
        export async function f(a, { b }, c = 1, ...d) {
          if (!a) throw new TypeError("a");
          return b;
        }
        """,
        """
        /**
         * What is meant.
         *
         * @param a - what is meant.
         * @param param1 - what is meant.
         * @param c - what is meant.
         * @param d - what is meant.
         * @returns what is meant.
         * @throws {TypeError} what is meant.
         */
        export async""",
    ),
    ("javascript", "const f = () => {};\n", "/** What is meant. */\nconst f"),
    (
        "typescript",
        """
        class A {
          @Dec()
          f<T>(a?: T): T { throw new E() }
        }
        """,
        """
        class A {
          /**
           * What is meant.
           *
           * @typeParam T - what is meant.
           * @param a - what is meant.
           * @returns what is meant.
           * @throws {@link E} what is meant.
           */
          @Dec()""",
    ),
    (
        "go",
        """
        package a

        //go:noinline
        func (r *R) f(a int, b ...string) (int, error) { panic(a) }
        """,
        """
        package a

        // f what is meant.
        //
        // Parameters:
        //   - a: what is meant.
        //   - b: what is meant.
        //
        // It returns what is meant.
        // It returns an error if what is meant.
        // It panics if what is meant.
        //
        //go:noinline
        func""",
    ),
    (
        "rust",
        """
        #[inline]
        pub unsafe fn f<T>(&self, a: T, (b, c): (u8, u8)) -> Result<u8, E> { panic!("x") }
        """,
        """
        /// What is meant.
        ///
        /// # Arguments
        ///
        /// * `a` - what is meant.
        /// * `(b, c)` - what is meant.
        ///
        /// # Returns
        ///
        /// What is meant.
        ///
        /// # Errors
        ///
        /// What is meant.
        ///
        /// # Panics
        ///
        /// What is meant.
        ///
        /// # Safety
        ///
        /// What is meant.
        #[inline]
        pub""",
    ),
    (
        "java",
        """
        class A {
        \t@Override
        \tpublic <T> List<T> f(final int a, T... b) throws IOException { return null; }
        }
        """,
        """
        class A {
        \t/**
        \t * What is meant.
        \t *
        \t * @param <T> what is meant.
        \t * @param a what is meant.
        \t * @param b what is meant.
        \t * @return what is meant.
        \t * @throws IOException what is meant.
        \t */
        \t@Override""",
    ),
    (
        "c",
        "static const char *f(int größe, void (*cb)(int x), ...);\n",
        """
        /**
         * @brief What is meant.
         *
         * @param größe what is meant.
         * @param cb what is meant.
         * @param ... what is meant.
         * @return what is meant.
         */
        static""",
    ),
    (
        "cpp",
        "/// \\\\brief One.\nint a();\ntemplate <typename T>\nvoid f(T&& x) { throw std::bad_alloc(); }\n",
        """
        /// \\\\brief One.
        int a();
        /// \\\\brief What is meant.
        ///
        /// \\\\tparam T what is meant.
        /// \\\\param x what is meant.
        /// \\\\throws std::bad_alloc what is meant.
        template""",
    ),
    (
        "csharp",
        """
        class A {
            [B]
            public Task<T> f<T>(this string a, params T[] b) { throw new X(); }
        }
        """,
        """
        class A {
            /// <summary>
            /// What is meant.
            /// </summary>
            /// <typeparam name="T">what is meant.</typeparam>
            /// <param name="a">what is meant.</param>
            /// <param name="b">what is meant.</param>
            /// <returns>what is meant.</returns>
            /// <exception cref="X">what is meant.</exception>
            [B]""",
    ),
    (
        "ruby",
        """
        # frozen_string_literal: true
        def f(a, b: 1, *c, &d)
          raise ArgumentError unless a
          yield a
          b
        end
        """,
        """
        # frozen_string_literal: true

        # What is meant.
        #
        # @param a what is meant.
        # @param b what is meant.
        # @param c what is meant.
        # @param d what is meant.
        # @return what is meant.
        # @yield what is meant.
        # @raise [ArgumentError] what is meant.
        def""",
    ),
    (
        "lua",
        """
        local function f(a, ...)
          if not a then error("a") end
          return a
        end
        """,
        """
        --- What is meant.
        --- @param a what is meant.
        --- @param ... what is meant.
        --- @return what is meant.
        --- @raise what is meant.
        local""",
    ),
]
UPDATES = [
    (
        "javascript",
        """
        /**
         * One, and
         *   two.
         * @param {string} b the author's words,
         *   in two lines
         * @return {number}
         */
        function f(a, b, { c }, d) { return 1; }
        """,
        """
        /**
         * One, and
         *   two.
         * @param a what is meant.
         * @param {string} b the author's words,
         *   in two lines
         * @param param2 what is meant.
         * @param d what is meant.
         * @return {number}
         */
        function""",
    ),
    (
        "javascript",
        "/** One. */\nfunction f(a) { return a; }\n",
        "/**\n * One.\n *\n * @param a - what is meant.\n * @returns what is meant.\n */\nfunction",
    ),
    (
        "javascript",
        "/** One,\n    two */\nfunction f(a) {}\n",
        "/** One,\n    two\n\n    @param a - what is meant.\n */\nfunction",
    ),
    (
        "javascript",
        "/** @returns x */\nfunction f(a) { return a; }\n",
        "/**\n * @param a - what is meant.\n * @returns x\n */\nfunction",
    ),
    (
        "javascript",
        "/**\n * One.\n * @param {object} options - Two.\n * @param {number} options.x - Three.\n */\n"
        "function f({ x }, y) {}\n",
        "/**\n * One.\n * @param {object} options - Two.\n * @param {number} options.x - Three.\n"
        " * @param y - what is meant.\n */\nfunction",
    ),
    (
        "typescript",
        "/**\n * One.\n *\n * @example\n * ```ts\n * @param not an entry\n * f(1)\n * ```\n */\n"
        "function f(a: number) {}\n",
        "/**\n * One.\n *\n * @param a - what is meant.\n *\n * @example\n",
    ),
    (
        "go",
        "// f does it with a.\n//\n// Deprecated: no.\nfunc f(a, b int) error { return nil }\n",
        "// f does it with a.\n//\n// Parameters:\n//   - a: what is meant.\n//   - b: what is meant.\n//\n"
        "// It returns an error if what is meant.\n//\n// Deprecated: no.\nfunc",
    ),
    (
        "rust",
        "/// One.\n///\n/// # Examples\n///\n/// ```\n/// # use x;\n/// f(1);\n/// ```\n"
        "fn f(a: u8) -> io::Result<()> {}\n",
        "/// One.\n///\n/// # Arguments\n///\n/// * `a` - what is meant.\n///\n/// # Errors\n///\n"
        "/// What is meant.\n///\n"
        "/// # Examples\n",
    ),
    (
        "rust",
        "/// One.\n///\n/// # Arguments\n///\n/// - `a`: Two,\n///   three.\n///\n/// Four.\nfn f(a: u8, b: u8) {}\n",
        "/// One.\n///\n/// # Arguments\n///\n/// - `a`: Two,\n///   three.\n/// * `b` what is meant.\n"
        "///\n/// Four.\nfn",
    ),
    (
        "java",
        "class A {\n  /**\n   * One.\n   * @see B\n   */\n  int f(int a) { return a; }\n}\n",
        "class A {\n  /**\n   * One.\n   * @param a what is meant.\n   * @return what is meant.\n"
        "   * @see B\n   */\n",
    ),
    (
        "c",
        "/*!\n * \\\\brief One\n * \\\\param[in] a,b two\n */\nint f(int a, int b, int c);\n",
        "/*!\n * \\\\brief One\n * \\\\param[in] a,b two\n * \\\\param c what is meant.\n"
        " * \\\\return what is meant.\n */\nint f",
    ),
    (
        "csharp",
        'class A {\n  /// <summary>One.</summary>\n  /// <param name="b">Two.</param>\n  /// <remarks/>\n'
        "  int f(int a, int b) => 1;\n}\n",
        "class A {\n  /// <summary>One.</summary>\n"
        '  /// <param name="a">what is meant.</param>\n  /// <param name="b">Two.</param>\n'
        "  /// <returns>what is meant.</returns>\n  /// <remarks/>\n",
    ),
    (
        "ruby",
        "# One.\n# @param a [String] two\n# @return [void]\ndef f(a, b)\n  raise X\nend\n",
        "# One.\n# @param a [String] two\n# @param b what is meant.\n# @return [void]\n"
        "# @raise [X] what is meant.\ndef",
    ),
    (
        "lua",
        "--- One.\n-- @tparam string a two\nfunction f(a, b) end\n",
        "--- One.\n-- @tparam string a two\n-- @param b what is meant.\nfunction",
    ),
    (
        "lua",
        "---\n-- @see b\nfunction f(a) end\n",
        "---\n-- @param a what is meant.\n-- @see b\nfunction",
    ),
    (
        "lua",
        "---@param a string\n---@return number\nfunction f(a, b) return 1 end\n",
        "---@param a string\n---@param b what is meant.\n---@return number\nfunction",
    ),
]
COMPLETE = [
    ("javascript", "/** {@inheritDoc} */\nfunction f(a) {}\n"),
    ("javascript", "/** @type {import('x').Y} */\nconst f = (a) => a;\n"),
    (
        "javascript",
        "/**\n * Returns one.\n * @arg {Object.<string, {a: number}>} [a=1] - two\n */\n"
        "function f(a) { return a; }\n",
    ),
    ("javascript", "/**\n * One.\n * @param _a\n * @throws If two.\n */\nfunction f(_a) { throw new X(); }\n"),
    (
        "typescript",
        "/** One.\n * @template T two\n * @throws {@link a.X} three */\nfunction f<T>() { throw new X(); }\n",
    ),
    ("go", "// f returns b for x, or an error.\nfunc f(x, b int) (int, error) { return b, nil }\n"),
    ("rust", "/// Returns `b` for `a`, or an error.\nfn f(a: u8, b: u8) -> Result<u8, E> { x }\n"),
    (
        "java",
        "class A {\n  /** {@return one} @param <T> two @param a three */\n  int g() { return 1; }\n"
        "  /** {@inheritDoc} */\n  int f(int a) { return 1; }\n}\n",
    ),
    ("cpp", "/// @copydoc g\nint f(int a);\n"),
    ("csharp", "class A {\n  /// <inheritdoc/>\n  int f(int a) => 1;\n}\n"),
    ("ruby", "# (see #g)\ndef f(a)\nend\n"),
    ("lua", "--- One.\n-- @string a two\n-- @treturn number three\nfunction f(a) return 1 end\n"),
    ("lua", "--- One.\n-- @array2d a two\nfunction f(a) end\n"),
]
REFUSED = [
    ("javascript", "function f(a { }\n"),
    ("c", "/**\n * f - one\n * @a: two\n */\nvoid f(int a, int b);\n"),
    ("javascript", "/**\n * @param {{\n *   x: number\n * }} a one\n */\nfunction f(a, b) {}\n"),
]


@pytest.mark.parametrize(("language", "code", "begins"), NEW)
def test_a_new_comment_lists_what_the_code_has(language: str, code: str, begins: str) -> None:
    code = lines(code).replace("\\\\", "\\")
    assert document(language, code).startswith(lines(begins).replace("\\\\", "\\"))


@pytest.mark.parametrize(("language", "code", "begins"), UPDATES)
def test_an_update_adds_what_is_missing(language: str, code: str, begins: str) -> None:
    code = lines(code).replace("\\\\", "\\")
    assert document(language, code).startswith(lines(begins).replace("\\\\", "\\"))


@pytest.mark.parametrize(("language", "code", "begins"), [*NEW, *UPDATES])
@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_line_ends_stay(language: str, code: str, begins: str, line_end: str) -> None:
    code = lines(code).replace("\\\\", "\\").replace("\n", line_end)
    after = document(language, code)
    assert after.startswith(lines(begins).replace("\\\\", "\\").replace("\n", line_end))
    assert after.count("\n") == (0 if line_end == "\r" else after.count("\r"))


@pytest.mark.parametrize(("language", "code", "begins"), [*NEW, *UPDATES])
def test_a_second_run_changes_nothing(language: str, code: str, begins: str) -> None:
    after = document(language, lines(code).replace("\\\\", "\\"))
    assert document(language, after) == after
    assert document(language, after, words="no") == after


@pytest.mark.parametrize(("language", "code"), COMPLETE)
def test_a_complete_comment_stays(language: str, code: str) -> None:
    assert document(language, code) == code


@pytest.mark.parametrize(("language", "code"), REFUSED)
def test_what_cannot_be_done_safely_is_refused(language: str, code: str) -> None:
    with pytest.raises(DocumentError, match="left unchanged"):
        document(language, code)


def test_each_language_with_a_grammar_has_a_convention_or_is_known_to_have_none() -> None:
    without = {each.name for each in LANGUAGES if each.grammar_module and form_of(each.name) is None}
    assert without == {"python", "shellscript"}


@pytest.mark.parametrize(
    ("language", "code", "outdated"),
    [
        ("javascript", "/** One. */\nfunction f(a) { return a; }\n", False),
        ("javascript", "/** One.\n * @param a two */\nfunction f(a, b) { return a; }\n", True),
        ("go", "// f is one.\nfunc f(a int) error { return nil }\n", False),
        ("rust", "/// One.\n///\n/// # Arguments\n///\n/// * `a` - two\nfn f(a: u8, b: u8) {}\n", True),
    ],
)
def test_an_incomplete_list_is_outdated_and_a_missing_one_is_not(language: str, code: str, outdated: bool) -> None:
    tree = parse(language, code)
    every = list(find_definitions(tree))
    assert is_outdated(tree, every[0], every) is outdated


@pytest.mark.parametrize("words", ["*/ no", "@param x no", "a `b ``` c", "\\u0041 no", "", "x"])
def test_words_that_would_end_a_comment_or_begin_an_entry_are_not_used(words: str) -> None:
    assert "TODO: describe." in document("java", "class A {\n  int f(int a) { return a; }\n}\n", words=words)


def test_tags_begin_with_an_at_sign_where_they_must() -> None:
    assert "@param a" in document("javascript", 'const x = "\\\\param \\\\return";\nfunction f(a) {}\n')


def test_words_are_escaped_where_the_form_is_markup() -> None:
    code = "class A {\n  int f(int a) => 1;\n}\n"
    assert '<param name="a">one &lt; two &amp; three.</param>' in document("csharp", code, words="one < two & three")


def test_long_words_are_wrapped_and_continue_their_entry() -> None:
    words = "a sentence that is longer than what a line of eighty columns can hold, so that it needs two of them"
    code = "function f(a) {}\n"
    after = document("javascript", code, words=words)
    assert all(len(line) <= 80 for line in after.split("\n"))
    assert "\n *   " in after
    assert document("javascript", after) == after


def test_sentences_of_go_are_not_indented_which_would_make_them_code() -> None:
    words = "a sentence that is longer than what a line of eighty columns can hold, so that it needs two of them"
    after = document("go", "func f(a int) (int, error) { return a, nil }\n", words=words)
    indented = [line for line in after.split("\n") if line.startswith("//  ")]
    assert indented
    assert all(line.startswith(("//   - a: ", "//     ")) for line in indented)
    assert len(indented) < after.count("\n// ") - len(indented)


def test_all_missing_comments_of_a_document() -> None:
    code = "function f(a) {}\n\nclass B {\n  g() { return 1; }\n}\n"
    found = run(WriteDocstrings(code, 0, language="javascript").run, otherwise=WORDS)
    assert len(found) == 1
    found = run(WriteDocstrings(code, language="javascript").run, otherwise=WORDS)
    after = apply_edits(code, [each.edit for each in found])
    assert after.count("/**") == 3
    assert run(WriteDocstrings(after, language="javascript").run, otherwise=WORDS) == []


def test_a_language_without_a_convention_has_no_comments() -> None:
    assert run(WriteDocstrings("f() { echo; }\n", language="shellscript").run, otherwise=WORDS) == []


# Random functions with random comments: what an author may have written above them.
_NAMES = st.sampled_from(["a", "b", "größe", "x_1", "options", "cb", "name"])
_TEXT = st.sampled_from(
    [
        *(
            "One.",
            "Does it: a, b - and c!",
            "Returns one.",
            "* star",
            "@see x",
            "- item",
            "a `b` c",
            "1. first",
            "  deep",
        ),
        *(
            "@param a one",
            "@param {string} b - two",
            "@returns three",
            "\\param name four",
            "# Errors",
            "* `a` - five",
        ),
        *("@throws {E} six", '<param name="a">seven</param>', "<summary>eight</summary>", "```", "@example", ""),
        *("Parameters:", "  - a: nine", "@return [void] ten", "---", "@tparam string b eleven", "\ttab", "ünï çödé"),
    ]
)
_COMMENTS = {
    "javascript": ("/**\n", " * ", "\n */\n"),
    "typescript": ("/**\n", " * ", "\n */\n"),
    "go": ("", "// ", "\n"),
    "rust": ("", "/// ", "\n"),
    "java": ("/**\n", " * ", "\n */\n"),
    "c": ("/*!\n", " * ", " */\n"),
    "cpp": ("", "/// ", "\n"),
    "csharp": ("", "/// ", "\n"),
    "ruby": ("", "# ", "\n"),
    "lua": ("---\n", "-- ", "\n"),
}
_FUNCTIONS = {
    "javascript": "function f({}) {{ return 1; }}",
    "typescript": "function f({}): number {{ return 1; }}",
    "go": "func f({} int) (int, error) {{ return 1, nil }}",
    "rust": "fn f({}: u8) -> Result<u8, E> {{ g() }}",
    "java": "int f(int {}) {{ return 1; }}",
    "c": "int f(int {}) {{ return 1; }}",
    "cpp": "int f(int {}) {{ throw E(1); }}",
    "csharp": "int f(int {}) {{ throw new E(); }}",
    "ruby": "def f({})\n  raise E\nend",
    "lua": "function f({})\n  return 1\nend",
}
_SEPARATORS = {"go": ", ", "rust": ": u8, ", "java": ", int ", "c": ", int ", "cpp": ", int ", "csharp": ", int "}


@st.composite
def documented_functions(draw: st.DrawFn) -> tuple[str, str]:
    language = draw(st.sampled_from(sorted(_FUNCTIONS)))
    names = draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True))
    opening, lead, closing = _COMMENTS[language]
    indent = draw(st.sampled_from(["", "  ", "\t"])) if language in {"java", "csharp"} else ""
    text = draw(st.lists(_TEXT, max_size=6))
    comment = opening + "\n".join(lead + line for line in text) + closing if text else ""
    code = comment + _FUNCTIONS[language].format(_SEPARATORS.get(language, ", ").join(names)) + "\n"
    if language in {"java", "csharp"}:
        code = "class A {\n" + textwrap.indent(code, indent) + "}\n"
    return language, code.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@given(documented_functions())
def test_the_author_s_bytes_survive_and_a_second_run_changes_nothing(case: tuple[str, str]) -> None:
    language, code = case
    try:
        after = document(language, code)
    except DocumentError:
        return
    left = iter(after)
    assert all(character in left for character in code)
    assert document(language, after) == after
