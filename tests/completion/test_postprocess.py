"""Postprocessing: where a generation ends, and which part of its text is shown."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.code.cursor_context import CursorContext, find_cursor_context
from nano_lsp.code.languages import PLAIN, PYTHON, Language, language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.completion.postprocess import STEPS, PostprocessOptions, Postprocessor
from nano_lsp.completion.postprocess.truncation import shortest_period
from nano_lsp.schema import Completion, Counters, FinishReason, Token

_IF_ELSE = "if b {\n\t\tc()\n\t} else {\n\t\td()\n\t}"
_ALLMAN = "if (a)\n        {\n            B();\n        }\n        else\n        {\n            C();\n        }"
AUTOMATIC = PostprocessOptions(automatic=True)
REQUESTED = PostprocessOptions()


def cursor(prefix: str, suffix: str, language: Language = PYTHON) -> CursorContext:
    text = prefix + suffix
    return find_cursor_context(text, len(prefix), language, SyntaxTree.parse(text, language))


def tokens(text: str, logprob: float = -0.1) -> list[Token]:
    """Words with the character before them, and single other characters, similar to a real tokenizer."""
    return [
        Token(zlib.crc32(piece.encode()), piece.encode(), logprob) for piece in re.findall(r"[^\w\n]?\w+|.|\n", text)
    ]


def shown(
    prefix: str, generated: str, suffix: str, options: PostprocessOptions = AUTOMATIC, language: Language = PYTHON
) -> str:
    """The part shown of a text generated token by token; resampling is ignored: it would give the same text."""
    postprocessor = Postprocessor(cursor(prefix, suffix, language), options)
    so_far: list[Token] = []
    for token in tokens(generated):
        so_far.append(token)
        verdict = postprocessor.hook(text_of(so_far), so_far, False)
        if verdict and verdict.stop:
            break
    return finished(postprocessor, text_of(so_far), so_far)


def finished(postprocessor: Postprocessor, text: str, generated: Sequence[Token]) -> str:
    return postprocessor.finish(Completion(text, tuple(generated), FinishReason.STOP, Counters())).text


def doubtful(prefix: str, generated: str, suffix: str, probabilities: Sequence[float], language: Language) -> str:
    """The part shown of a text whose lines have these probabilities; the last counts for all others."""
    options = PostprocessOptions(automatic=True, min_token_probability=0.3)
    postprocessor = Postprocessor(cursor(prefix, suffix, language), options)
    lines = generated.splitlines(keepends=True)
    some: list[Token] = []
    for line, probability in zip(lines, [*probabilities, *[probabilities[-1]] * len(lines)], strict=False):
        first, *others = tokens(line, 0.0)
        # In two tokens, each of which is probable.
        some += [Token(each.id, each.piece, math.log(probability) / 2) for each in (first, *others[:1])]
        some += others[1:]
    return finished(postprocessor, generated, some)


def text_of(some: Sequence[Token]) -> str:
    return b"".join(token.piece for token in some).decode()


@pytest.mark.parametrize(
    ("prefix", "generated", "suffix", "expected"),
    [
        # into the suffix
        ("def f():\n    a = ", "1\n    b = 2\n    return a", "\n    b = 2\n    return a\n", "1"),
        ("x = [", "1, 2]\ny = 3", "\ny = 3\n", "1, 2]"),
        ("a = 1\n", "b = 2\nc = 3\nd = 4\ne = 5\n", "\nq = 0\nc = 3\nd = 4\n", "b = 2"),
        # out of the block
        ("def f():\n    ", "return 1\n\n\ndef g():\n    pass", "\n", "return 1"),
        ("def f(x):", "\n    return x\n\nprint(f(1))", "", "\n    return x"),
        ("if a:\n    b()\n", "else:\n    c()\nd()", "", "else:\n    c()\nd()"),
        ("if a:", "\n    b()\nelse:\n    c()\nd()", "", "\n    b()\nelse:\n    c()"),
        # closers that the rest of the line already has
        ("print(", "a, b)", ")\n", "a, b"),
        ("f(", "g(x)", ")\n", "g(x)"),
        ("f(", "g(x))", ")\n", "g(x)"),
        ("d = {'a': ", "1}", "}\n", "1"),
        ("s = '", "text'", "'\n", "text"),
        ("def f(", "a, b):", "):\n    pass\n", "a, b"),
        ("if ", "a == 1:", ":\n    pass\n", "a == 1"),
        # one statement where one is enough
        ("x = ", "f(\n    1,\n)\ny = 2\n", "\n", "f(\n    1,\n)"),
        ("x = ", "1\ny = 2\n", "\n", "1"),
        # repetition
        ("x = 1\n", "a()\n" * 9, "", "a()"),
        # markup and prose
        ("x = ", "1<|endoftext|>2", "", "1"),
        ("def f():\n    ", "return 1\n```\nThis code returns 1.", "\n", "return 1"),
        ("", "Here is the code:\nx = 1\n", "", ""),
        # duplicates
        ("total = compute(1)\n", "total = compute(1)", "\n", ""),
        ("a = 1\n", "total = compute(1)", "\ntotal = compute(1)\n", ""),
        # stubs
        ("def f():\n    ", "# Your code here\n    pass", "\n", ""),
        # syntax errors
        ("def f():\n    ", "return 1 +* 2", "\n", "return 1"),
        ("x = 1\n", "for i in range(3):\n", "\ny = 2\n", ""),
        # the header of a block, whose body is written next
        ("x = [1]\n\nfor item", " in x:\n    print(item)\n", "\ny = 2\n", " in x:"),
        ("x = [1]\n\nif x", ":\n    print(x)\n", "", ":"),
        ("x = [1]\n\ny = x", ":\n", "\n", ""),
        # unchanged
        ("x = ", "1", "", "1"),
        ("", "", "", ""),
    ],
)
def test_each_step_ends_the_text_where_it_should(prefix: str, generated: str, suffix: str, expected: str) -> None:
    assert shown(prefix, generated, suffix) == expected


def test_requested_suggestions_may_complete_the_function_automatic_ones_the_block() -> None:
    prefix = "def f(y):\n    for x in y:\n        "
    generated = "g(x)\n    return y\n\n\nprint(f(1))\n"
    assert shown(prefix, generated, "\n", AUTOMATIC) == "g(x)"
    assert shown(prefix, generated, "\n", REQUESTED) == "g(x)\n    return y"


def test_an_automatic_suggestion_is_one_statement_where_code_follows_in_the_block() -> None:
    prefix, statement = "def f():\n    ", "if a:\n        b(\n            1\n        )\n    else:\n        c()"
    generated = f"{statement}\n    d()\n"
    assert shown(prefix, generated, "\n    return 1\n") == statement
    assert shown(prefix, generated, "\n\n\nx = 1\n") == generated.rstrip()
    assert shown(prefix, generated, "\n    return 1\n", REQUESTED) == generated.rstrip()


@pytest.mark.parametrize(
    ("language", "prefix", "generated", "suffix", "expected"),
    [
        # out of the block, which the document closes or not
        ("javascript", "function f() {\n  ", "return 1;\n}\n\nf();", "\n}\n", "return 1;"),
        ("javascript", "function f() {\n  ", "return 1;\n}\n\nf();", "", "return 1;\n}"),
        ("javascript", "function f() {", "\n  return 1;\n}\nf();", "", "\n  return 1;\n}"),
        ("javascript", "function f() {", "\n  return 1;\n}\nf();", "\n}\n", "\n  return 1;"),
        ("javascript", "f(a, () => {\n  ", "b();\n});\nc();", "\n", "b();\n});"),
        ("javascript", "{\n", "a();\n}\nb();", "\n}\n", "a();"),  # not indented
        ("javascript", "if (a) {\n  b();\n}", " else {\n  c();\n}\nd();", "\n", " else {\n  c();\n}"),
        ("javascript", "const x = `\n", "a\n`;\n", "\n", "a\n`;"),
        ("typescript", "interface A {\n  ", "b: string;\n}\ntype C = A;", "\n}\n", "b: string;"),
        ("go", "func f() int {\n\t", "return 1\n}\n\nfunc g() {}", "\n}\n", "return 1"),
        ("rust", "fn f() -> i32 {\n    ", "1\n}\n\nfn g() {}", "", "1\n}"),
        ("java", "class A {\n    int f() {\n        ", "return 1;\n    }\n\n    int g", "\n    }\n}\n", "return 1;"),
        (
            "c",
            "int f(void) {\n    ",
            "a();\n#ifdef B\n    b();\n#endif\n}\nint",
            "\n}\n",
            "a();\n#ifdef B\n    b();\n#endif",
        ),
        ("cpp", "int f() {", "\n  return 1;\n}\nint g", "", "\n  return 1;\n}"),
        ("csharp", "class A\n{\n    int F()\n    {\n        ", "return 1;\n    }\n}", "", "return 1;\n    }"),
        ("ruby", "def f\n  ", "a.each do |b|\n    c\n  end\nend\n\nf", "\nend\n", "a.each do |b|\n    c\n  end"),
        ("ruby", "def f\n  ", "1\nend\n\nf", "", "1\nend"),
        ("ruby", "if a", "\n  b\nelse\n  c\nend\nd", "\n", "\n  b\nelse\n  c\nend"),
        ("shellscript", "for a in b; do\n  ", 'echo "$a"\ndone\nc', "\ndone\n", 'echo "$a"'),
        ("shellscript", "if a; then\n  ", "b\nfi\nc", "", "b\nfi"),
        ("shellscript", "f() {\n  ", "b\n}\nf", "\n}\n", "b"),
        ("lua", "local function f()\n  ", "return 1\nend\n\nf()", "", "return 1\nend"),
        ("lua", "local function f()\n  ", "return 1\nend\n\nf()", "\nend\n", "return 1"),
        # closers that the rest of the line already has
        ("javascript", "f(", "a, g(b))", ");\n", "a, g(b)"),
        ("rust", "    let a: &'a str = f(", "b)", ");\n", "b"),
        # statements that continue in the next line
        ("java", "class A {\n  int f() {\n    ", "return a(b)\n        .c();", "\n  }\n}\n", None),
        ("java", "class A {\n  int f() {\n    ", "if (a)\n      b();", "\n  }\n}\n", None),
        ("csharp", "class A\n{\n  int F()\n  {\n    ", "if (a)\n    {\n      B();\n    }", "\n  }\n}\n", None),
        ("cpp", "int f() {\n  ", "return a ||\n         b;", "\n}\n", None),
        ("rust", "fn f() {\n    ", "let a = b\n        .c();", "\n}\n", None),
        ("typescript", "function f() {\n  ", "return a > b\n    ? c\n    : d;", "\n}\n", None),
        ("shellscript", "f() {\n  ", "A=1 \\\n    b", "\n}\n", None),
        ("shellscript", "f() {\n  ", "a |\n    b", "\n}\n", None),
        ("shellscript", "a\n", "cat <<'END'\nb c (\nEND", "\nd\n", None),
        # headers, whose body the document has
        ("cpp", "int f() {\n  if (a", ") {\n    return 1;\n  }", "\n    b();\n  }\n}\n", ") {"),
        ("rust", "fn f(", "a: i32) -> i32 {\n    1\n}", "\n    2\n}\n", "a: i32) -> i32 {"),
        ("go", "func f() {\n\t", "if a {\n\t\tb()\n\t}", "\n\t\tc()\n\t}\n}\n", "if a {"),
        ("javascript", "f(", "(a) => {\n  b();\n});", "\n  c();\n});\n", "(a) => {"),
        ("cpp", "int f() {\n  if (a", ") {\n    return 1;\n  }", "\n}\n", ") {\n    return 1;\n  }"),
        # into the suffix, of which the document has more
        ("go", "func f() {\n\tif a {\n\t\t", "b()\n\t}\n", "\n\t}\n\tif c {\n\t\tb()\n\t}\n}\n", "b()"),
        # comments without words
        ("java", "class A {\n  ", "int b;\n\n  /**\n   *", "\n}\n", "int b;"),
        ("lua", "", "local a = 1\n--", "\n", "local a = 1"),
        # syntax errors
        ("javascript", "const x = ", "1 + + ;", "\n", "1"),
        ("java", "class A {\n  int f() {\n    ", "return 1 2;\n    a();", "\n  }\n}\n", ""),
        ("go", "package a\n\nfunc f() {\n\tx := ", "1 2", "\n}\n", "1"),
        ("lua", "local x = ", "1 = 2", "\n", "1"),
        # one statement where one is enough
        ("javascript", "x = ", "f(\n  1,\n);\ny = 2;\n", "\n", "f(\n  1,\n);"),
        ("sql", "select a -- it's (\nfrom ", "b;\nselect", "\n", "b;"),
        ("go", "func f() {\n\t", "b()\n\tc()\n\td()", "\n\te()\n}\n", "b()"),
        ("go", "func f() {\n\t", "if b {\n\t\tc()\n\t} else {\n\t\td()\n\t}\n\te()", "\n\tg()\n}\n", _IF_ELSE),
        (
            "csharp",
            "class A\n{\n    int F()\n    {\n        ",
            f"{_ALLMAN}\n        D();",
            "\n        E();\n    }\n}",
            _ALLMAN,
        ),
        (
            "rust",
            "fn f() {\n    ",
            "let a = b\n        .c();\n    let d = 1;",
            "\n    e();\n}\n",
            "let a = b\n        .c();",
        ),
        ("java", "class A {\n  ", "@B\n  int c;\n  int d;", "\n  int e;\n}\n", "@B\n  int c;"),
        ("ruby", "def f\n  ", "a.each do |b|\n    c\n  end\n  d", "\n  e\nend\n", "a.each do |b|\n    c\n  end"),
        ("shellscript", "a\n", "cat <<'END'\nb c (\nEND\nd", "\ne\n", "cat <<'END'\nb c (\nEND"),
        ("lua", "", "local a = b\n  .c()\nlocal d = 1", "\nreturn d\n", "local a = b\n  .c()"),
        # duplicates and stubs
        ("go", "package a\n\nvar total = compute(1)\n", "var total = compute(1)", "\n", ""),
        ("lua", "local function f()\n  ", "-- TODO: write it", "\nend\n", ""),
    ],
)
def test_each_step_ends_the_text_where_it_should_in_other_languages(
    language: str, prefix: str, generated: str, suffix: str, expected: str | None
) -> None:
    found = shown(prefix, generated, suffix, language=language_of("", language))
    assert found == (generated if expected is None else expected)


@pytest.mark.parametrize(
    ("language", "prefix", "function", "more", "suffix"),
    [
        ("javascript", "function f(y) {\n  for (;;) {\n    ", "g();\n  }\n  return y;\n}", "\nf();", ""),
        (
            "java",
            "class A {\n    int f() {\n        if (a) {\n            ",
            "b();\n        }\n        return 1;",
            "\n    }\n\n    int g() {",
            "\n    }\n}\n",
        ),
        ("lua", "function f(y)\n  while y do\n    ", "g()\n  end\n  return y\nend", "\nf()", ""),
    ],
)
def test_requested_suggestions_complete_the_function_in_other_languages(
    language: str, prefix: str, function: str, more: str, suffix: str
) -> None:
    assert shown(prefix, function + more, suffix, REQUESTED, language_of("", language)) == function


def test_languages_without_a_grammar_are_postprocessed_as_text() -> None:
    assert shown("function f() {", "\n  return 1;\n}\nf();", "", language=PLAIN) == "\n  return 1;\n}"
    assert shown("f(", "a, g(b))", ");\n", language=PLAIN) == "a, g(b)"


code = st.lists(
    st.sampled_from(["a()", "    b()", "", "}", "return", "        x = (1", "else:", ")", "'", "def f():", "if a:"]),
    max_size=7,
).map("\n".join)
postprocess_options = st.builds(
    PostprocessOptions,
    disabled_steps=st.frozensets(st.sampled_from([name for name, _ in STEPS if name != "syntax"]), max_size=3),
    automatic=st.booleans(),
)


@given(code, code, code, postprocess_options)
def test_the_result_is_a_prefix_of_the_generated_text(
    prefix: str, generated: str, suffix: str, options: PostprocessOptions
) -> None:
    assert generated.startswith(shown(prefix, generated, suffix, options))


@given(code, code, code, postprocess_options)
@settings(max_examples=200)
def test_no_suggestion_breaks_the_parse(
    prefix: str, generated: str, suffix: str, options: PostprocessOptions
) -> None:
    text = shown(prefix, generated, suffix, options)
    before, after = (SyntaxTree.parse(t, PYTHON) for t in (prefix + suffix, prefix + text + suffix))
    assert before is not None
    assert after is not None
    assert not text or after.n_errors() <= before.n_errors()


@given(code, code, code)
def test_the_next_line_of_the_suffix_is_never_repeated(prefix: str, generated: str, suffix: str) -> None:
    expected = next((line.rstrip() for line in suffix.split("\n")[1:] if line.strip()), None)
    assert expected not in [line.rstrip() for line in shown(prefix, generated, suffix).split("\n")[1:]]


def test_the_stable_prefix_only_grows() -> None:
    postprocessor = Postprocessor(cursor("a = 1\n", "\nbcd = 2\n"), REQUESTED)
    seen = []
    for n in range(1, len(generated := "x = 1\ny = 2\nbcd = 2\n") + 1):
        seen.append(postprocessor.stable_prefix(generated[:n]))
        if postprocessor.hook(generated[:n], tokens(generated[:n]), False):
            break
    assert seen[3] == "x = "
    assert seen[-1] == finished(postprocessor, generated, tokens(generated)) == "x = 1\ny = 2"
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))


def test_an_undefined_name_is_resampled_once() -> None:
    postprocessor = Postprocessor(cursor("def f(total):\n    return ", "\n"), REQUESTED)
    first = tokens("x + totl")
    verdict = postprocessor.hook("x + totl", first, True)
    assert verdict is not None
    assert (verdict.roll_back, verdict.stop) == (4, False)  # the token of x is kept
    second = tokens("total")
    verdict = postprocessor.hook("total", second, True)
    assert verdict is not None
    assert verdict.stop
    assert finished(postprocessor, "total", second) == "total"


def test_of_two_flawed_candidates_the_first_is_shown() -> None:
    postprocessor = Postprocessor(cursor("def f(total):\n    return ", "\n"), REQUESTED)
    postprocessor.hook("totl", tokens("totl"), True)
    assert finished(postprocessor, "ttl", tokens("ttl")) == "totl"


def test_an_improbable_token_ends_the_suggestion_at_a_word_boundary() -> None:
    postprocessor = Postprocessor(cursor("x = ", "\n"), PostprocessOptions(min_token_probability=0.5))
    probable, improbable = math.log(0.9), math.log(0.1)
    some = [*tokens("alpha + be", probable), *tokens("t", improbable), *tokens("a", probable)]
    assert finished(postprocessor, "alpha + beta", some) == "alpha"  # `alpha +` does not parse


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((0.9, 0.9, 0.9), "a = b()\n    c(a)\n    return a"),
        ((0.5, 0.7, 0.9), "a = b()\n    c(a)\n    return a"),
        ((0.5, 0.7, 0.7), "a = b()\n    c(a)"),  # 0.35, then 0.25
        ((0.5, 0.5, 1.0), "a = b()"),
        ((0.31, 0.5, 1.0), "a = b()"),
    ],
)
def test_a_further_line_needs_the_joint_probability_of_a_token(probabilities: Sequence[float], expected: str) -> None:
    assert doubtful("def f(b, c):\n    ", "a = b()\n    c(a)\n    return a", "\n", probabilities, PYTHON) == expected


def test_a_text_needs_the_joint_probability_of_three_tokens() -> None:
    postprocessor = Postprocessor(cursor("x = ", "\n"), PostprocessOptions(min_token_probability=0.5))
    some = tokens("a + b + c + d + e", math.log(0.79))  # a token for the sign, a token for the name
    assert finished(postprocessor, text_of(some), some) == "a + b + c"


@pytest.mark.parametrize(
    ("language", "prefix", "generated", "suffix", "expected"),
    [
        (
            "rust",
            "fn f() {\n    ",
            "match a {\n        B => {\n            c();\n        }\n    }",
            "\n}\n",
            "match a {\n    }",
        ),
        ("javascript", "a();\n", "b.map((c) => {\n  d();\n});", "\n", "b.map((c) => {\n});"),
        ("javascript", "a()\n", "b.map((c) => {\n  d()\n})", "\n", "b.map((c) => {\n})"),
        ("lua", "local function f()\n  ", "for a in b do\n    c()\n  end", "\nend\n", "for a in b do\n  end"),
        ("shellscript", "f() {\n  ", "while a; do\n    b\n  done", "\n}\n", "while a; do\n  done"),
        ("ruby", "def f\n  ", "a.each do |b|\n    c\n  end", "\nend\n", "a.each do |b|\n  end"),
        ("java", "class A {\n  ", "void f() {\n    g();\n  }", "\n}\n", "void f() {\n  }"),
        ("javascript", "", "f(\n  a,\n  b,\n);", "\n", "f(\n  a,\n  b,\n);"),  # no block
        ("python", "def f(a):\n    b = 0\n    ", "if a:\n        b = 1", "\n", "if a:\n        b = 1"),
    ],
)
def test_a_block_whose_lines_are_improbable_is_closed_behind_its_header(
    language: str, prefix: str, generated: str, suffix: str, expected: str
) -> None:
    assert doubtful(prefix, generated, suffix, (0.9, 0.2, 1.0), language_of("", language)) == expected


def test_a_block_that_ends_at_an_improbable_token_is_closed() -> None:
    postprocessor = Postprocessor(
        cursor("int f() {\n  ", "\n}\n", language_of("", "cpp")), PostprocessOptions(min_token_probability=0.3)
    )
    some = [*tokens("if (a) {\n    if (b) {\n      c(", math.log(0.99)), *tokens("d);\n    }\n  }", math.log(0.1))]
    assert finished(postprocessor, text_of(some), some) == "if (a) {\n    if (b) {\n    }\n  }"


@pytest.mark.parametrize(
    ("language", "prefix", "generated", "expected"),
    [
        ("java", "class A {\n  ", "int b;\n\n  /** C. */\n  int c;", "int b;"),
        ("java", "class A {\n  ", "/** C. */\n  int c;", ""),
        ("typescript", "class A {\n  ", "b = '\\\n/** */';", "b = '\\\n/** */';"),
        ("rust", "/// A.\n", "/// B.\nstruct C;", "/// B.\nstruct C;"),
        ("lua", "", "local a = 1\n--- B.\nlocal b = 2", "local a = 1"),
    ],
)
def test_automatic_suggestions_end_before_documentation(
    language: str, prefix: str, generated: str, expected: str
) -> None:
    closing = "\n}\n" if "{" in prefix else "\n"
    assert shown(prefix, generated, closing, language=language_of("", language)) == expected
    assert shown(prefix, generated, closing, REQUESTED, language_of("", language)) == generated


@given(
    st.lists(st.integers(0, 2), max_size=24), st.lists(st.integers(0, 2), min_size=1, max_size=6), st.integers(3, 6)
)
def test_the_period_of_a_repetition(start: list[int], run: list[int], times: int) -> None:
    found = shortest_period([*start, *run * times])
    if len(run) * times >= 12:
        assert found is not None
    if found is not None:
        period, rounds = found
        ids = [*start, *run * times]
        end = ids[-period:]
        assert rounds >= 3
        assert ids[-period * rounds :] == end * rounds


@pytest.mark.parametrize(
    ("code", "expected"),
    [("f(", True), ("f(a)", False), ("'('", False), ("x = '''a", True), ("# (", False), ("x = [1,\n  # )\n", True)],
)
def test_open_brackets_and_triple_quoted_strings_are_found(code: str, expected: bool) -> None:
    assert PYTHON.lexis.is_open(code) is expected


@pytest.mark.parametrize(
    ("max_lines", "expected"), [(0, "a = 1\n    b = 2\n    return a + b"), (1, "a = 1"), (2, "a = 1\n    b = 2")]
)
def test_the_number_of_lines_is_limited(max_lines: int, expected: str) -> None:
    options = PostprocessOptions(automatic=True, max_lines=max_lines)
    assert shown("def f():\n    ", "a = 1\n    b = 2\n    return a + b\n", "", options) == expected


@pytest.mark.parametrize(("generated", "expected"), [("# why?", ""), ('"why"', ""), ("), a", ")"), ("a + why", "a")])
def test_a_suggestion_is_more_than_opening_characters(generated: str, expected: str) -> None:
    """An improbable token ends the text; what is left is shown only if it has a word or a closing bracket."""
    postprocessor = Postprocessor(
        cursor("x = (1\n", "\n"), PostprocessOptions(automatic=True, min_token_probability=0.5)
    )
    some = tokens(generated)
    improbable = len(some) - 1 if expected == "a" else 1
    some[improbable] = Token(some[improbable].id, some[improbable].piece, math.log(0.1))
    assert finished(postprocessor, text_of(some), some) == expected
