"""Random documents, edits and cursors in every language: nothing raises, and only text of the document is shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nano_lsp.code.cursor_context import find_cursor_context
from nano_lsp.code.definition_nodes import find_definition_nodes
from nano_lsp.code.languages import LANGUAGES, Language
from nano_lsp.code.open_documents import OpenDocument
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.window import Anchor, cut_window
from nano_lsp.completion.postprocess import PostprocessOptions, Postprocessor
from nano_lsp.schema import Completion, Counters, FinishReason, Token
from tests.code.language_samples import SAMPLES

_ROWS = {(each.lexis, each.grammar_module, each.grammar_function): each for each in LANGUAGES}  # alike ones once
each_language = pytest.mark.parametrize("language", _ROWS.values(), ids=lambda language: language.name)
random = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
_SAMPLES = {sample.language: sample.code for sample in SAMPLES}
_ODD = [*"(}'\"`#\n\r\t\0é🙂\ud800", "\r\n", "/*", "<!--", "<script>", "end\n"]

_CLOSING = re.compile(r"(?:(?:\n[ \t]*(?:[)\]}]+|end|fi|done|esac))+;?)?")  # blocks that a suggestion has begun


def documents(language: Language) -> st.SearchStrategy[str]:
    """Lines of the language's sample in any order, with odd characters between them."""
    lines = _SAMPLES.get(language.name, _SAMPLES["javascript"]).splitlines(keepends=True)
    return st.lists(st.sampled_from([*lines, *_ODD]), max_size=14).map("".join)


def count(text: str) -> int:
    return len(re.findall(r"\w{1,6}|\s+|[^\w\s]", text))


@each_language
@random
@given(data=st.data())
def test_any_document_any_edit_and_any_cursor(language: Language, data: st.DataObject) -> None:
    texts = documents(language)
    document, anchor = OpenDocument("a", language), Anchor()
    text = data.draw(texts)
    for _ in range(3):
        document.update(text)
        offset = data.draw(st.integers(0, len(text)))
        cursor = document.cursor(offset)
        assert cursor.prefix + cursor.suffix == text
        budget = data.draw(st.integers(16, 200))
        window = cut_window(text, offset, budget, count, tree=document.tree, anchor=anchor)
        anchor = window.anchor
        assert text[:offset].endswith(window.prefix.rpartition("...")[2].lstrip("."))
        assert text[offset:].startswith(window.suffix.partition("...")[0].rstrip("."))
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + data.draw(texts) + text[start + data.draw(st.integers(0, 40)) :]


@each_language
@random
@given(data=st.data())
def test_an_edited_tree_is_that_of_the_new_text(language: Language, data: st.DataObject) -> None:
    text = data.draw(documents(language))
    tree = SyntaxTree.parse(text, language)
    if tree is None:
        return
    start = data.draw(st.integers(0, len(text)))
    text = text[:start] + data.draw(documents(language)) + text[start + data.draw(st.integers(0, 40)) :]
    edited, new = tree.edited(text), SyntaxTree.parse(text, language)
    assert edited is not None
    assert new is not None
    assert bool(edited.n_errors()) == bool(new.n_errors())
    if not new.n_errors():
        assert str(edited.root) == str(new.root)
    for each in find_definition_nodes(edited):
        assert edited.text_of(each.node) in edited.text_of(each.whole)


@each_language
@random
@given(data=st.data())
def test_a_suggestion_is_cut_and_breaks_nothing(language: Language, data: st.DataObject) -> None:
    texts = documents(language)
    prefix, generated, suffix = data.draw(texts), data.draw(texts), data.draw(texts)
    before = SyntaxTree.parse(prefix + suffix, language)
    cursor = find_cursor_context(prefix + suffix, len(prefix), language, before)
    options = PostprocessOptions(automatic=data.draw(st.booleans()), min_token_probability=0.1)
    postprocessor = Postprocessor(cursor, options)
    tokens = [Token(i, c.encode("utf-8", "surrogatepass"), -0.1) for i, c in enumerate(generated)]
    lengths = range(1, len(tokens) + 1)
    n = next((n for n in lengths if postprocessor.hook(generated[:n], tokens[:n], False)), len(tokens))
    completion = Completion(generated[:n], tuple(tokens[:n]), FinishReason.STOP, Counters())
    text = postprocessor.finish(completion).text
    ends = [n for n in range(len(text) + 1) if _CLOSING.fullmatch(text[n:])]
    assert any(generated.startswith(text[:n]) for n in ends)
    after = SyntaxTree.parse(prefix + text + suffix, language)
    if text and before and after:
        assert after.n_errors() <= before.n_errors()
