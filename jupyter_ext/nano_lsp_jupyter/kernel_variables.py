"""A kernel's variables: the expression that reads them, and the parser of its reply.

The expression is sent in `user_expressions` of a silent request (Jupyter's messaging protocol, "Execute"): the kernel
evaluates it without changing the execution count, the history or its namespace.
"""

from __future__ import annotations

import ast
import inspect
import json
from functools import cache

from nano_lsp.code import namespace

_MAX_REPLY = 64_000
_MAX_ENTRIES = 40


@cache
def build_expression() -> str:
    """A Python expression that returns the variables as JSON; it contains the source of `nano_lsp.code.namespace`."""
    source = inspect.getsource(namespace)
    module = "{'__name__': 'nano_lsp_namespace'}"
    call = f"(exec({source!r}, module), __import__('json').dumps(module['describe'](names, limit={_MAX_ENTRIES})))[1]"
    return f"(lambda names, module: {call})(globals(), {module})"


def read_reply(reply: str) -> str:
    """The variables as code, from the reply's `text/plain`; empty if it is not a valid reply."""
    if not 0 < len(reply) <= _MAX_REPLY:
        return ""
    try:
        entries = json.loads(ast.literal_eval(reply))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        return ""
    return "".join(f"{entry}\n" for entry in entries[:_MAX_ENTRIES])
