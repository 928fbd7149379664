"""This machine's own addresses and names, for all that tell them from those of other machines."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nano_lsp.errors import ConfigError, NanoError
from nano_lsp.inference.remote import Remote
from nano_lsp.loopback import is_loopback
from nano_lsp.network import find_proxies

ADDRESSES = ["127.0.0.1", "127.0.0.53", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]
NAMES = ["localhost", "LocalHost", "localhost.", "nano.localhost", "a.b.localhost."]
OTHERS = ["192.0.2.1", "128.0.0.1", "0.0.0.0", "::", "2001:db8::1", "::ffff:192.0.2.1", "example.com"]  # noqa: S104
OTHER_NAMES = ["localhost.example.com", "notlocalhost", "localhost.localdomain", "127.0.0.1.example.com"]

CONNECT = """
import socket, sys
from nano_lsp.offline import watch_network

seen = watch_network()
for host in sys.argv[1:]:
    sys.audit("socket.connect", None, (host, 80))
    sys.audit("socket.getaddrinfo", host.encode(), 80, 0, 0, 0)
sys.audit("socket.getaddrinfo", None, 80, 0, 0, 0)
sys.audit("socket.connect", None, "/run/a.sock")
sys.audit("socket.sendto", None, "/dev/log")
print(len(seen))
"""


def url(host: str) -> str:
    return f"http://[{host}]:9" if ":" in host else f"http://{host}:9"


@pytest.mark.parametrize("host", [*ADDRESSES, *NAMES])
def test_it_is_reached_without_a_proxy_and_without_encryption(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_loopback(host)
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    assert find_proxies(url(host)) == {}
    monkeypatch.setenv("NANO_LSP_OFFLINE", "true")
    monkeypatch.setattr("nano_lsp.inference.remote.open_client", unreachable)
    with pytest.raises(NotImplementedError):  # neither refused as unencrypted nor as another machine
        Remote.connect(url(host), "nano", "", lambda _: None)


def unreachable(*_: object, **__: object) -> None:
    raise NotImplementedError


@pytest.mark.parametrize("host", [*OTHERS, *OTHER_NAMES])
def test_others_are_reached_through_the_proxy_and_encrypted(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_loopback(host)
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    assert find_proxies(url(host))
    with pytest.raises(ConfigError, match="unencrypted"):
        Remote.connect(url(host), "nano", "", lambda _: None)
    monkeypatch.setenv("NANO_LSP_OFFLINE", "true")
    with pytest.raises(NanoError, match="which the setting `offline` forbids"):
        Remote.connect(url(host).replace("http:", "https:"), "nano", "", lambda _: None)


@pytest.mark.parametrize(
    ("hosts", "n"), [([*ADDRESSES, *NAMES], 0), ([*OTHERS, *OTHER_NAMES], 2 * len(OTHERS + OTHER_NAMES))]
)
def test_offline_counts_connections_to_others_alone(hosts: list[str], n: int) -> None:
    """A process of its own: what watches connections stays in a process."""
    done = subprocess.run([sys.executable, "-c", CONNECT, *hosts], capture_output=True, encoding="utf-8", check=True)
    assert int(done.stdout) == n
