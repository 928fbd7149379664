"""The live names of a kernel: the expression that asks for them, and what it has answered.

The expression goes into a silent request's `user_expressions` (Jupyter's messaging protocol, "Execute"): the kernel
evaluates it, counts and remembers nothing, and binds no name.
"""

from __future__ import annotations

import ast
import inspect
import json
from functools import cache

from nano_lsp.code import namespace as live_names

_MAX_REPLY = 64_000
_MAX_ENTRIES = 40


@cache
def build_expression() -> str:
    """A Python expression that gives the live names as JSON; the module's source travels in it."""
    source = inspect.getsource(live_names)
    own = "{'__name__': 'nano_lsp_live_names'}"
    call = f"(exec({source!r}, own), __import__('json').dumps(own['describe'](names, limit={_MAX_ENTRIES})))[1]"
    return f"(lambda names, own: {call})(globals(), {own})"


def read_reply(reply: str) -> str:
    """The live names as code, from the kernel's `text/plain`; empty for what is none."""
    if not 0 < len(reply) <= _MAX_REPLY:
        return ""
    try:
        entries = json.loads(ast.literal_eval(reply))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        return ""
    return "".join(f"{entry}\n" for entry in entries[:_MAX_ENTRIES])
