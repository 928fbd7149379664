"""Which hosts are this machine itself: the addresses of its loopback interface, and the names that stand for them."""

from __future__ import annotations

import ipaddress


def is_loopback(host: object) -> bool:
    """Whether a host is this machine, by its name or address; nothing is looked up.

    Args:
        host: An address, with or without a zone (`::1%lo`), or a name: `localhost` and all names under it stand for
            this machine (RFC 6761, section 6.3), other names may be of another one.
    """
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    name = text.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    # Python before 3.13 does not count ::ffff:127.0.0.1.
    return bool((getattr(address, "ipv4_mapped", None) or address).is_loopback)
