"""Types that Python and pydantic have: what is said under a type's grammar becomes a value of it, and back."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import os
import pathlib
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from typing_extensions import TypedDict

from nano_lsp.tasks.output_spec import OutputSpec, spec_of_type
from nano_lsp.tasks.schema_grammar import compile_schema, deduplicate_items, validation_error
from tests.tasks.test_schema_grammar import say

pydantic = pytest.importorskip("pydantic")
EXAMPLES = int(os.environ.get("NANO_LSP_TYPES", "10"))
T = TypeVar("T")
Name = NewType("Name", str)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class EngineEndpoint(NamedTuple):
    x: int
    y: float = 0.0


@dataclasses.dataclass
class Tree:
    value: Literal["a", "b"]
    children: list[Tree] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


class Options(TypedDict, total=False):
    level: Level
    at: EngineEndpoint


class Cat(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    kind: Literal["cat"]
    lives: Annotated[int, pydantic.Field(ge=1, le=9)]


class Dog(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    kind: Literal["dog"]
    friend: Optional[Dog] = None  # noqa: UP045 - both forms are read


class Home(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    pet: Annotated[Union[Cat, Dog], pydantic.Field(discriminator="kind")]  # noqa: UP007 - both forms are read
    tags: set[Literal["x", "y"]]
    counts: dict[Literal["a", "b"], int]


@pydantic.dataclasses.dataclass
class Score:
    points: int = pydantic.Field(ge=3)
    page: Optional[pydantic.HttpUrl] = None  # type: ignore[name-defined]  # noqa: UP045 - both forms are read


class Point(msgspec.Struct, rename="camel"):
    x_axis: Level
    y_axis: float = 0.0


KINDS: Sequence[Any] = (
    *(
        int,
        float,
        str,
        bool,
        None,
        decimal.Decimal,
        bytes,
        pathlib.Path,
        uuid.UUID,
        Name,
        Level,
        EngineEndpoint,
        Tree,
        Options,
    ),
    *(datetime.date, datetime.time, datetime.datetime, Literal["one", "two"], Box[int], Cat, Dog, Home, Score),
    *(Annotated[int, pydantic.Field(ge=3, le=7)], Annotated[str, pydantic.Field(max_length=3)], tuple[()]),
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from([str, int, Level, Literal["p", "q"], uuid.UUID])
    return st.one_of(
        inner.map(lambda kind: of(list, kind)),
        inner.map(lambda kind: of(Box, kind)),
        inner.map(lambda kind: of(Optional, kind)),
        st.tuples(inner, inner).map(lambda kinds: of(tuple, *kinds)),
        inner.map(lambda kind: of(tuple, kind, ...)),
        st.tuples(keys, inner).map(lambda kinds: of(dict, *kinds)),
        st.tuples(inner, inner).map(lambda kinds: of(Union, *kinds)),
        st.sampled_from([set[str], set[Level], frozenset[int], frozenset[Literal["a", "b"]]]),
        inner.map(lambda kind: pydantic.create_model("Made", field=(kind, ...), more=(of(list, kind), []))),
    )


def of(origin: Any, *kinds: Any) -> Any:  # noqa: ANN401
    """A generic type with its parameters."""
    return origin[kinds if len(kinds) > 1 else kinds[0]]


def is_a(value: Any, kind: Any) -> bool:  # noqa: ANN401
    """Whether pydantic, which has its own reading of annotations, takes a value as it is for an instance."""
    pydantic.TypeAdapter(kind).validate_python(value)
    return True


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(kind=st.recursive(st.sampled_from(KINDS), nested, max_leaves=4), seed=st.integers(0, 1 << 30))
def test_what_is_said_under_a_type_becomes_a_value_of_it(kind: Any, seed: int) -> None:  # noqa: ANN401
    spec = spec_of_type(kind)
    for said in _said(spec, seed):
        value = spec.convert(said)
        assert is_a(value, kind)


def _said(spec: OutputSpec, seed: int) -> list[Any]:
    if spec.schema is None:
        return list(spec.choices) or ["text"]
    text = say(compile_schema(spec.schema), seed, limit=150)
    if text is None:
        return []
    said = deduplicate_items(json.loads(text), spec.schema)
    fault = validation_error(said, spec.schema)
    assert not fault or "too short" in fault, fault  # repetitions left out may leave too few
    if not fault:
        Draft202012Validator(spec.schema).validate(said)
    return [] if fault else [said]


@pytest.mark.parametrize(
    ("kind", "said", "value"),
    [
        (set[str], ["a", "a", "b"], {"a", "b"}),
        (frozenset[Level], ["LOW"], frozenset({Level.LOW})),
        (dict[Literal["a", "b"], int], {"a": 1}, {"a": 1}),
        (dict[int, str], {"-3": "x"}, {-3: "x"}),
        (dict[Level, int], {"HIGH": 1}, {Level.HIGH: 1}),
        (Tree, {"value": "a", "children": [{"value": "b"}]}, Tree("a", [Tree("b")])),
        (Box[EngineEndpoint], {"content": {"x": 1}}, Box(EngineEndpoint(1))),
        (decimal.Decimal, 2.5, decimal.Decimal("2.5")),
        (datetime.datetime, "2024-02-29T12:00:00Z", datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)),
        (datetime.date | str, "soon", "soon"),
        (bytes, "é", "é".encode()),
        (pathlib.Path, "a/b", pathlib.Path("a/b")),
        (Score, {"points": 3, "page": "https://a.b/c"}, Score(3, pydantic.HttpUrl("https://a.b/c"))),  # type: ignore[call-arg]
        (Box[Point], {"content": {"x_axis": "LOW"}}, Box(Point(Level.LOW))),
        (list[Dog], [{"kind": "dog"}], [Dog(kind="dog")]),
        (tuple[Cat, Home], [{"kind": "cat", "lives": 1}, {"pet": {"kind": "dog"}, "tags": [], "counts": {}}], None),
    ],
)
def test_values_of_types(kind: Any, said: Any, value: Any) -> None:  # noqa: ANN401
    spec = spec_of_type(kind)
    assert spec.schema is not None
    compile_schema(spec.schema)
    said = deduplicate_items(said, spec.schema)
    assert not validation_error(said, spec.schema)
    converted = spec.convert(said)
    assert converted == value or value is None


def test_bounds_of_a_pydantic_dataclass() -> None:
    schema = spec_of_type(Score).schema
    assert schema is not None
    assert validation_error({"points": 2}, schema)
    assert validation_error({}, schema)
