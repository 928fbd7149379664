"""Parts of JSON schemas: references, `allOf`, alternatives, lists of values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

from nano_lsp.errors import SchemaError

Schema: TypeAlias = Mapping[str, Any]

SHAPING = {
    *("type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties"),
    *("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "format", "pattern"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("propertyNames", "minProperties", "maxProperties"),
}
"""Keywords that constrain values; others are annotations."""
_LOWER = ("minimum", "exclusiveMinimum", "minItems", "minLength", "minProperties")  # merged to the greater
_UPPER = ("maximum", "exclusiveMaximum", "maxItems", "maxLength", "maxProperties")
MAX_DEPTH = 32
"""Maximum nesting of a schema."""


def too_deep() -> SchemaError:
    """The error for a schema that is nested too deeply."""
    return SchemaError(f"The JSON schema is nested more than {MAX_DEPTH} levels deep.", "Flatten it.")


def resolve(root: Schema, pointer: str) -> Schema | bool:
    """The schema that a reference points to: a JSON pointer in a URI's fragment (RFC 6901, section 6).

    Raises:
        SchemaError: The target does not exist or is not a schema.
    """
    base, *parts = unquote(pointer).split("/")
    try:
        found: Any = {"#": root}[base]
        for part in parts:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise SchemaError(
            f"The JSON schema refers to {pointer}, which it does not contain.",
            "Define it under '$defs'; other files are not read.",
        ) from error
    if not isinstance(found, Mapping | bool):
        raise SchemaError(f"The JSON schema refers to {pointer}, which is not a schema.", "Define it under '$defs'.")
    return found


def flatten(root: Schema, schema: Schema | bool) -> Schema | bool:
    """A schema with its `$ref` and `allOf` merged into it; alternatives are kept.

    Raises:
        SchemaError: The parts cannot be merged, or the schema refers to itself.
    """
    for _ in range(MAX_DEPTH):
        if not isinstance(schema, Mapping):
            return schema
        beside = {word: value for word, value in schema.items() if word not in {"$ref", "allOf"}}
        parts = [resolve(root, schema["$ref"])] if "$ref" in schema else []
        parts += schema.get("allOf", ())
        if not parts:
            return schema
        schema = beside
        for part in parts:
            schema = merge(schema, part)
    raise too_deep()


def merge(one: Schema | bool, two: Schema | bool) -> Schema | bool:
    """The intersection of two schemas.

    Raises:
        SchemaError: They cannot be merged.
    """
    if not isinstance(one, Mapping) or not isinstance(two, Mapping):
        return two if one is True else one if two is True else False
    merged = dict(one)
    for word, value in two.items():
        if word not in merged or merged[word] == value or word not in SHAPING:
            merged.setdefault(word, value)
        elif word in _LOWER:
            merged[word] = max(merged[word], value)
        elif word in _UPPER:
            merged[word] = min(merged[word], value)
        elif word == "required":
            merged[word] = list(dict.fromkeys([*merged[word], *value]))
        elif word == "properties":
            shared = {name: merge(merged[word][name], value[name]) for name in merged[word].keys() & value.keys()}
            merged[word] = {**merged[word], **value, **shared}
        else:
            raise SchemaError(f"Two parts of the JSON schema differ in {word!r}.", "Merge them.")
    return merged


def finite_values(root: Schema, schema: Schema | bool) -> list[Any] | None:
    """The values of a schema that lists them; None for other schemas."""
    schema = flatten(root, schema)
    if not isinstance(schema, Mapping):
        return None
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("type") == "boolean":
        return [False, True]
    found: list[Any] = []
    for each in schema.get("anyOf", schema.get("oneOf", ())):
        listed = finite_values(root, each)
        if listed is None:
            return None
        found += [value for value in listed if value not in found]
    return found or None


def has_finite_value(root: Schema, schema: Schema | bool, within: frozenset[str] = frozenset()) -> bool:
    """Whether a schema has a value of finite size: a recursive schema must not require itself."""
    if not isinstance(schema, Mapping):
        return bool(schema)
    parts = list(schema.get("allOf", ()))
    if schema.get("minItems", 0) > len(schema.get("prefixItems", ())) and "items" in schema:
        parts.append(schema["items"])
    parts += schema.get("prefixItems", ())[: schema.get("minItems", 0)]
    parts += [schema.get("properties", {}).get(name, True) for name in schema.get("required", ())]
    if not all(has_finite_value(root, part, within) for part in parts):
        return False
    pointer = schema.get("$ref")
    if pointer is not None and (
        pointer in within or not has_finite_value(root, resolve(root, pointer), within | {pointer})
    ):
        return False
    alternatives = schema.get("anyOf", schema.get("oneOf"))
    return alternatives is None or any(has_finite_value(root, each, within) for each in alternatives)


def is_number_as_text(schema: Schema | bool) -> bool:
    """Whether a schema has numbers as strings, pydantic's alternative to a number for Decimal."""
    pattern = schema.get("pattern") if isinstance(schema, Mapping) and schema.get("type") == "string" else None
    try:
        return bool(pattern and re.search(pattern, "12.5") and not re.search(pattern, "a"))
    except re.error:
        return False


def check_distinct(root: Schema, schemas: Iterable[Any]) -> None:
    """Check that no value can match two alternatives of `oneOf`.

    Raises:
        SchemaError: Two alternatives may overlap.
    """
    seen: list[Any] = []
    for schema in schemas:
        if any(_may_overlap(root, schema, other) for other in seen):
            raise SchemaError(
                "A value may match two alternatives of 'oneOf' in the JSON schema.",
                "Use 'anyOf', or give each object a 'const' property of its own.",
            )
        seen.append(schema)


def _may_overlap(root: Schema, one: Any, two: Any) -> bool:  # noqa: ANN401 - parts of a schema
    one, two = flatten(root, one), flatten(root, two)
    if not (isinstance(one, Mapping) and isinstance(two, Mapping)):
        return True
    values = [finite_values(root, each) for each in (one, two)]
    if values[0] is not None and values[1] is not None:
        return bool({to_json(value) for value in values[0]} & {to_json(value) for value in values[1]})
    types = [_type_names(each) for each in (one, two)]
    if types[0] and types[1] and not types[0] & types[1]:
        return False
    shared = set(one.get("required", ())) & set(two.get("required", ()))
    properties = one.get("properties", {}), two.get("properties", {})
    return not any(
        name in properties[0]
        and name in properties[1]
        and not _may_overlap(root, properties[0][name], properties[1][name])
        for name in shared
    )


def _type_names(schema: Schema) -> set[str]:
    """The types that a schema names, with integer as number; empty for none."""
    named = schema.get("type", ())
    return {"number" if kind == "integer" else kind for kind in ([named] if isinstance(named, str) else named)}


def repeated_items(errors: Iterable[Any]) -> Iterator[list[str | int]]:
    """Paths of the arrays with duplicates that `uniqueItems` forbids, from the errors of jsonschema."""
    for error in errors:
        if error.validator == "uniqueItems":
            yield list(error.absolute_path)
        yield from repeated_items(error.context or ())


def to_json(value: object) -> str:
    """A value as the JSON that the model writes."""
    return json.dumps(value, ensure_ascii=False)
