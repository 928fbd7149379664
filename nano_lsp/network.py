"""HTTP clients configured by the environment's proxies and certificate authorities.

httpx reads the same variables, but raises an error for values that it does not support: `socks://…`, as desktops set
it, networks like `fd00::/8` in NO_PROXY, a certificate file that is missing.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import sys
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import certifi
import httpx

from nano_lsp.errors import ConfigError
from nano_lsp.loopback import is_loopback

_ALIASES = {"socks": "socks5"}  # its meaning in GNOME's settings and Chromium
_SCHEMES = {"http", "https", "socks5", "socks5h"}


def open_client(address: str, **named: Any) -> httpx.Client:  # noqa: ANN401 - types of httpx
    """Open an HTTP client for a server; see `httpx.Client`.

    Args:
        address: URL of the server, which may redirect to others.
        named: Further arguments of `httpx.Client`.

    Raises:
        ConfigError: An environment variable names a proxy or a file of certificates that cannot be used.
    """
    trusted = trusted_certificates()
    mounts: dict[str, httpx.BaseTransport | None] = {
        pattern: httpx.HTTPTransport(verify=trusted, proxy=proxy) if proxy else None
        for pattern, proxy in find_proxies(address).items()
    }
    return httpx.Client(verify=trusted, trust_env=False, mounts=mounts, **named)


def open_async_client(address: str, **named: Any) -> httpx.AsyncClient:  # noqa: ANN401 - types of httpx
    """Open an asynchronous HTTP client for a server; see `open_client`."""
    trusted = trusted_certificates()
    mounts: dict[str, httpx.AsyncBaseTransport | None] = {
        pattern: httpx.AsyncHTTPTransport(verify=trusted, proxy=proxy) if proxy else None
        for pattern, proxy in find_proxies(address).items()
    }
    return httpx.AsyncClient(verify=trusted, trust_env=False, mounts=mounts, **named)


def bearer(key: str) -> dict[str, str]:
    """The authorization header for an API key, without surrounding whitespace, such as a line end from a file.

    Raises:
        ConfigError: The key contains characters that a header cannot contain.
    """
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            "The API key contains characters that are not allowed in a key.", "Correct NANO_LSP_API_KEY."
        )
    return {"authorization": f"Bearer {key}"}


def trusted_certificates() -> ssl.SSLContext:
    """Authorities of SSL_CERT_FILE or SSL_CERT_DIR; without these the system's, and Mozilla's (certifi).

    Administrators add an authority to the system's where a proxy inspects TLS.

    Raises:
        ConfigError: A variable names a file or folder without readable certificates.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
        if not file and not folder:
            context.load_verify_locations(certifi.where())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"The certificates in {file or folder or certifi.where()} cannot be read: {reason}.",
            "Correct the variables SSL_CERT_FILE and SSL_CERT_DIR, or remove them.",
        ) from error
    return context


def find_proxies(address: str) -> dict[str, httpx.Proxy | None]:
    """Proxies of the environment by httpx's URL patterns; None for a direct connection.

    Loopback addresses are never reached through a proxy.

    Args:
        address: URL of the server; networks in NO_PROXY are compared with it only, not with redirects.

    Raises:
        ConfigError: A variable names a proxy that cannot be used.
    """
    by_scheme, host = getproxies(), urlsplit(address).hostname or ""
    exceptions = [*filter(None, (name.strip() for name in by_scheme.get("no", "").split(",")))]
    if "*" in exceptions or is_loopback(host):
        return {}
    proxies: dict[str, httpx.Proxy | None] = {
        f"{scheme}://": _read_proxy(by_scheme[scheme]) for scheme in ("http", "https", "all") if by_scheme.get(scheme)
    }
    if not proxies:
        return {}
    for name in exceptions:
        proxies |= dict.fromkeys(_patterns(name, host))
    return proxies


def _read_proxy(text: str) -> httpx.Proxy:
    scheme, _, rest = text.rpartition("://")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower()) or "http"
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigError(
            "A SOCKS proxy needs the package socksio.",
            f"Run {sys.executable} -m pip install socksio, or use another proxy.",
        )
    with contextlib.suppress(ValueError, httpx.InvalidURL):
        proxy = httpx.Proxy(f"{scheme}://{rest}") if scheme in _SCHEMES else None
        if proxy is not None and proxy.url.host and (proxy.url.port or 0) < 1 << 16:
            return proxy
    raise ConfigError(
        f"The proxy {_without_password(text)} cannot be used.",
        "Set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to http://HOST:PORT, https://… or socks5://…, or remove it.",
    )


def _patterns(name: str, host: str) -> list[str]:
    """URL patterns of httpx for an entry of NO_PROXY; none where it is not valid.

    As documented in https://curl.se/libcurl/c/CURLOPT_NOPROXY.html.
    """
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(name.strip("[]"), strict=False)
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host) in network:
                return [f"all://[{host}]" if ":" in host else f"all://{host}"]
        return []
    name = name.removesuffix(":443").removesuffix(":80")  # httpx omits these default ports in URLs
    pattern = f"all://*{name.removeprefix('*').removeprefix('.')}"
    with contextlib.suppress(ValueError, httpx.InvalidURL):
        return [pattern] if httpx.URL(pattern).host else []
    return []


def _without_password(text: str) -> str:
    before, at, rest = text.rpartition("@")
    return f"{before.partition('://')[0]}://…@{rest}" if at else text
