"""Where a cursor point may be in a file, in each language with a grammar."""

from __future__ import annotations

import pytest

from nano_lsp.code.languages import LANGUAGES, Language, language_of
from nano_lsp.evaluation.places import KINDS, Places, find_places
from tests.code.language_samples import SAMPLES, Sample

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.language)


def places_of(text: str, language: str) -> Places:
    found = find_places(text, named(language))
    assert found is not None
    return found


def named(name: str) -> Language:
    return next(language for language in LANGUAGES if language.name == name)


@each_sample
def test_each_kind_has_places_in_code_alone(sample: Sample) -> None:
    places = find_places(sample.code, language_of(sample.file_name, text=sample.code))
    assert places is not None
    for kind in KINDS:
        holes = places.of_kind(kind)
        assert holes
        for start, end in holes:
            assert sample.code[start:end].strip()
            assert sample.code[end] == "\n"  # the end of a line
            assert kind == "empty body" or "\n" not in sample.code[start:end]
            if places.literals and kind != "empty body":
                assert sample.code[start - 1] in ' \n\t"' or not places.literals[start - 1]


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("javascript", "/*\n * Licence: free = 1.\n */\n// calls = plain(words)\n"),
        ("typescript", "const text = `\n  first = second(third)\n  ${inner}\n`;\n"),
        ("c", "/* value = compute(words);\n   other = compute(words); */\n"),
        ("ruby", "=begin\nvalue = compute(words)\n=end\n# value = compute(words)\n"),
        ("lua", "--[[ value = compute(words)\n  other = compute(words) ]]\n"),
        ("shellscript", "cat <<END\nvalue = compute(words)\nother words\nEND\n"),
        ("rust", "//! value = compute(words);\n/// value = compute(words);\n"),
        ("go", "var text = `\nvalue = compute(words)\n`\n"),
    ],
)
def test_comments_and_strings_of_several_lines_have_none(language: str, code: str) -> None:
    places = places_of(code, language)
    first_line = code.index("\n") + 1
    for kind in KINDS:
        assert [start for start, _ in places.of_kind(kind) if start > first_line or language == "c"] == []


def test_strings_and_comments_in_a_line_have_none_but_their_beginnings() -> None:
    line = 'const path = "some/words.here" + tail; // and = more(words)'
    places = places_of(f"{line}\n", "typescript")
    after = [line[start:] for start, _ in places.of_kind("after operator")]
    assert after == ['"some/words.here" + tail; // and = more(words)', "tail; // and = more(words)"]
    words = [line[start - 2 : start + 1] for start, _ in places.of_kind("mid-word")]
    assert words == ["con"]
    filled = "const path = `a ${inside + other} b`;\n"
    assert [filled[start:-1] for start, _ in places_of(filled, "typescript").of_kind("after operator")] == [
        "`a ${inside + other} b`;",
        "inside + other} b`;",
        "other} b`;",
    ]


@pytest.mark.parametrize(
    ("language", "code", "body"),
    [
        ("go", "func f() int {\n\t// Why.\n\tx := 1\n\treturn x\n}\n", "x := 1\n\treturn x"),
        ("rust", "fn f() -> i32 {\n    g(1)\n}\n", "g(1)"),
        ("c", "int f(void)\n{\n    g(); // so\n}\n", "g(); // so"),
        ("ruby", "def f\n  a = 1\n  b(a)\nend\n", "a = 1\n  b(a)"),
        ("lua", "local function f()\n  return 1\nend\n", "return 1"),
        ("shellscript", "f() {\n  local a=1\n  g $a\n}\n", "local a=1\n  g $a"),
        ("typescript", "const f = () => {\n  return 1;\n};\n", "return 1;"),
    ],
)
def test_the_body_of_a_function_is_its_statements(language: str, code: str, body: str) -> None:
    ((start, end),) = places_of(code, language).bodies
    assert code[start:end] == body


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("go", "func f() int { return 1 }\n"),
        ("typescript", "const f = (x) =>\n  g(x);\n"),  # no block
        ("go", "func f() {\n" + "\tg()\n" * 7 + "}\n"),  # not short
        ("lua", "local function f()\n  -- nothing\nend\n"),
    ],
)
def test_other_bodies_are_no_places(language: str, code: str) -> None:
    assert places_of(code, language).bodies == ()


def test_lines_with_syntax_errors_are_no_places() -> None:
    lines = [f"int value{i} = {i};" for i in range(40)]
    lines[5] = "int broken = = 1;"
    places = places_of("\n".join(lines), "c")
    found = {places.text.count("\n", 0, start) for start, _ in places.of_kind("line start")}
    assert found == set(range(40)) - {5}
    assert find_places("x = = 1;\n" * 40, named("c")) is None
    assert find_places("def f(:\n", named("python")) is None
