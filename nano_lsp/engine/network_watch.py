"""Records each connection that this process opens to another machine."""

from __future__ import annotations

import ipaddress
import sys

_EVENTS = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}
"""Audit events (https://docs.python.org/3/library/audit_events.html), and which argument has the address."""


def watch_network() -> list[str]:
    """A list that grows by each connection to another machine and each host name that is looked up, from now on.

    Connections within the machine, over Unix domain sockets and the loopback interface, are left out.
    """
    seen: list[str] = []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        position = _EVENTS.get(event)
        if position is None:
            return
        address = arguments[position]
        host = address[0] if isinstance(address, tuple) else address
        is_path = event == "socket.connect" and not isinstance(address, tuple)  # of a Unix domain socket
        if not is_path and not _is_loopback(host):
            seen.append(f"{event} {address}")

    sys.addaudithook(audit)
    return seen


def _is_loopback(host: object) -> bool:
    try:
        return host in {None, "", "localhost"} or ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False
