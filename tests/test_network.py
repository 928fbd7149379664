"""Proxies and certificates of the environment, valid and invalid."""

from __future__ import annotations

import os
from pathlib import Path

import certifi
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.errors import ConfigError
from nano_lsp.network import find_proxies, open_client, trusted_certificates

HUB = "https://hub.example/file"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def proxy_for(address: str) -> str:
    """The proxy that a client uses for an address; empty for none."""
    with open_client(address) as client:
        transport = client._transport_for_url(httpx.URL(address))
        pool = getattr(transport, "_pool")  # noqa: B009 - httpx has no public name for it
        url = getattr(pool, "_proxy_url", None)
        return f"{url.scheme.decode()}://{url.host.decode()}:{url.port}" if url else ""


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://proxy.example:8080", "http://proxy.example:8080"),
        ("proxy.example:8080", "http://proxy.example:8080"),
        ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ("socks5h://127.0.0.1:1080", "socks5h://127.0.0.1:1080"),
        ("socks://127.0.0.1:1080/", "socks5://127.0.0.1:1080"),
        ("SOCKS://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ("http://[::1]:3128", "http://::1:3128"),
    ],
)
@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_a_proxy_is_used(name: str, value: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert proxy_for(HUB) == proxy


@pytest.mark.parametrize(
    "value", ["foo://x:1", "http://", "://", "http://a:port", "http://user:secret@a:99999x", "socks4://a:1"]
)
def test_an_invalid_proxy_is_named_without_its_password(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError) as caught:
        open_client(HUB)
    assert "secret" not in str(caught.value)
    assert "HTTPS_PROXY" in caught.value.remedy


@pytest.mark.parametrize(
    ("no_proxy", "address", "direct"),
    [
        ("hub.example", HUB, True),
        (".example", HUB, True),
        ("*.example", HUB, True),
        ("*", HUB, True),
        ("other.example, hub.example:443", HUB, True),
        ("hub.example:8080", HUB, False),
        ("ub.example", HUB, False),
        ("10.0.0.0/8", "https://10.1.2.3/v1", True),
        ("10.0.0.0/8", "https://11.1.2.3/v1", False),
        ("fd07:b51a:cc66:f0::/64", "https://[fd07:b51a:cc66:f0::5]/v1", True),
        ("fd07:b51a:cc66:f0::/64,fe80::/10", HUB, False),
        ("::1,[::1],fe11::/16", HUB, False),
        ("[2001:db8::1]", "https://[2001:db8::1]/v1", True),
        ("[[[,///,a b,:::,*.*", HUB, False),
        ("", "http://127.0.0.1:8012/v1", True),
        ("", "http://localhost:8012/v1", True),
        ("", "http://[::1]:8012/v1", True),
    ],
)
def test_exceptions_of_no_proxy(no_proxy: str, address: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(address) == "") == direct


@given(st.text(alphabet="ab1.:/[]*@%,- é", max_size=30))
def test_no_value_of_no_proxy_raises(no_proxy: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        patch.setenv("ALL_PROXY", "http://proxy.example:3128")
        patch.setenv("NO_PROXY", no_proxy)
        mounts = dict.fromkeys(find_proxies(HUB))
        httpx.Client(trust_env=False, mounts=mounts, verify=False).close()  # noqa: S501 - reads no certificates


def test_authorities_are_the_environments_or_the_systems_and_mozillas(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert len(trusted_certificates().get_ca_certs()) > 50
    one = tmp_path / "one.pem"
    bundle = Path(certifi.where()).read_text(encoding="ascii", errors="replace")
    start = bundle.index("-----BEGIN")
    end = bundle.index("-----END CERTIFICATE-----", start) + len("-----END CERTIFICATE-----\n")
    one.write_text(bundle[start:end])
    monkeypatch.setenv("SSL_CERT_FILE", str(one))
    assert len(trusted_certificates().get_ca_certs()) == 1
    for wrong in (tmp_path / "gone.pem", tmp_path, Path(os.devnull)):
        monkeypatch.setenv("SSL_CERT_FILE", str(wrong))
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            trusted_certificates()
        assert "SSL_CERT_FILE" in caught.value.remedy
