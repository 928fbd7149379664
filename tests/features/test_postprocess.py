"""Where generated code ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.features.postprocess import clean, find_end


@pytest.mark.parametrize(
    ("prefix", "generated", "suffix", "shown"),
    [
        # into the suffix
        ("def f():\n    a = ", "1\n    b = 2\n    return a", "\n    b = 2\n    return a\n", "1"),
        ("x = [", "1, 2]\ny = 3", "\ny = 3\n", "1, 2]"),
        # out of the block
        ("def f():\n    ", "return 1\n\n\ndef g():\n    pass", "\n", "return 1"),
        ("def f(x):", "\n    return x\n\nprint(f(1))", "", "\n    return x"),
        ("if a:\n    b()\n", "else:\n    c()\nd()", "", "else:\n    c()\nd()"),
        ("if a:", "\n    b()\nelse:\n    c()\nd()", "", "\n    b()\nelse:\n    c()"),
        (
            "    for x in y:\n        ",
            "if x:\n            z()\n        w()\n    end()",
            "",
            "if x:\n            z()\n        w()",
        ),
        ("function f() {", "\n  return 1;\n}\nf();", "", "\n  return 1;\n}"),
        # what the rest of the line already has
        ("print(", "a, b)", ")\n", "a, b"),
        ("f(", "g(x)", ")\n", "g(x)"),
        ("f(", "g(x))", ")\n", "g(x)"),
        ("d = {'a': ", "1}", "}\n", "1"),
        ("s = '", "text'", "'\n", "text"),
        ("def f(", "a, b):", "):\n", "a, b"),
        # in circles
        ("x = 1\n", "a()\na()\na()\na()\na()\n", "", "a()"),
        # nothing to do
        ("x = ", "1", "", "1"),
        ("", "", "", ""),
    ],
)
def test_text_ends_where_a_programmer_would_end_it(prefix: str, generated: str, suffix: str, shown: str) -> None:
    assert clean(generated, prefix, suffix) == shown


code = st.lists(
    st.sampled_from(["a()", "    b()", "", "}", "return", "        x = (1", "else:", ")"]), max_size=8
).map("\n".join)


@given(code, code, code)
def test_only_the_end_is_ever_cut_and_cutting_again_changes_nothing(prefix: str, generated: str, suffix: str) -> None:
    shown = clean(generated, prefix, suffix)
    assert generated.startswith(shown)
    assert clean(shown, prefix, suffix) == shown


@given(code, code, code)
def test_the_next_line_of_the_suffix_is_never_repeated(prefix: str, generated: str, suffix: str) -> None:
    expected = next((line.rstrip() for line in suffix.split("\n")[1:] if line.strip()), None)
    assert expected not in [line.rstrip() for line in clean(generated, prefix, suffix).split("\n")[1:]]


@given(code, code, code)
def test_an_end_that_was_found_stays_while_text_grows(prefix: str, generated: str, suffix: str) -> None:
    ends = [find_end(generated[:n], prefix, suffix) for n in range(len(generated) + 1)]
    found = [end for end in ends if end is not None]
    assert all(end is not None for end in ends[ends.index(found[0]) :] if found) if found else True
