"""Arguments of commands, as clients send them: anything may be in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lsprotocol import types


def read_argument(arguments: Sequence[object]) -> Mapping[str, Any]:
    """The first argument, an object; an empty one where there is none."""
    given = arguments[0] if arguments else None
    return given if isinstance(given, Mapping) else getattr(given, "_asdict", dict)()


def read_range(given: object) -> types.Range | None:
    """A range as a client sends it; None for anything else."""
    try:
        ends = [_get(given, name) for name in ("start", "end")]
        places = [types.Position(int(_get(end, "line")), int(_get(end, "character"))) for end in ends]
    except (TypeError, ValueError, AttributeError, KeyError):
        return None
    return types.Range(*places)


def _get(given: Any, name: str) -> Any:  # noqa: ANN401 - sent by a client
    return given[name] if isinstance(given, Mapping) else getattr(given, name)
