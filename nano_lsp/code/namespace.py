"""Description of the variables of a running program in lines that read like Python: types, shapes, signatures.

Nothing here runs code of the objects described: no repr, str, len, property or `__class__` of theirs. The attributes
of data frames and arrays of known libraries are read. The module needs only the standard library and Python 3.8, so
that its source can be sent to any kernel.
"""

from __future__ import annotations

import re
import sys
import types
from keyword import iskeyword
from typing import Any, Iterable, List, Mapping, Optional, Tuple

_MAX_COLUMNS = 20
_MAX_METHODS = 12
_MAX_LOOKED_AT = 50
_MAX_TEXT = 80
_MAX_ITEMS = 12
_MAX_BITS = 128
_OF_IPYTHON = {"In", "Out", "exit", "quit", "get_ipython", "open"}
_SECRET_WORDS = {
    *("password", "passwords", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "tokens", "key", "keys"),
    *("apikey", "credential", "credentials", "creds", "auth", "bearer", "cookie", "cookies", "pin", "salt", "otp"),
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_TEXT = re.compile(
    r"(sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[a-z]|hf|pypi|npm)[-_]\w|(AKIA|ASIA|AIza|eyJ)\w"
    r"|.*-----BEGIN |.*://[^/\s]*:[^/\s]*@",
    re.DOTALL,
)
_LONG_WORD = re.compile(
    r"(?=[\w+=~-]*\d)(?=[\w+=~-]*[A-Za-z])[\w+=~-]{20,}|(?=\S*\d)(?=\S*[a-z])(?=\S*[A-Z])[\w+/=~-]{32,}"
)
_KNOWN = {  # the classes whose own attributes are read
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "Series"),
    "numpy": ("ndarray",),
    "torch": ("Tensor",),
}
_SCALARS = (bool, int, float, complex, str, bytes, type(None))
_CONTAINERS = (list, tuple, set, frozenset)
_MISSING = object()


def describe(
    namespace: Mapping[str, Any],
    mentioned: Optional[Iterable[str]] = None,
    *,
    values: bool = False,
    limit: int = 40,
) -> List[str]:
    """Describe variables in the order they were bound in; the newest ones if there are too many.

    Args:
        namespace: Mapping from names to values.
        mentioned: Names to describe; None for all. Private names and those of IPython are always left out.
        values: Whether to show short plain values as well, unless a name or a text looks like a secret.
        limit: Maximum number of names.

    Returns:
        One entry of one line per name; a class has another line for each public method.
    """
    wanted = None if mentioned is None else set(mentioned)
    home = namespace.get("__name__")
    chosen = [
        name
        for name in list(namespace)
        if type(name) is str
        and name.isidentifier()
        and not iskeyword(name)  # no code can name it
        and not name.startswith("_")
        and name not in _OF_IPYTHON
        and (wanted is None or name in wanted)
    ]
    entries = []
    for name in chosen[len(chosen) - min(limit, len(chosen)) :]:
        value = namespace.get(name, _MISSING)
        if value is _MISSING:  # deleted in the meantime
            continue
        try:
            entries.append(_entry(name, value, home, values))
        except Exception:  # noqa: BLE001 - a library that behaves unexpectedly: the type's name has to do
            entries.append(f"{name}: {_type_name(type(value))}")
    return entries


def _entry(name: str, value: Any, home: Any, values: bool) -> str:
    kind = type(value)
    if issubclass(kind, types.ModuleType):
        module = object.__getattribute__(value, "__dict__").get("__name__")
        known = module if type(module) is str else name
        return f"import {known}" if known == name else f"import {known} as {name}"
    if issubclass(kind, type):
        return _class(name, value, home)
    if kind is types.FunctionType:
        return _function(name, value, home)
    if kind is types.BuiltinFunctionType:
        module = value.__module__
        return f"from {module} import {name}" if type(module) is str and module != "builtins" else f"{name}: builtin"
    if _is_secret_name(name):
        return f"{name}: {_type_name(kind)}  # masked"
    shown = _value(value) if values else None
    if shown is not None:
        return f"{name}: {_type_name(kind)} = {shown}"
    about = _about(value)
    return f"{name}: {_type_name(kind)}" + (f"  # {about}" if about else "")


def _about(value: Any) -> str:
    """Details of a value without the value itself: length, item types, shape, columns."""
    kind = type(value)
    if kind in _CONTAINERS:
        return _items(value)
    if kind is dict:
        if not value:
            return "empty"
        return f"of {len(value)} {_types(value)} to {_types(value.values())}"
    known = _known_class(value)
    if known == "DataFrame":
        return _frame(value)
    if known in {"Series", "Index"}:
        return f"{len(value)} rows, {_dtype(value.dtype)}"
    if known in {"ndarray", "Tensor"}:
        shape = ", ".join(str(int(size)) for size in value.shape)
        return f"shape ({shape}{',' if len(value.shape) == 1 else ''}), {_dtype(value.dtype)}"
    return ""


def _items(value: Any) -> str:
    if not value:
        return "empty"
    fields = _fields(value)
    return f"of {len(value)} {_types(value)}" + (f" with {fields}" if fields else "")


def _fields(records: Iterable[Any]) -> str:
    """The keys that several records share; they reveal no more than the columns of a table. Empty without records."""
    few = [each for _, each in zip(range(_MAX_LOOKED_AT), records)]
    if len(few) < 2 or any(type(each) is not dict or any(type(key) is not str for key in each) for each in few):
        return ""
    shared = [
        key for key in few[0] if key.isidentifier() and len(key) <= _MAX_TEXT and all(key in each for each in few)
    ]
    plain = [key for key in shared if not _is_secret_text(key)][:_MAX_COLUMNS]
    return ", ".join(f"{key} {_types(each[key] for each in few).replace(', ', ' or ')}" for key in plain)


def _types(values: Iterable[Any]) -> str:
    """Types of the first few values."""
    names: List[str] = []
    for _, value in zip(range(_MAX_LOOKED_AT), values):
        name = _type_name(type(value))
        if name not in names:
            names.append(name)
    return ", ".join(sorted(names)[:4]) + (", …" if len(names) > 4 else "")


def _known_class(value: Any) -> str:
    """Name of a value's class if it is of a known library; empty for others, also for those of the same name."""
    kind = type(value)
    for library, names in _KNOWN.items():
        module = sys.modules.get(library)
        if type(module) is types.ModuleType:
            for name in names:
                if vars(module).get(name) is kind:
                    return name
    return ""


def _frame(frame: Any) -> str:
    rows, n_columns = frame.shape
    if hasattr(frame, "iloc"):
        few = frame.iloc[:0, :_MAX_COLUMNS]
        pairs = list(zip(few.columns, few.dtypes))
    else:
        pairs = list(zip(frame.columns[:_MAX_COLUMNS], frame.dtypes[:_MAX_COLUMNS]))
    columns = ", ".join(f"{_label(label)} {_dtype(dtype)}" for label, dtype in pairs)
    more = f", … ({n_columns} in all)" if n_columns > len(pairs) else ""
    return f"{rows} rows; columns: {columns}{more}"


def _label(label: Any) -> str:
    """Name of a column."""
    if type(label) is str:
        return label if label.isidentifier() and len(label) <= _MAX_TEXT else repr(label[:_MAX_TEXT])
    if type(label) is tuple:
        return "(" + ", ".join(_label(part) for part in label) + ")"
    return repr(label) if type(label) in {int, float, bool} else _type_name(type(label))


def _dtype(dtype: Any) -> str:
    """Data type of a column or an array, as its library writes it."""
    library = _static(type(dtype), "__module__").split(".")[0]
    return str(dtype) if library in _KNOWN else _type_name(type(dtype))


def _class(name: str, cls: type, home: Any) -> str:
    module = _static(cls, "__module__")
    if module not in (home, "__main__"):
        own = _static(cls, "__name__")
        top = sys.modules.get(module.split(".")[0])
        if type(top) is types.ModuleType and vars(top).get(own) is cls:
            module = module.split(".")[0]
        as_name = "" if own == name else f" as {name}"
        return f"{name} = {own}" if module == "builtins" else f"from {module} import {own}{as_name}"
    members = type.__dict__["__dict__"].__get__(cls)
    bases = [_type_name(base) for base in type.__dict__["__bases__"].__get__(cls) if base is not object]
    lines = [f"class {name}{'(' + ', '.join(bases) + ')' if bases else ''}:"]
    constants = members.get("_member_names_")
    if type(constants) is list:
        lines[0] += "  # " + ", ".join(str(each) for each in constants[:_MAX_ITEMS] if type(each) is str)
    for method, found in list(members.items()):
        if len(lines) > _MAX_METHODS:
            break
        if type(method) is not str or (method.startswith("_") and method != "__init__"):
            continue
        decorator = {staticmethod: "@staticmethod ", classmethod: "@classmethod ", property: "@property "}.get(
            type(found), ""
        )
        function = found
        if type(found) in {staticmethod, classmethod}:
            function = found.__func__
        elif type(found) is property:
            function = found.fget
        if type(function) is types.FunctionType:
            lines.append(f"    {decorator}{_signature(method, function)}")
    return "\n".join(lines) if len(lines) > 1 else lines[0].replace(":", ": ...", 1)


def _function(name: str, function: types.FunctionType, home: Any) -> str:
    module = function.__dict__.get("__module__", function.__module__)
    elsewhere = f"  # from {module}" if type(module) is str and module not in (home, "__main__") else ""
    return _signature(name, function) + elsewhere


def _signature(name: str, function: Any) -> str:
    """Signature of a function, from its code object: `inspect` would run code of its annotations and defaults."""
    for _ in range(5):
        inner = function.__dict__.get("__wrapped__")
        if type(inner) is not types.FunctionType:
            break
        function = inner
    code, hints = function.__code__, function.__annotations__
    hints = hints if type(hints) is dict else {}
    defaults = function.__defaults__ or ()
    named = code.co_varnames[: code.co_argcount]
    default_of = dict(zip(named[len(named) - len(defaults) :], defaults))
    default_of.update(function.__kwdefaults__ or {})
    parts = [_parameter(each, hints, default_of) for each in named]
    if code.co_posonlyargcount:
        parts.insert(code.co_posonlyargcount, "/")
    keyword = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    at = code.co_argcount + code.co_kwonlyargcount
    if code.co_flags & 0x04:  # inspect.CO_VARARGS
        parts.append("*" + _parameter(code.co_varnames[at], hints, {}))
        at += 1
    elif keyword:
        parts.append("*")
    parts += [_parameter(each, hints, default_of) for each in keyword]
    if code.co_flags & 0x08:  # inspect.CO_VARKEYWORDS
        parts.append("**" + _parameter(code.co_varnames[at], hints, {}))
    result = _hint(hints["return"]) if "return" in hints else ""
    asynchronous = "async " if code.co_flags & 0x280 else ""  # inspect.CO_COROUTINE, CO_ASYNC_GENERATOR
    return f"{asynchronous}def {name}({', '.join(parts)}){' -> ' + result if result else ''}: ..."


def _parameter(name: str, hints: Mapping[str, Any], default_of: Mapping[str, Any]) -> str:
    hint = _hint(hints[name]) if name in hints else ""
    text = f"{name}: {hint}" if hint else name
    if name not in default_of:
        return text
    default = default_of[name]
    masked = _is_secret_name(name) and type(default) in {str, bytes}
    shown = None if masked else _value(default, deep=False)
    equals = " = " if hint else "="
    return text + equals + ("..." if shown is None else shown)


def _hint(hint: Any, depth: int = 0) -> str:
    """An annotation as code; empty unless it is a class or from the standard library."""
    if type(hint) is str:
        return hint if "\n" not in hint and len(hint) <= _MAX_TEXT else ""
    if hint is None or hint is type(None):
        return "None"
    if hint is Ellipsis:
        return "..."
    if issubclass(type(hint), type):
        return _type_name(hint)
    kind = type(hint)
    if _static(kind, "__module__") not in {"typing", "types"} or depth > 4:
        return ""
    if _type_name(kind) in {"_SpecialForm", "TypeVar", "_AnyMeta"}:
        return str(getattr(hint, "_name", None) or getattr(hint, "__name__", ""))
    origin, arguments = getattr(hint, "__origin__", None), getattr(hint, "__args__", ())
    inner = [_hint(each, depth + 1) or "Any" for each in arguments]
    if _type_name(kind) in {"UnionType", "_UnionGenericAlias", "Union"}:
        return " | ".join(inner)
    outer = getattr(hint, "_name", None) or (_hint(origin, depth + 1) if origin is not None else "")
    return f"{outer}[{', '.join(inner)}]" if inner and outer else str(outer or "")


def _value(value: Any, *, deep: bool = True) -> Optional[str]:
    """A short plain value as code; None for any other."""
    kind = type(value)
    if kind in _SCALARS:
        if kind is int and value.bit_length() > _MAX_BITS:
            return None
        if kind in {str, bytes}:
            if len(value) > _MAX_TEXT:
                return None
            return "'…'" if _is_secret_text(value) else repr(value)
        return repr(value)
    if not deep or (kind is not dict and kind not in _CONTAINERS) or len(value) > _MAX_ITEMS:
        return None
    if kind is dict:
        pairs: List[Tuple[Optional[str], Optional[str]]] = [
            (_value(k, deep=False), "'…'" if type(k) is str and _is_secret_name(k) else _value(v, deep=False))
            for k, v in list(value.items())
        ]
        return None if any(None in pair for pair in pairs) else "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    items = [_value(each, deep=False) for each in list(value)]
    texts = [each for each in items if each is not None]
    if len(texts) < len(items):
        return None
    if kind in {set, frozenset}:
        inner = "{" + ", ".join(sorted(texts)) + "}" if texts else "()"
        return inner if kind is set and texts else f"{kind.__name__}({inner if texts else ''})"
    inner = ", ".join(texts)
    return f"[{inner}]" if kind is list else f"({inner}{',' if len(texts) == 1 else ''})"


def _is_secret_name(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in _SECRET_WORDS for word in words)


def _is_secret_text(text: Any) -> bool:
    plain = text.decode("latin-1") if type(text) is bytes else text
    return bool(_SECRET_TEXT.match(plain) or _LONG_WORD.search(plain))


def _type_name(kind: type) -> str:
    return _static(kind, "__name__")


def _static(kind: type, attribute: str) -> str:
    """Name or module of a class, bypassing overrides of its metaclass."""
    found = type.__dict__[attribute].__get__(kind)
    return found if type(found) is str else ""
