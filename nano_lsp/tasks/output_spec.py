"""Output types: a Python type as a JSON schema or as choices, and the conversion of the answer back to a value.

Types of pydantic are left to its `TypeAdapter`. Neither that nor msgspec (`json.schema`, `convert`) describes the
other types as a language model should write them: both write an Enum's numbers without its names and a NamedTuple as
a list without its field names; msgspec also writes bytes as base64, leaves the keys of a dict open, and refuses a
union of two dataclasses, or of str and date.
"""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import pathlib
import types
import typing
import uuid
from collections import abc, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from nano_lsp.errors import SchemaError
from nano_lsp.tasks.string_formats import INTEGER

T = TypeVar("T")
_Schema: typing.TypeAlias = "dict[str, Any]"
_Convert: typing.TypeAlias = Callable[[Any], Any]
_REMEDY = (
    "Use str, int, float, bool, None, Any, Literal, an Enum, list, tuple, set, dict, Optional, Decimal, bytes, a "
    "date, a time, a UUID, a path, a dataclass, a TypedDict, a NamedTuple, a msgspec Struct, a pydantic type, or a "
    "JSON schema."
)


def _keep(value: Any) -> Any:  # noqa: ANN401
    return value


def _read_as(kind: Any) -> _Convert:  # noqa: ANN401
    def read(text: Any) -> Any:  # noqa: ANN401
        try:
            return msgspec.convert(text, kind)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error

    return read


_PLAIN: dict[Any, tuple[_Schema, _Convert]] = {
    int: ({"type": "integer"}, _keep),
    float: ({"type": "number"}, float),
    str: ({"type": "string"}, _keep),
    bool: ({"type": "boolean"}, _keep),
    type(None): ({"type": "null"}, _keep),
    None: ({"type": "null"}, _keep),
    Any: ({}, _keep),
    Decimal: ({"type": "number"}, lambda value: Decimal(str(value))),
    bytes: ({"type": "string"}, str.encode),
    bytearray: ({"type": "string"}, lambda text: bytearray(text.encode())),
    **{
        kind: ({"type": "string", "format": name}, _read_as(kind))
        for kind, name in (
            (datetime.date, "date"),
            (datetime.time, "time"),
            (datetime.datetime, "date-time"),
            (datetime.timedelta, "duration"),
            (uuid.UUID, "uuid"),
        )
    },
    ipaddress.IPv4Address: ({"type": "string", "format": "ipv4"}, ipaddress.IPv4Address),
    ipaddress.IPv6Address: ({"type": "string", "format": "ipv6"}, ipaddress.IPv6Address),
    **{
        kind: ({"type": "string", "minLength": 1}, kind)
        for kind in (pathlib.Path, pathlib.PurePath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
    },
}
_COLLECTIONS: dict[Any, Callable[[Any], Any]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection), list),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), set),
    frozenset: frozenset,
    deque: deque,
}
_MAPPINGS = {dict, abc.Mapping, abc.MutableMapping}
_NO_KEYS = {"float", "bool", "decimal", "tuple", "none"}  # types of keys, by pydantic's names
_BOUNDS = (  # attributes of pydantic's Field, msgspec's Meta and annotated_types, and keywords by the schema's type
    ("ge", {"": "minimum"}),
    ("gt", {"": "exclusiveMinimum"}),
    ("le", {"": "maximum"}),
    ("lt", {"": "exclusiveMaximum"}),
    ("min_length", {"string": "minLength", "array": "minItems", "object": "minProperties"}),
    ("max_length", {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}),
    ("multiple_of", {"": "multipleOf"}),
    ("pattern", {"": "pattern"}),
)


@dataclass(frozen=True)
class OutputSpec:
    """The form of a result and its conversion to a value.

    Attributes:
        schema: JSON schema of the result; None for free text and for choices.
        choices: Choices in order; empty for none.
        convert: Converts the text, the choice or the JSON value to a value of the type.
    """

    schema: Mapping[str, Any] | None
    choices: tuple[str, ...]
    convert: Callable[[Any], Any]


def spec_of_type(kind: Any) -> OutputSpec:  # noqa: ANN401 - any annotation
    """The output spec of a type.

    Args:
        kind: Type as in an annotation, or a JSON schema as a mapping.

    Raises:
        SchemaError: The type has no JSON representation.
    """
    if kind is str:
        return OutputSpec(None, (), str)
    if kind is bool:
        return OutputSpec(None, ("yes", "no"), lambda choice: choice == "yes")
    if isinstance(kind, Mapping):
        return OutputSpec(kind, (), lambda value: value)
    named = _named_values(kind)
    if named:
        return OutputSpec(None, tuple(named), named.__getitem__)
    describer = _Describer()
    schema, convert = describer.describe(kind)
    return OutputSpec({**schema, "$defs": describer.definitions} if describer.definitions else schema, (), convert)


def with_field_name(kind: Any, error: SchemaError) -> SchemaError:  # noqa: ANN401
    """A schema error whose message names the field of the type, and the field's type."""
    owner: Any = None
    named, current = "", kind
    for step in error.path:
        for each in _classes_in(current):
            hints = _hints_or_nothing(each)
            if step in hints:
                owner, named, current = each, step, hints[step]
                break
    if owner is None:
        return error
    return SchemaError(
        f"The field {named!r} of {owner.__name__} has the type {type_name(current)}: {error.message}", error.remedy
    )


def type_name(kind: Any) -> str:  # noqa: ANN401
    """A type as written in an annotation."""
    plain = isinstance(kind, type) and not get_args(kind)
    return kind.__qualname__.rpartition(".")[2] if plain else str(kind).replace("typing.", "")


def _classes_in(kind: Any) -> Iterator[Any]:  # noqa: ANN401
    """The classes that a type consists of."""
    yield get_origin(kind) or kind
    for each in get_args(kind):
        yield from _classes_in(each)


def _hints_or_nothing(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, Mapping):  # pydantic's, by their names in JSON
        return {f.alias or name: f.annotation for name, f in fields.items()}
    try:
        return typing.get_type_hints(kind) if isinstance(kind, type) else {}
    except (NameError, TypeError):
        return {}


def _named_values(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """The values of a Literal or an Enum by the text that the model writes; empty for any other type."""
    if get_origin(kind) is Literal:
        values = {str(value): value for value in get_args(kind)}
        if len(values) < len(get_args(kind)):
            raise SchemaError(f"{kind} has values with the same text.", "Give each a different text.")
        return values
    if isinstance(kind, type) and issubclass(kind, Enum):
        members = list(kind)
        texts = all(isinstance(member.value, str) for member in members)
        return {member.value if texts else member.name: member for member in members}
    return {}


class _Describer:
    """Builds the schema of a type and remembers the records within it, which may be recursive.

    Attributes:
        definitions: Schemas of `$defs`, by name.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, _Schema] = {}
        self._open: dict[Any, str] = {}  # names in `$defs` of the records that are being described
        self._converts: dict[Any, _Convert] = {}
        self._variables: dict[Any, Any] = {}  # types for the type variables of a generic record
        self._fields: list[str] = []  # path of the current field

    def describe(self, kind: Any) -> tuple[_Schema, _Convert]:  # noqa: ANN401, PLR0911, PLR0912 - one return per type
        """The schema of a type and the conversion of its JSON."""
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is typing.Annotated:
            return self._annotated(*arguments)
        if _is_known(kind, _PLAIN):
            schema, convert = _PLAIN[kind]
            return dict(schema), convert
        if isinstance(kind, TypeVar):
            return self.describe(self._variables.get(kind, kind.__bound__ or Any))
        if hasattr(kind, "__supertype__"):  # a NewType
            return self.describe(kind.__supertype__)
        if hasattr(kind, "__value__"):  # `type X = …`
            return self._once(kind, kind.__name__, lambda: self.describe(kind.__value__))
        if getattr(origin, "_name", "") in {"Final", "Required", "NotRequired", "ReadOnly"}:
            return self.describe(arguments[0])
        named = _named_values(kind)
        if named:
            return {"enum": list(named)}, named.__getitem__
        if origin in {Union, types.UnionType}:
            return self._union(arguments)
        container = origin or kind
        if _is_known(container, _COLLECTIONS):
            return self._collection(_COLLECTIONS[container], arguments[0] if arguments else Any)
        if container is tuple:
            return self._tuple(arguments if origin else (Any, ...))
        if _is_known(container, _MAPPINGS):
            return self._mapping(*(arguments or (str, Any)))
        if hasattr(container, "__pydantic_core_schema__") or hasattr(container, "__get_pydantic_core_schema__"):
            return self._pydantic(kind, container.__name__)
        if dataclasses.is_dataclass(container) and isinstance(container, type):
            fields = {field.name: field for field in dataclasses.fields(container) if field.init}
            needed = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
            return self._record(kind, container, arguments, list(fields), needed)
        if hasattr(container, "__required_keys__"):  # a TypedDict, of typing or of typing_extensions
            names = list(container.__annotations__ | dict.fromkeys(container.__required_keys__))
            names = [*names, *sorted(container.__optional_keys__ - set(names))]
            return self._record(kind, container, arguments, names, sorted(container.__required_keys__))
        if isinstance(container, type) and issubclass(container, tuple) and hasattr(container, "_fields"):
            made: Any = container
            needed = [name for name in made._fields if name not in made._field_defaults]
            return self._record(kind, made, arguments, list(made._fields), needed)
        if isinstance(container, type) and issubclass(container, msgspec.Struct):
            listed = msgspec.structs.fields(container)
            needed = [field.name for field in listed if field.required]
            return self._record(kind, container, arguments, [field.name for field in listed], needed)
        where = f", the type of the field {'.'.join(self._fields)!r}" if self._fields else ""
        raise SchemaError(f"There is no JSON representation for {type_name(kind)}{where}.", _REMEDY)

    def _annotated(self, kind: Any, *notes: Any) -> tuple[_Schema, _Convert]:  # noqa: ANN401
        schema, convert = self.describe(kind)
        description = " ".join(note for note in notes if isinstance(note, str))
        schema = {**schema, **({"description": description} if description else {})}
        for note in notes:
            for each in (note, *getattr(note, "metadata", ())):
                for attribute, keywords in _BOUNDS:
                    bound = getattr(each, attribute, None)
                    keyword = keywords.get(schema.get("type", ""), keywords.get(""))
                    if isinstance(bound, (int, float, Decimal, str)) and keyword:
                        schema[keyword] = float(bound) if isinstance(bound, Decimal) else bound
        return schema, convert

    def _collection(self, collect: Callable[[Any], Any], item: Any) -> tuple[_Schema, _Convert]:  # noqa: ANN401
        schema, convert = self.describe(item)
        unique = {"uniqueItems": True} if collect in {set, frozenset} else {}
        return {"type": "array", "items": schema, **unique}, lambda values: collect(map(convert, values))

    def _tuple(self, kinds: Sequence[Any]) -> tuple[_Schema, _Convert]:
        if len(kinds) == 2 and kinds[1] is Ellipsis:
            schema, convert = self.describe(kinds[0])
            return {"type": "array", "items": schema}, lambda values: tuple(map(convert, values))
        found = [self.describe(kind) for kind in kinds if kind != ()]
        whole: _Schema = {
            "type": "array",
            **({"prefixItems": [schema for schema, _ in found]} if found else {}),
            "items": False,
            "minItems": len(found),
            "maxItems": len(found),
        }
        return whole, lambda values: tuple(convert(value) for (_, convert), value in zip(found, values, strict=True))

    def _mapping(self, key: Any, value: Any) -> tuple[_Schema, _Convert]:  # noqa: ANN401
        schema, convert = self.describe(value)
        name, read = ({"type": "string", "format": INTEGER}, int) if key is int else self.describe(key)
        if name.get("type", "string") != "string" or not name:
            where = f", in the field {'.'.join(self._fields)!r}" if self._fields else ""
            raise SchemaError(
                f"There is no JSON representation for keys of the type {type_name(key)}{where}.",
                "Use str for the keys.",
            )
        return (
            {"type": "object", "additionalProperties": schema, **({"propertyNames": name} if key is not str else {})},
            lambda values: {read(each): convert(value) for each, value in values.items()},
        )

    def _union(self, kinds: Sequence[Any]) -> tuple[_Schema, _Convert]:
        from nano_lsp.tasks.schema_grammar import validation_error  # noqa: PLC0415 - most types need no validation

        found = [self.describe(kind) for kind in kinds]

        def convert(value: Any) -> Any:  # noqa: ANN401
            error = ValueError(f"{value!r} fits no alternative.")
            for schema, convert in found:
                if not validation_error(value, {**schema, "$defs": self.definitions}):
                    try:
                        return convert(value)
                    except ValueError as failed:  # a date, for instance: the schema's format is not validated
                        error = failed
            raise error

        return {"anyOf": [schema for schema, _ in found]}, convert

    def _record(
        self,
        kind: Any,  # noqa: ANN401
        container: Any,  # noqa: ANN401
        arguments: Sequence[Any],
        names: Sequence[str],
        needed: Sequence[str],
    ) -> tuple[_Schema, _Convert]:
        """A dataclass, a TypedDict or a NamedTuple, with its type variables substituted."""

        def describe() -> tuple[_Schema, _Convert]:
            try:
                hints = typing.get_type_hints(container, include_extras=True)
            except NameError as error:
                raise SchemaError(
                    f"An annotation of {container.__name__} cannot be read: {error}.", "Import what it names."
                ) from error
            outer = self._variables
            self._variables = {
                **outer,
                **dict(zip(getattr(container, "__parameters__", ()), arguments, strict=False)),
            }
            found: dict[str, tuple[_Schema, _Convert]] = {}
            for name in names:
                self._fields.append(name)
                found[name] = self.describe(hints.get(name, Any))
                self._fields.pop()
            self._variables = outer
            schema: _Schema = {
                "type": "object",
                "properties": {name: schema for name, (schema, _) in found.items()},
                "required": list(needed),
                "additionalProperties": False,
            }
            return schema, lambda values: container(**{name: found[name][1](value) for name, value in values.items()})

        return self._once(kind, container.__name__, describe)

    def _once(
        self,
        kind: Any,  # noqa: ANN401
        name: str,
        describe: Callable[[], tuple[_Schema, _Convert]],
    ) -> tuple[_Schema, _Convert]:
        """A schema, or a reference where the type is within itself."""
        if kind in self._open:
            self.definitions.setdefault(self._open[kind], {})
            late: _Convert = lambda value: self._converts[kind](value)  # noqa: E731, PLW0108 - set later
            return {"$ref": f"#/$defs/{self._open[kind]}"}, late
        taken = {*self._open.values(), *self.definitions}
        self._open[kind] = name = next(n for n in (name, *(f"{name}{i}" for i in range(2, 999))) if n not in taken)
        schema, self._converts[kind] = describe()
        del self._open[kind]
        if name not in self.definitions:
            return schema, self._converts[kind]
        self.definitions[name] = schema
        return {"$ref": f"#/$defs/{name}"}, self._converts[kind]

    def _pydantic(self, kind: Any, name: str) -> tuple[_Schema, _Convert]:  # noqa: ANN401
        """A type that pydantic describes, such as a model; its definitions are merged into the others."""
        from pydantic import PydanticUserError, TypeAdapter  # noqa: PLC0415 - the user passed one of its types

        prefix = f"{name}{len(self.definitions)}." if self._open or self.definitions else ""
        template = f"#/$defs/{prefix}{{model}}"
        try:
            adapter = TypeAdapter(kind)
            schema = adapter.json_schema(ref_template=template, schema_generator=_schema_generator())
        except PydanticUserError as error:
            raise SchemaError(
                f"There is no JSON representation for {type_name(kind)}: {str(error.message).rstrip('.')}.",
                "Define the types it names first, and leave out those that JSON lacks.",
            ) from error
        for each, definition in schema.pop("$defs", {}).items():
            self.definitions[f"{prefix}{each}"] = definition
        return schema, adapter.validate_python


def _schema_generator() -> Any:  # noqa: ANN401 - a class of pydantic
    """A schema generator of pydantic for what a language model can write: Decimal as a number only, typed keys."""
    from pydantic.json_schema import GenerateJsonSchema  # noqa: PLC0415 - see above

    class Generator(GenerateJsonSchema):
        def decimal_schema(self, schema: Any) -> Any:  # noqa: ANN401
            described = super().decimal_schema(schema)
            return described.get("anyOf", [described])[0]

        def dict_schema(self, schema: Any) -> Any:  # noqa: ANN401
            described = super().dict_schema(schema)
            keys = schema.get("keys_schema", {})
            if keys.get("type") == "int":
                described["propertyNames"] = {"type": "string", "format": INTEGER}
            elif keys.get("type") == "enum":
                described["propertyNames"] = {"enum": [str(member.value) for member in keys["members"]]}
            elif keys.get("type") in _NO_KEYS:
                raise SchemaError(
                    f"There is no JSON representation for keys of the type {keys['type']}.", "Use str for the keys."
                )
            return described

    return Generator


def _is_known(kind: Any, known: Any) -> bool:  # noqa: ANN401
    """Whether a type is in a collection; an annotation may be unhashable."""
    try:
        return kind in known
    except TypeError:
        return False
