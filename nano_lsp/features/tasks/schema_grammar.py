"""JSON schemas as grammars (GBNF): what the model writes under one is JSON that the schema allows.

A part of JSON Schema 2020-12: what a grammar cannot keep is refused, so nothing is promised that does not hold. The
form is fixed, one blank behind commas and colons, as models write it and without room to run away in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from nano_lsp.errors import SchemaError
from nano_lsp.features.tasks.numbers import integers

Schema: TypeAlias = Mapping[str, Any]

MAX_REPEATED = 1000
"""More repetitions are more than llama.cpp takes: longer strings and arrays are only checked afterwards."""
_MAX_DEPTH = 32
_ANY_DEPTH = 2  # of a value that may be anything
_MAX_DECIMALS = 6  # of a number with bounds; what a bound has behind them narrows the range
_FAR = 10**15  # where a range without an end ends: doubles are exact up to there
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_REFUSED = (
    *("pattern", "multipleOf", "uniqueItems", "contains", "minContains", "maxContains"),
    *(
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
    ),
    *("not", "if", "then", "else", "unevaluatedItems", "unevaluatedProperties"),
    *("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"),
)
_SHAPING = {
    *("type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties"),
    *("items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
_CHAR = r'([^"\\\x00-\x1F\x7F] | "\\" ["\\/bfnrt])'
_INTEGER = '"-"? ("0" | [1-9] [0-9]{0,14})'
_NUMBER = _INTEGER + ' ("." [0-9]{1,12})?'


def compile_schema(schema: Schema) -> str:
    """GBNF for the JSON documents that a schema allows.

    Raises:
        SchemaError: it is no JSON schema, contradicts itself, refers to itself, or uses what no grammar can keep.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - a twentieth of a second that only schemas need
    from jsonschema.exceptions import SchemaError as InvalidSchemaError  # noqa: PLC0415

    try:
        Draft202012Validator.check_schema(schema)
    except InvalidSchemaError as error:
        raise SchemaError(f"This is no JSON schema: {error.message}", "Correct it (JSON Schema 2020-12).") from error
    except RecursionError:
        raise _too_deep() from None
    compiler = _Compiler(schema)
    root = compiler.value(schema)
    gbnf = "\n".join([f"root ::= {root}", *(f"{name} ::= {body}" for name, body in compiler.rules.items())]) + "\n"
    if any(0xD800 <= ord(char) < 0xE000 for char in gbnf):
        raise SchemaError("The JSON schema has half a character in it.", "Correct its text.")
    return gbnf


def find_fault(value: object, schema: Schema) -> str:
    """Why a value is not what a schema allows; empty where it is.

    Args:
        value: as `json.loads` gives it.
        schema: that `compile_schema` has taken.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above

    error = next(iter(Draft202012Validator(schema).iter_errors(value)), None)
    return "" if error is None else f"{'/'.join(map(str, error.path)) or 'the value'}: {error.message}"


def _too_deep() -> SchemaError:
    return SchemaError(f"The JSON schema is nested more than {_MAX_DEPTH} levels deep.", "Flatten it.")


class _Compiler:
    """One schema on its way to a grammar."""

    def __init__(self, root: Schema) -> None:
        self.rules: dict[str, str] = {}
        self._root = root
        self._names: dict[str, str] = {}  # of rules, by what they say
        self._open: list[str] = []  # references that are being followed
        self._followed: dict[str, str] = {}
        self._depth = 0

    def value(self, schema: Schema | bool) -> str:
        """The name of the rule for a schema's values."""
        if schema is True:
            return self._anything(_ANY_DEPTH)
        if schema is False or not isinstance(schema, Mapping):
            raise SchemaError("A part of the JSON schema allows no value at all.", "Leave that part out.")
        refused = [word for word in _REFUSED if schema.get(word) not in (None, False)]
        if refused:
            raise SchemaError(
                f"A grammar cannot keep {refused[0]!r} of a JSON schema.",
                "Leave it out, and check the value yourself.",
            )
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _too_deep()
        try:
            return self._define(self._body(schema))
        finally:
            self._depth -= 1

    def _body(self, schema: Schema) -> str:
        for word in ("$ref", "anyOf", "oneOf", "allOf"):
            if word in schema:
                beside = sorted((_SHAPING & schema.keys()) - {word})
                if beside:
                    raise SchemaError(
                        f"A JSON schema has {word!r} and {beside[0]!r} side by side.", f"Write {word!r} alone."
                    )
        if "$ref" in schema:
            return self._reference(schema["$ref"])
        if "allOf" in schema:
            if len(schema["allOf"]) != 1:
                raise SchemaError("'allOf' with several schemas cannot be used.", "Write them as one.")
            return self.value(schema["allOf"][0])
        if "oneOf" in schema:
            _check_distinct(schema["oneOf"])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return " | ".join(dict.fromkeys(self.value(each) for each in schema[word]))
        if "enum" in schema or "const" in schema:
            return self._listed(schema)
        types = schema.get("type", _guess_type(schema))
        if isinstance(types, str):
            return self._typed(types, schema)
        return " | ".join(self._define(self._typed(each, schema)) for each in types)

    def _reference(self, pointer: str) -> str:
        if pointer in self._open:
            raise SchemaError(
                f"The JSON schema is recursive: {pointer} contains itself.", "Write out as many levels as you need."
            )
        if pointer not in self._followed:
            self._open.append(pointer)
            self._followed[pointer] = self.value(_resolve(self._root, pointer))
            self._open.pop()
        return self._followed[pointer]

    def _listed(self, schema: Schema) -> str:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        fitting = [value for value in values if not find_fault(value, schema)]
        if not fitting:
            raise SchemaError("A JSON schema lists only values that it rules out elsewhere.", "Correct 'enum'.")
        return " | ".join(gbnf_literal(_to_json(value)) for value in fitting)

    def _typed(self, kind: str, schema: Schema) -> str:
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "string":
            low, high = _bounds(schema, "minLength", "maxLength")
            return rf'"\"" {_repeat(self._define(_CHAR), low, high)} "\""'
        if kind in {"integer", "number"}:
            return _number(schema, whole=kind == "integer")
        return '"true" | "false"' if kind == "boolean" else '"null"'

    def _array(self, schema: Schema) -> str:
        low, high = _bounds(schema, "minItems", "maxItems")
        first = list(schema.get("prefixItems", ()))[:high]
        items = schema.get("items", len(first) < low or not schema.get("prefixItems"))
        parts = [self.value(each) for each in first]
        low, high = max(0, low - len(parts)), None if high is None else high - len(parts)
        if items is False or high == 0:
            if low:
                raise SchemaError("A JSON schema asks for more items than it allows.", "Correct 'minItems'.")
            return " ".join(['"["', ' ", " '.join(parts), '"]"'])
        item = self.value(items)
        following = self._define(f'", " {item}')  # a rule of its own: llama.cpp counts all symbols that are repeated
        if parts:
            listed = ' ", " '.join(parts) + " " + _repeat(following, low, high)
        elif low:
            listed = f"{item} {_repeat(following, low - 1, None if high is None else high - 1)}"
        else:
            listed = f"({item} {_repeat(following, 0, None if high is None else high - 1)})?"
        return f'"[" {listed} "]"'

    def _object(self, schema: Schema) -> str:
        properties: Mapping[str, Schema | bool] = schema.get("properties", {})
        required = set(schema.get("required", ()))
        more = schema.get("additionalProperties", not properties)
        unknown = sorted(required - properties.keys())
        if unknown and more is False:
            raise SchemaError(
                f"A JSON schema requires {unknown[0]!r} and allows no such property.", "Correct 'required'."
            )
        members: list[tuple[str, bool]] = []
        for name in [*properties, *unknown]:
            if properties.get(name) is False and name not in required:
                continue
            value = self.value(properties.get(name, more))
            members.append((f"{gbnf_literal(_to_json(name) + ': ')} {value}", name in required))
        if members or more is False:
            return f'"{{" {self._members(members)} "}}"'
        name = rf'"\"" {_repeat(self._define(_CHAR), 1, 40)} "\""'
        member = self._define(f'{name} ": " {self.value(more)}')
        return f'"{{" ({member} (", " {member})*)? "}}"'

    def _members(self, members: Sequence[tuple[str, bool]]) -> str:
        """Members in order, each with a comma before it unless it is the first of those that are written."""
        behind, alone = '""', '""'  # what may follow when something stands before, and when nothing does
        for member, needed in reversed(members):
            with_comma, without = f'", " {member} {behind}', f"{member} {behind}"
            behind = self._define(with_comma if needed else f"{with_comma} | {behind}")
            alone = self._define(without if needed else f"{without} | {alone}")
        return alone

    def _anything(self, depth: int) -> str:
        schema: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
        if depth:
            inner = self._anything(depth - 1)
            text = self._define(rf'"\"" {self._define(_CHAR)}* "\""')
            return self._define(
                f'{self.value(schema)} | "[" ({inner} (", " {inner})*)? "]"'
                f' | "{{" ({text} ": " {inner} (", " {text} ": " {inner})*)? "}}"'
            )
        return self.value(schema)

    def _define(self, body: str) -> str:
        """The name of a rule; the same for what says the same."""
        if body not in self._names:
            self._names[body] = f"r{len(self._names)}"
            self.rules[self._names[body]] = body
        return self._names[body]


def _guess_type(schema: Schema) -> Sequence[str]:
    """The types that a schema without one has words for; all types where it has none."""
    for kind, words in {
        "object": ("properties", "required", "additionalProperties"),
        "array": ("items", "prefixItems", "minItems", "maxItems"),
        "string": ("minLength", "maxLength"),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    }.items():
        if any(word in schema for word in words):
            return (kind,)
    return tuple(kind for kind in _TYPES if kind != "integer")


def _resolve(root: Schema, pointer: str) -> Schema | bool:
    """What a reference within a schema leads to (RFC 6901)."""
    base, *parts = pointer.split("/")
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
        raise SchemaError(f"The JSON schema refers to {pointer}, which is no schema.", "Define it under '$defs'.")
    return found


def _bounds(schema: Schema, least: str, most: str) -> tuple[int, int | None]:
    low, high = int(schema.get(least, 0)), schema.get(most)
    if high is not None and low > high:
        raise SchemaError(f"In a JSON schema {least!r} is {low}, and {most!r} {high}.", "Correct one of them.")
    if low > MAX_REPEATED:
        raise SchemaError(f"In a JSON schema {least!r} is {low:,}.", f"It can be {MAX_REPEATED:,} at most.")
    return low, None if high is None or high > MAX_REPEATED else int(high)


def _repeat(item: str, low: int, high: int | None) -> str:
    if high is None:
        return f"{item}{{{low},}}" if low else f"{item}*"
    return f"{item}{{{low},{high}}}"


def _number(schema: Schema, *, whole: bool) -> str:
    words = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    bounds = {word: Decimal(str(schema[word])) for word in words if word in schema}
    if not bounds:
        return _INTEGER if whole else _NUMBER
    if any(abs(bound) > _FAR for bound in bounds.values()):
        raise SchemaError(f"A bound in the JSON schema is beyond {_FAR:,}.", "Choose a smaller one.")
    exact = [-int(bound.normalize().as_tuple().exponent) for bound in bounds.values()]
    decimals = 0 if whole else min(max(2, *exact), _MAX_DECIMALS)
    scale = 10**decimals
    lows = [math.ceil(bounds["minimum"] * scale)] if "minimum" in bounds else []
    lows += [math.floor(bounds["exclusiveMinimum"] * scale) + 1] if "exclusiveMinimum" in bounds else []
    highs = [math.floor(bounds["maximum"] * scale)] if "maximum" in bounds else []
    highs += [math.ceil(bounds["exclusiveMaximum"] * scale) - 1] if "exclusiveMaximum" in bounds else []
    low = max(lows) if lows else min(0, *highs) - _FAR * scale
    high = min(highs) if highs else max(0, low) + _FAR * scale
    if low > high:
        raise SchemaError("The bounds of a number in the JSON schema leave no number.", "Correct one of them.")
    return integers(low, high, decimals)


def _check_distinct(schemas: Iterable[Any]) -> None:
    """Refuse alternatives of which a value may fit two.

    Raises:
        SchemaError: two of them may overlap.
    """
    seen: list[Any] = []
    for schema in schemas:
        if any(_may_overlap(schema, other) for other in seen):
            raise SchemaError(
                "Of 'oneOf' in the JSON schema a value may fit two alternatives.",
                "Use 'anyOf', or give each object a 'const' property of its own.",
            )
        seen.append(schema)


def _may_overlap(one: Any, two: Any) -> bool:  # noqa: ANN401 - parts of a schema
    if not (isinstance(one, Mapping) and isinstance(two, Mapping)):
        return True
    values = [each.get("enum", [each["const"]] if "const" in each else None) for each in (one, two)]
    if values[0] is not None and values[1] is not None:
        return bool({_to_json(value) for value in values[0]} & {_to_json(value) for value in values[1]})
    types = [_type_names(each) for each in (one, two)]
    if types[0] and types[1] and not types[0] & types[1]:
        return False
    shared = set(one.get("required", ())) & set(two.get("required", ()))
    properties = one.get("properties", {}), two.get("properties", {})
    return not any(
        name in properties[0] and name in properties[1] and not _may_overlap(properties[0][name], properties[1][name])
        for name in shared
    )


def _type_names(schema: Schema) -> set[str]:
    """The types that a schema names, an integer being a number; empty where it names none."""
    named = schema.get("type", ())
    return {"number" if kind == "integer" else kind for kind in ([named] if isinstance(named, str) else named)}


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def gbnf_literal(text: str) -> str:
    """A text as GBNF has it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
