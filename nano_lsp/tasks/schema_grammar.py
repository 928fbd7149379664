"""Compiles JSON schemas to grammars (GBNF), so that the model can only write JSON that the schema allows.

Supports the part of JSON Schema 2020-12 that a grammar can enforce, and refuses the rest. Whitespace is fixed, one
space after commas and colons, as models write it: free whitespace would let them generate it without end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any

from nano_lsp.errors import SchemaError
from nano_lsp.tasks.number_grammar import number_range
from nano_lsp.tasks.schema_parts import (
    MAX_DEPTH,
    SHAPING,
    Schema,
    check_distinct,
    finite_values,
    flatten,
    has_finite_value,
    is_number_as_text,
    merge,
    repeated_items,
    resolve,
    to_json,
    too_deep,
)
from nano_lsp.tasks.string_formats import FORMATS

MAX_REPEATED = 1000
"""llama.cpp's limit of repetitions: bounds of longer strings and arrays are only validated afterwards."""
_MAX_LISTED = 64  # values or names in a selection
_ANY_DEPTH = 2  # levels of a value that may be anything
_MAX_DECIMALS = 6  # of a number with bounds; bounds with more decimals are rounded inwards
_FAR = 10**15  # bound of an open range: doubles are exact up to there
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_REFUSED = (
    *("pattern", "multipleOf", "contains", "minContains", "maxContains", "patternProperties"),
    *("dependentRequired", "dependentSchemas", "dependencies", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"),
)
_CHAR = r'([^"\\\x00-\x1F\x7F] | "\\" ["\\/bfnrt])'
_INTEGER = '"-"? ("0" | [1-9] [0-9]{0,14})'
_NUMBER = _INTEGER + ' ("." [0-9]{1,12})?'


def compile_schema(schema: Schema) -> str:
    """GBNF for the JSON documents that a schema allows.

    Raises:
        SchemaError: The schema is invalid, contradictory, infinitely recursive, or has keywords that no grammar can
            enforce; the error's `path` has the property names that lead there.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes 50 ms to import, needed for schemas only
    from jsonschema.exceptions import SchemaError as InvalidSchemaError  # noqa: PLC0415

    try:
        Draft202012Validator.check_schema(schema)
    except InvalidSchemaError as error:
        where = f" (in {'/'.join(map(str, error.absolute_path))!r})" if error.absolute_path else ""
        raise SchemaError(
            f"This is not a valid JSON schema: {error.message}{where}.", "Correct it (JSON Schema 2020-12)."
        ) from error
    except RecursionError:
        raise too_deep() from None
    compiler = _Compiler(schema)
    try:
        root = compiler.root()
    except SchemaError as error:
        error.path = tuple(compiler.path)
        raise
    gbnf = "\n".join([f"root ::= {root}", *(f"{name} ::= {body}" for name, body in compiler.rules.items())]) + "\n"
    if any(0xD800 <= ord(char) < 0xE000 for char in gbnf):
        raise SchemaError("The JSON schema contains a lone surrogate.", "Remove it.")
    return gbnf


def deduplicate_items(value: Any, schema: Schema) -> Any:  # noqa: ANN401 - any JSON
    """A value without duplicates in arrays with `uniqueItems`, which no grammar can enforce."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above

    value = deepcopy(value)
    if "uniqueItems" not in json.dumps(schema):
        return value
    for path in list(repeated_items(Draft202012Validator(schema).iter_errors(value))):
        found: Any = value
        for step in path:
            found = found[step]
        found[:] = list({to_json(each): each for each in found}.values())
    return value


def validation_error(value: object, schema: Schema) -> str:
    """Why a value from `json.loads` violates a schema that `compile_schema` accepts; empty for a valid value."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above

    error = next(iter(Draft202012Validator(schema).iter_errors(value)), None)
    return "" if error is None else f"{'/'.join(map(str, error.path)) or 'the value'}: {error.message}"


class _Compiler:
    """Compiles one schema.

    Attributes:
        rules: Bodies of rules, by name.
        path: Property names that lead to the current part of the schema.
    """

    def __init__(self, root: Schema) -> None:
        self.rules: dict[str, str] = {}
        self.path: list[str] = []
        self._root = root
        self._is_recursive = False
        self._names: dict[str, str] = {}  # names of rules, by body
        self._followed: dict[str, str] = {}  # names of rules, by references
        self._open: list[str] = []  # references being followed
        self._open_here: list[str] = []  # those followed since the last bracket
        self._depth = 0

    def root(self) -> str:
        """The name of the rule for the whole schema."""
        name = self.value(self._root)
        if self._is_recursive and not has_finite_value(self._root, self._root):
            raise SchemaError(
                "A value of the JSON schema would have no end: it contains itself.",
                "Make the inner value optional or nullable.",
            )
        return name

    def value(self, schema: Schema | bool) -> str:
        """The name of the rule for a schema's values."""
        if schema is True:
            return self._anything(_ANY_DEPTH)
        if schema is False or not isinstance(schema, Mapping):
            raise SchemaError("A part of the JSON schema allows no value at all.", "Remove that part.")
        refused = [word for word in _REFUSED if schema.get(word) not in (None, False)]
        if refused:
            raise SchemaError(
                f"A grammar cannot enforce {refused[0]!r} of a JSON schema.",
                "Remove it, and validate the value yourself.",
            )
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep()
        try:
            return self._define(self._body(schema))
        finally:
            self._depth -= 1

    def _body(self, schema: Schema) -> str:  # noqa: PLR0911 - one return per form
        if SHAPING & schema.keys() == {"$ref"}:
            return self._reference(schema["$ref"])
        if SHAPING & schema.keys() == {"allOf"} and len(schema["allOf"]) == 1:
            return self.value(schema["allOf"][0])
        flat = flatten(self._root, schema)
        if flat is not schema:
            return self.value(flat)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                beside = {name: value for name, value in schema.items() if name in SHAPING - {word}}
                return self._alternatives(schema[word], beside, distinct=word == "oneOf")
        if "enum" in schema or "const" in schema:
            return self._listed(schema)
        types = schema.get("type", _guess_type(schema))
        if isinstance(types, str):
            return self._typed(types, schema)
        return " | ".join(self._define(self._typed(each, schema)) for each in types)

    def _alternatives(self, schemas: Sequence[Schema | bool], beside: Schema, *, distinct: bool) -> str:
        """Each alternative, merged with the keywords beside `anyOf` or `oneOf`."""
        if distinct:
            check_distinct(self._root, schemas)
        has_number = any(isinstance(each, Mapping) and each.get("type") == "number" for each in schemas)
        kept = [each for each in schemas if not (has_number and is_number_as_text(each)) and each is not False]
        if not kept:
            raise SchemaError("All alternatives of the JSON schema allow no value at all.", "Remove that part.")
        merged = [merge(flatten(self._root, each), beside) if beside else each for each in kept]
        return " | ".join(dict.fromkeys(self.value(each) for each in merged))

    def _reference(self, pointer: str) -> str:
        if pointer in self._open_here:
            raise SchemaError(f"The JSON schema is recursive: {pointer} refers only to itself.", "Correct it.")
        self._is_recursive |= pointer in self._open
        if pointer not in self._followed:
            self._followed[pointer] = f"ref{len(self._followed)}"
            self._open.append(pointer)
            self._open_here.append(pointer)
            self.rules[self._followed[pointer]] = self.value(resolve(self._root, pointer))
            self._open_here.pop()
            self._open.pop()
        return self._followed[pointer]

    def _within(self, schema: Schema | bool, name: str = "") -> str:
        """The rule of a schema within brackets: of a property's value, if it has a name, or of an item."""
        here, self._open_here = self._open_here, []
        self.path += [name] * bool(name)
        rule = self.value(schema)
        if name:
            self.path.pop()
        self._open_here = here
        return rule

    def _listed(self, schema: Schema) -> str:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        fitting = [value for value in values if not validation_error(value, schema)]
        if not fitting:
            raise SchemaError(
                "Other keywords of the JSON schema exclude all values of its 'enum'.", "Correct 'enum'."
            )
        return " | ".join(gbnf_literal(to_json(value)) for value in fitting)

    def _typed(self, kind: str, schema: Schema) -> str:
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "string":
            if schema.get("format") in FORMATS:
                return rf'"\"" ({FORMATS[schema["format"]]}) "\""'
            low, high = _bounds(schema, "minLength", "maxLength")
            return rf'"\"" {_repeat(self._define(_CHAR), low, high)} "\""'
        if kind in {"integer", "number"}:
            return _number(schema, whole=kind == "integer")
        return '"true" | "false"' if kind == "boolean" else '"null"'

    def _array(self, schema: Schema) -> str:
        low, high = _bounds(schema, "minItems", "maxItems")
        first = list(schema.get("prefixItems", ()))[:high]
        items = schema.get("items", len(first) < low or not schema.get("prefixItems"))
        if schema.get("uniqueItems") and not first:
            values = finite_values(self._root, items)
            if values is not None and len(values) <= _MAX_LISTED:
                members = [(gbnf_literal(to_json(value)), False) for value in values]
                return f'"[" {self._selection(members, low, high)} "]"'
        parts = [self._within(each) for each in first]
        low, high = max(0, low - len(parts)), None if high is None else high - len(parts)
        if items is False or high == 0:
            if low:
                raise SchemaError("A JSON schema requires more items than it allows.", "Correct 'minItems'.")
            return " ".join(['"["', ' ", " '.join(parts), '"]"'])
        item = self._within(items)
        following = self._define(f'", " {item}')  # a separate rule: llama.cpp counts all symbols that are repeated
        if parts:
            listed = ' ", " '.join(parts) + " " + _repeat(following, low, high)
        elif low:
            listed = f"{item} {_repeat(following, low - 1, None if high is None else high - 1)}"
        else:
            listed = f"({item} {_repeat(following, 0, None if high is None else high - 1)})?"
        return f'"[" {listed} "]"'

    def _object(self, schema: Schema) -> str:
        properties: Mapping[str, Schema | bool] = schema.get("properties", {})
        required = list(schema.get("required", ()))
        more = schema.get("additionalProperties", not properties)
        names = schema.get("propertyNames", True)
        listed = finite_values(self._root, names) if more is not False else None
        low, high = _bounds(schema, "minProperties", "maxProperties")
        unknown = [name for name in sorted(required) if name not in properties]
        if unknown and more is False:
            raise SchemaError(
                f"A JSON schema requires {unknown[0]!r} but allows no such property.", "Correct 'required'."
            )
        extra = [name for name in listed or () if isinstance(name, str) and name not in properties]
        if len(extra) > _MAX_LISTED:
            raise SchemaError(f"A JSON schema lists more than {_MAX_LISTED} property names.", "List fewer.")
        members: list[tuple[str, bool]] = []
        for name in dict.fromkeys([*properties, *unknown, *extra]):
            if properties.get(name) is False and name not in required:
                continue
            value = self._within(properties.get(name, more), name)
            members.append((f"{gbnf_literal(to_json(name) + ': ')} {value}", name in required))
        if members or more is False or listed is not None:
            return f'"{{" {self._selection(members, low, high)} "}}"'
        if names is True:
            name = rf'"\"" {_repeat(self._define(_CHAR), 1, 40)} "\""'
        else:
            name = self.value(merge({"type": "string"}, flatten(self._root, names)))
        member = self._define(f'{name} ": " {self._within(more)}')
        following = self._define(f'", " {member}')
        if low:
            return f'"{{" {member} {_repeat(following, low - 1, None if high is None else high - 1)} "}}"'
        if high == 0:
            return '"{}"'
        return f'"{{" ({member} {_repeat(following, 0, None if high is None else high - 1)})? "}}"'

    def _selection(self, members: Sequence[tuple[str, bool]], low: int = 0, high: int | None = None) -> str:
        """Members in order with commas between, from low to high of them in all; a flag marks required ones."""
        limit = len(members) if high is None else min(high, len(members))
        cap = max(1, low, limit if limit < len(members) else 0)  # counting further makes no difference
        rest = [('""' if n >= low else "") for n in range(cap + 1)]  # rule after n members; empty: not allowed
        for member, required in reversed(members):
            before: list[str] = []
            for n in range(cap + 1):
                after = rest[min(n + 1, cap)] if limit == len(members) or n < limit else ""
                ways = [f"""{'", " ' * bool(n)}{member} {after}"""] if after else []
                ways += [rest[n]] if rest[n] and not required else []
                before.append(self._define(" | ".join(ways)) if ways else "")
            rest = before
        if not rest[0]:
            raise SchemaError("A JSON schema requires more, or fewer, members than it names.", "Correct its bounds.")
        return rest[0]

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
        """The name of the rule with a body; equal bodies share one rule."""
        if body not in self._names:
            self._names[body] = f"r{len(self._names)}"
            self.rules[self._names[body]] = body
        return self._names[body]


def _guess_type(schema: Schema) -> Sequence[str]:
    """The types of a schema without `type`, by its keywords; all types if they tell nothing."""
    for kind, keywords in {
        "object": (
            "properties",
            "required",
            "additionalProperties",
            "propertyNames",
            "minProperties",
            "maxProperties",
        ),
        "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        "string": ("minLength", "maxLength", "format"),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    }.items():
        if any(keyword in schema for keyword in keywords):
            return (kind,)
    return tuple(kind for kind in _TYPES if kind != "integer")


def _bounds(schema: Schema, minimum: str, maximum: str) -> tuple[int, int | None]:
    low, high = int(schema.get(minimum, 0)), schema.get(maximum)
    if high is not None and low > high:
        raise SchemaError(f"In a JSON schema {minimum!r} is {low}, and {maximum!r} {high}.", "Correct one of them.")
    if low > MAX_REPEATED:
        raise SchemaError(f"In a JSON schema {minimum!r} is {low:,}.", f"The maximum is {MAX_REPEATED:,}.")
    return low, None if high is None or high > MAX_REPEATED else int(high)


def _repeat(item: str, low: int, high: int | None) -> str:
    if high is None:
        return f"{item}{{{low},}}" if low else f"{item}*"
    return f"{item}{{{low},{high}}}"


def _number(schema: Schema, *, whole: bool) -> str:
    words = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    bounds = {word: Decimal(str(schema[word])) for word in words if word in schema}
    for word, bound in list(bounds.items()):
        if bound.is_nan():
            raise SchemaError(f"In a JSON schema {word!r} is not a number.", "Correct it.")
        if abs(bound) > _FAR:
            if (bound > 0) == ("inimum" in word):
                raise SchemaError(f"In a JSON schema {word!r} is beyond {_FAR:,}.", "Choose a smaller bound.")
            bounds[word] = Decimal(_FAR).copy_sign(bound)  # no longer number is written
    if not bounds:
        return _INTEGER if whole else _NUMBER
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
        raise SchemaError("The bounds of a number in the JSON schema allow no number.", "Correct one of them.")
    return number_range(low, high, decimals)


def gbnf_literal(text: str) -> str:
    """A text as a GBNF literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
