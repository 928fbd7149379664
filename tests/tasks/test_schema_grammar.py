"""Schemas as grammars: whatever a model says under one is JSON that the schema allows."""

from __future__ import annotations

import ipaddress
import itertools
import json
import random
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nano_lsp.errors import SchemaError
from nano_lsp.tasks.number_grammar import number_range
from nano_lsp.tasks.partial_json import close_json
from nano_lsp.tasks.schema_grammar import compile_schema, deduplicate_items, validation_error
from nano_lsp.tasks.string_formats import FORMATS
from nano_lsp.testing.scripted_backend import END, N_VOCAB, ScriptedBackend

BACKEND = ScriptedBackend()
_LIMIT = 4000


def say(gbnf: str, seed: int, limit: int = _LIMIT) -> str | None:
    """A text that a grammar allows, chosen at random and inclined to end; None where it did not within a limit."""
    source = np.random.default_rng(seed)
    grammar = BACKEND.compile_grammar(gbnf)
    said = b""
    for _ in range(limit):
        logits = source.normal(0.0, 2.0, N_VOCAB).astype(np.float32)
        logits[[ord(char) for char in '"]}']] += 3.0
        logits[END] += 6.0
        allowed = grammar.mask(logits)
        token = int(allowed.argmax())
        assert np.isfinite(allowed[token]), "a dead end"
        if token == END:
            return said.decode()
        said += BACKEND.piece(token)
        grammar.accept(token)
    return None


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of all the keywords that a grammar can keep."""
    small = st.integers(0, 4)
    bound = st.one_of(st.integers(-2000, 2000), st.decimals(-50, 50, places=2).map(float))
    text = st.text(st.characters(codec="ascii"), max_size=6)
    value = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), text, st.lists(st.integers(0, 3), max_size=2))

    def ranged(least: str, most: str) -> st.SearchStrategy[dict[str, Any]]:
        return st.tuples(small, small).map(lambda pair: {least: min(pair), most: max(pair)})

    def number(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        return st.tuples(bound, bound).map(
            lambda pair: {"type": kind, "minimum": min(pair), "maximum": max(pair) + 1}
        )

    leaf = st.one_of(
        st.sampled_from(["string", "number", "integer", "boolean", "null"]).map(lambda kind: {"type": kind}),
        ranged("minLength", "maxLength").map(lambda bounds: {"type": "string", **bounds}),
        number("integer"),
        number("number"),
        bound.map(lambda low: {"type": "number", "exclusiveMinimum": low}),
        bound.map(lambda high: {"type": "integer", "exclusiveMaximum": high}),
        st.lists(value, min_size=1, max_size=4).map(lambda values: {"enum": values}),
        value.map(lambda constant: {"const": constant}),
        st.just({}),
        st.just({"type": ["string", "null"], "maxLength": 3}),
    )

    def grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        properties = st.dictionaries(text, inner, max_size=4)
        return st.one_of(
            st.tuples(inner, ranged("minItems", "maxItems")).map(lambda p: {"type": "array", "items": p[0], **p[1]}),
            st.lists(inner, min_size=1, max_size=3).map(lambda items: {"type": "array", "prefixItems": items}),
            st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}),
            inner.map(lambda each: {"type": "object", "additionalProperties": each}),
            st.tuples(properties, st.integers(0, 4)).map(
                lambda p: {"type": "object", "properties": p[0], "required": list(p[0])[: p[1]]}
            ),
            inner.map(lambda each: {"$defs": {"a": each}, "allOf": [{"title": "a part", "anyOf": [each]}]}),
        )

    return st.recursive(leaf, grown, max_leaves=6)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(schema=schemas(), seed=st.integers(0, 1 << 30), cut=st.floats(0, 1))
def test_what_is_said_under_a_schema_validates(schema: dict[str, Any], seed: int, cut: float) -> None:
    said = say(compile_schema(schema), seed)
    if said is None:
        return
    Draft202012Validator(schema).validate(json.loads(said))
    for closed in close_json(said[: int(cut * len(said))]):  # cut anywhere, it is closed or it is no JSON
        try:
            value = json.loads(closed)
        except ValueError:
            continue
        assert isinstance(validation_error(value, schema), str)


@settings(max_examples=200)
@given(low=st.integers(-3000, 3000), size=st.integers(0, 3000), decimals=st.integers(0, 3), data=st.data())
def test_a_number_is_allowed_where_it_is_in_the_range(
    low: int, size: int, decimals: int, data: st.DataObject
) -> None:
    high = low + size
    grammar = f"root ::= {number_range(low, high, decimals)}"
    number = data.draw(st.integers(low - 50, high + 50))
    digits = f"{abs(number):0{decimals + 1}}"
    numeral = "-" * (number < 0) + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)
    assert accepts(grammar, numeral) == (low <= number <= high)


def accepts(gbnf: str, text: str) -> bool:
    grammar = BACKEND.compile_grammar(gbnf)
    for byte in text.encode():
        if not grammar.allows(byte):
            return False
        grammar.accept(byte)
    return grammar.allows(END)


def test_optional_properties_come_in_any_selection_and_in_order() -> None:
    names = ["a", "b", "c"]
    schema = {"properties": {name: {"const": 1} for name in names}, "required": ["b"]}
    gbnf = compile_schema(schema)
    for chosen in itertools.chain.from_iterable(itertools.combinations(names, n) for n in range(4)):
        assert accepts(gbnf, json.dumps(dict.fromkeys(chosen, 1))) == ("b" in chosen), chosen
    assert not accepts(gbnf, '{"b": 1, "a": 1}')


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"$ref": "#"}, "recursive"),
        ({"properties": {"next": {"$ref": "#"}}, "required": ["next"]}, "no end"),
        ({"type": "array", "items": {"enum": [1]}, "uniqueItems": True, "minItems": 2}, "more, or fewer"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "differ in 'type'"),
        ({"$ref": "#/nowhere"}, "does not contain"),
        ({"$ref": "https://example.org/schema.json"}, "other files are not read"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "allow no number"),
        ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1}, "allow no number"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "minLength"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems"),
        ({"type": "array", "prefixItems": [{}], "items": False, "minItems": 2}, "more items than it allows"),
        ({"enum": ["a"], "type": "integer"}, "exclude all values"),
        ({"properties": {"a": {}}, "required": ["b"], "additionalProperties": False}, "requires 'b'"),
        ({"type": "string", "pattern": "a+"}, "pattern"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "two alternatives"),
        ({"type": "strang"}, "not a valid JSON schema"),
        ({"properties": {"a": False}, "required": ["a"]}, "no value at all"),
        ({"const": "\ud800"}, "lone surrogate"),
        ({"type": "number", "minimum": float("nan")}, "'minimum' is not a number"),
        ({"type": "integer", "minimum": 1e300}, "'minimum' is beyond"),
        ({"anyOf": [False, False]}, "no value at all"),
        ({"properties": {"a": {}, "b": {}}, "dependencies": {"a": ["b"]}}, "'dependencies'"),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, "exclusiveMinimum"),  # draft 4
        ({"properties": {"a": {"items": [{"type": "string"}]}}}, "properties/a/items"),  # draft 7
    ],
)
def test_what_no_grammar_can_keep_is_refused(schema: dict[str, Any], word: str) -> None:
    with pytest.raises(SchemaError) as refused:
        compile_schema(schema)
    assert word in str(refused.value)
    assert refused.value.remedy


def test_bounds_that_no_number_reaches_are_kept() -> None:
    for low, high in ((-(2**63), 2**63 - 1), (0, float("inf")), (float("-inf"), 1e300)):
        gbnf = compile_schema({"type": "integer", "minimum": low, "maximum": high})
        assert accepts(gbnf, "123456789")
        assert accepts(gbnf, "-5") == (low < 0)


def test_alternatives_that_allow_nothing_are_left_out() -> None:
    gbnf = compile_schema({"anyOf": [False, {"const": 1}]})
    assert accepts(gbnf, "1")


def test_deep_and_wide_references_stay_small() -> None:
    wide: dict[str, Any] = {"$defs": {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(12)}}
    wide["$defs"]["d12"] = {"type": "null"}
    assert len(compile_schema({**wide, "$ref": "#/$defs/d0"})) < 10_000
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"items": deep}
    with pytest.raises(SchemaError, match="levels deep"):
        compile_schema(deep)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('{"a": "he sa', '{"a": "he sa"}'),
        ('{"a": "he said \\', '{"a": "he said "}'),
        ('[{"a": 1}, {"a"', '[{"a": 1}, {"a"}]'),
        ("[1, 2, 34", "[1, 2]"),
        ('["a", "b"', '["a", "b"]'),
        ("[tr", "[]"),
        ("12", None),
    ],
)
def test_a_cut_text_is_closed(text: str, first: str | None) -> None:
    assert next(iter(close_json(text)), None) == first


def test_random_cuts_of_json_close_to_what_was_there() -> None:
    source = random.Random(1)  # noqa: S311 - repeatable, no secret
    value = {"names": ["Ada", 'Bob \\ "B"'], "n": [1, 22, {"x": None, "y": [True, 2.5]}], "s": "end"}
    text = json.dumps(value)
    for _ in range(200):
        cut = source.randrange(1, len(text))
        closed = next(c for c in close_json(text[:cut]) if _parses(c))
        assert json.loads(closed).keys() <= value.keys()


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_what_pydantic_writes_by_itself_is_kept() -> None:
    schema: dict[str, Any] = {
        "$defs": {
            "Line item": {"type": "object", "properties": {"kind": {"const": "a/b"}}, "required": ["kind"]},
            "a/b~c": {"type": "object", "properties": {"kind": {"const": "c"}}, "required": ["kind"]},
        },
        "properties": {
            "tags": {"type": "array", "items": {"enum": ["x", "y", "z"]}, "uniqueItems": True, "minItems": 1},
            "n": {"type": "object", "propertyNames": {"enum": ["p", "q"]}, "additionalProperties": {"const": 1}},
            "one": {
                "oneOf": [{"$ref": "#/$defs/Line%20item"}, {"$ref": "#/$defs/a~1b~0c"}],
                "discriminator": {"propertyName": "kind"},
            },
            "half": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"}]},
            "both": {"allOf": [{"$ref": "#/$defs/Line%20item"}], "default": None},
            "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        },
    }
    gbnf = compile_schema(schema)
    for text, holds in (
        ('{"tags": ["x", "z"]}', True),
        ('{"tags": ["x", "x"]}', False),
        ('{"tags": []}', False),
        ('{"n": {"p": 1, "q": 1}}', True),
        ('{"n": {"r": 1}}', False),
        ('{"n": {}}', True),
        ('{"one": {"kind": "a/b"}}', True),
        ('{"one": {"kind": "d"}}', False),
        ('{"half": 2.5}', True),
        ('{"half": "2.5"}', False),
        ('{"both": {"kind": "a/b"}}', True),
        ('{"next": {"next": {"next": null}}}', True),
    ):
        assert accepts(gbnf, text) == holds, text


def test_repetitions_that_no_grammar_can_see_are_left_out() -> None:
    unique = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    schema = {"properties": {"a": {"anyOf": [unique, {"type": "null"}]}, "b": unique}}
    compile_schema(schema)
    value = {"a": ["x", "y", "x"], "b": ["z", "z"]}
    assert deduplicate_items(value, schema) == {"a": ["x", "y"], "b": ["z"]}
    assert value["b"] == ["z", "z"]


@settings(max_examples=100)
@given(name=st.sampled_from(sorted(FORMATS)), seed=st.integers(0, 1 << 30))
def test_what_is_said_in_a_format_is_read(name: str, seed: int) -> None:
    readers: dict[str, Callable[[str], object]] = {
        "date": date.fromisoformat,
        "uuid": uuid.UUID,
        "ipv4": ipaddress.IPv4Address,
        "ipv6": ipaddress.IPv6Address,
        "integer": int,
        "time": lambda text: msgspec.convert(text, time),
        "date-time": lambda text: msgspec.convert(text, datetime),
        "duration": lambda text: msgspec.convert(text, timedelta),
    }
    said = say(compile_schema({"type": "string", "format": name}), seed)
    if said is not None:
        readers.get(name, str)(json.loads(said))


@pytest.mark.parametrize(
    ("day", "holds"),
    [
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("1900-02-29", False),
        ("2000-02-29", True),
        ("2023-04-31", False),
        ("2023-12-31", True),
    ],
)
def test_days_are_in_the_calendar(day: str, holds: bool) -> None:
    assert accepts(compile_schema({"type": "string", "format": "date"}), json.dumps(day)) == holds
