"""Types of results: as a JSON schema or as choices, and the way back to a value."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from nano_lsp.errors import SchemaError

T = TypeVar("T")
_REMEDY = (
    "Use str, int, float, bool, None, Literal, an Enum, list, tuple, dict, Optional, a dataclass, a TypedDict, "
    "a pydantic model, or a JSON schema."
)
_PLAIN: dict[Any, str] = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


@dataclass(frozen=True)
class Shape:
    """What a result looks like, and how it becomes a value.

    Attributes:
        schema: JSON schema of the result; None for free text, and where there are choices.
        choices: what is chosen from, in order; empty for none.
        convert: from the text, the choice or the JSON value to a value of the type.
    """

    schema: Mapping[str, Any] | None
    choices: tuple[str, ...]
    convert: Callable[[Any], Any]


def shape_of(kind: Any) -> Shape:  # noqa: ANN401 - anything that may stand in an annotation
    """The shape of a type.

    Args:
        kind: a type as in an annotation, or a JSON schema as a mapping.

    Raises:
        SchemaError: there is no JSON for such a type.
    """
    if kind is str:
        return Shape(None, (), str)
    if kind is bool:
        return Shape(None, ("yes", "no"), lambda choice: choice == "yes")
    if isinstance(kind, Mapping):
        return Shape(kind, (), lambda value: value)
    named = _named_values(kind)
    if named:
        return Shape(None, tuple(named), named.__getitem__)
    schema, convert = _describe(kind, ())
    return Shape(schema, (), convert)


def _named_values(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """The values of a Literal or an Enum by what the model is to call them; empty for any other type."""
    if get_origin(kind) is Literal:
        values = {str(value): value for value in get_args(kind)}
        if len(values) < len(get_args(kind)):
            raise SchemaError(f"{kind} has values that look alike.", "Give each another text.")
        return values
    if isinstance(kind, type) and issubclass(kind, Enum):
        members = list(kind)
        texts = all(isinstance(member.value, str) for member in members)
        return {member.value if texts else member.name: member for member in members}
    return {}


def _describe(kind: Any, within: tuple[Any, ...]) -> tuple[dict[str, Any], Callable[[Any], Any]]:  # noqa: ANN401, PLR0911 - one return a type
    """The schema of a type and the conversion of its JSON."""
    if kind in within:
        raise SchemaError(f"{kind.__name__} contains itself.", "Write out as many levels as you need.")
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        schema, convert = _describe(arguments[0], within)
        said = " ".join(note for note in arguments[1:] if isinstance(note, str))
        return {**schema, **({"description": said} if said else {})}, convert
    if kind in _PLAIN or kind is None:
        convert = float if kind is float else _keep
        return {"type": _PLAIN[kind or type(None)]}, convert
    if kind is Any:
        return {}, _keep
    named = _named_values(kind)
    if named:
        return {"enum": list(named)}, named.__getitem__
    if origin in {Union, types.UnionType}:
        return _union(arguments, within)
    if origin in {list, Sequence, set, frozenset} or kind in {list, set, frozenset}:
        schema, convert = _describe(arguments[0] if arguments else Any, within)
        collect: Callable[[Any], Any] = {set: set, frozenset: frozenset}.get(origin or kind, list)
        return {"type": "array", "items": schema}, lambda values: collect(map(convert, values))
    if origin is tuple:
        return _tuple(arguments, within)
    if (origin in {dict, Mapping} and arguments[0] is str) or kind is dict:
        schema, convert = _describe(arguments[1] if arguments else Any, within)
        return (
            {"type": "object", "additionalProperties": schema},
            lambda values: {name: convert(value) for name, value in values.items()},
        )
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
        needed = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
        return _record(kind, list(fields), needed, (*within, kind))
    if hasattr(kind, "__required_keys__"):  # a TypedDict, of typing or of typing_extensions
        return _record(kind, list(kind.__annotations__), sorted(kind.__required_keys__), (*within, kind))
    if hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate"):  # pydantic, which need not be here
        return kind.model_json_schema(), kind.model_validate
    raise SchemaError(f"There is no JSON for {kind}.", _REMEDY)


def _keep(value: Any) -> Any:  # noqa: ANN401
    return value


def _union(kinds: Sequence[Any], within: tuple[Any, ...]) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    from nano_lsp.features.tasks.schema_grammar import find_fault  # noqa: PLC0415 - most types need no validation

    found = [_describe(kind, within) for kind in kinds]

    def convert(value: Any) -> Any:  # noqa: ANN401
        return next(convert for schema, convert in found if not find_fault(value, schema))(value)

    return {"anyOf": [schema for schema, _ in found]}, convert


def _tuple(kinds: Sequence[Any], within: tuple[Any, ...]) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        schema, convert = _describe(kinds[0], within)
        return {"type": "array", "items": schema}, lambda values: tuple(map(convert, values))
    found = [_describe(kind, within) for kind in kinds]
    schema = {
        "type": "array",
        "prefixItems": [schema for schema, _ in found],
        "items": False,
        "minItems": len(found),
        "maxItems": len(found),
    }
    return schema, lambda values: tuple(convert(value) for (_, convert), value in zip(found, values, strict=True))


def _record(
    kind: Any,  # noqa: ANN401
    names: Sequence[str],
    needed: Sequence[str],
    within: tuple[Any, ...],
) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """A dataclass or a TypedDict."""
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except NameError as error:
        raise SchemaError(
            f"An annotation of {kind.__name__} cannot be read: {error}.", "Import what it names."
        ) from error
    found = {name: _describe(_bare(hints[name]), within) for name in names}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: schema for name, (schema, _) in found.items()},
        "required": list(needed),
        "additionalProperties": False,
    }
    return schema, lambda values: kind(**{name: found[name][1](value) for name, value in values.items()})


def _bare(kind: Any) -> Any:  # noqa: ANN401
    """Without Required and NotRequired."""
    # By name: before Python 3.11 they come from typing_extensions.
    return get_args(kind)[0] if getattr(get_origin(kind), "_name", "") in {"Required", "NotRequired"} else kind
