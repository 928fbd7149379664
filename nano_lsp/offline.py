"""Connections to other machines: recorded, and refused where the setting `offline` is on."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

from nano_lsp.config import load_settings
from nano_lsp.errors import OfflineError
from nano_lsp.loopback import is_loopback

_EVENTS = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}
"""Audit events (https://docs.python.org/3/library/audit_events.html), and which argument has the address."""


def require_network(purpose: str, remedy: str) -> None:
    """Check that connections to other machines are allowed.

    Args:
        purpose: Noun phrase of what needs them, which begins a sentence.
        remedy: What can be done without them.

    Raises:
        OfflineError: The setting `offline` is on.
        ConfigError: The settings cannot be read.
    """
    if load_settings().offline:
        raise OfflineError(f"{purpose} needs the network, which the setting `offline` forbids.", remedy)


def watch_network() -> list[str]:
    """A list that grows by each connection to another machine and each host name that is looked up, from now on.

    Connections within the machine, over Unix domain sockets and the loopback interface, are left out.
    """
    seen: list[str] = []
    _audit(lambda event, address: seen.append(f"{event} {address}"))
    return seen


def forbid_network() -> None:
    """Refuse this process each connection to another machine, and each look-up of a host name, from now on.

    What refuses is an `OSError`, which libraries expect from a network.
    """

    def refuse(_event: str, address: object) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"the setting `offline` forbids connections ({address})")

    _audit(refuse)


def _audit(on_connection: Callable[[str, object], None]) -> None:
    def audit(event: str, arguments: tuple[object, ...]) -> None:
        position = _EVENTS.get(event)
        if position is None:
            return
        address = arguments[position]
        host = address[0] if isinstance(address, tuple) else address
        is_path = event in {"socket.connect", "socket.sendto"} and not isinstance(address, tuple)  # of a Unix socket
        if host and not is_path and not is_loopback(host):  # without a host, it is this machine
            on_connection(event, address)

    sys.addaudithook(audit)
