"""Proxies of the environment. Local connections never use a proxy, and errors name the proxy that was used.

requests, urllib, curl (DuckDB) and gRPC read different spellings of these variables. gRPC reads only the lower-case
names and sends even Dagster's calls to its own code server through the proxy (measured with DuckDB 1.5).
"""

import os
import re
from collections.abc import MutableMapping
from urllib.parse import urlsplit

#: Names and an address block, because gRPC and curl compare names, and Go-like clients compare blocks.
LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")
#: The remedy if a host cannot be reached through a proxy.
REMEDY = "If this host does not need a proxy, add it to NO_PROXY. Otherwise correct the proxy variable."

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "ftp_proxy")
_EXCEPTIONS = ("no_proxy", "NO_PROXY")


def keep_loopback_direct(environment: MutableMapping[str, str] = os.environ) -> None:
    """Exclude this machine from the proxies of this process and its children. Existing exclusions are kept.

    Without a proxy in the environment nothing changes.
    """
    if not any(value for name, value in environment.items() if name.lower() in _PROXIES):
        return
    stated = [entry.strip() for name in _EXCEPTIONS for entry in environment.get(name, "").split(",")]
    entries = list(dict.fromkeys(entry for entry in stated if entry))
    # * means every host, but only if it is the only entry
    joined = "*" if "*" in entries else ",".join(dict.fromkeys([*entries, *LOOPBACK]))
    for name in _EXCEPTIONS:
        environment[name] = joined
    if environment.get("no_grpc_proxy"):
        # gRPC reads this variable first
        environment["no_grpc_proxy"] = ",".join(dict.fromkeys([*environment["no_grpc_proxy"].split(","), *LOOPBACK]))


def proxy_of(url: str) -> str | None:
    """Return the proxy for requests to `url`, without its credentials. None for a direct connection."""
    from requests.utils import get_environ_proxies, select_proxy

    try:
        proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    except ValueError:
        return None
    return without_credentials(proxy) if proxy else None


def without_credentials(proxy: str) -> str:
    """Return a proxy's address without user and password, even if the address is not a URL."""
    scheme, found, rest = proxy.rpartition("://")
    # a password may contain any character, including @ and /
    return f"{scheme}{found}{rest.rpartition('@')[2]}"


def is_malformed(proxy: str) -> bool:
    """Whether a proxy's address can never work, so that a retry is useless."""
    try:
        parts = urlsplit(proxy if re.match(r"[a-z][a-z0-9+.-]*://", proxy, re.IGNORECASE) else f"http://{proxy}")
        return not parts.hostname or parts.port == 0 or re.search(r"\s", proxy) is not None
    except ValueError:
        return True


def through(url: str) -> str:
    """Return the text that errors about `url` append: " through the proxy …", or nothing."""
    proxy = proxy_of(url)
    return f" through the proxy {proxy}" if proxy else ""
