"""Proxies of the environment: connections to this machine never use one, and an error names the proxy it came through.

requests, urllib, curl (DuckDB) and gRPC each read other spellings of these variables. gRPC reads only the small ones
and sends even Dagster's calls to its own code server through the proxy (measured with DuckDB 1.5).
"""

import os
import re
from collections.abc import MutableMapping
from urllib.parse import urlsplit

#: As names and as a block of addresses, because gRPC and curl compare names and Go-like clients blocks.
LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")
#: The remedy for a host that a proxy does not reach.
REMEDY = "If this host needs no proxy, add it to NO_PROXY; otherwise correct the proxy's variable."

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "ftp_proxy")
_EXCEPTIONS = ("no_proxy", "NO_PROXY")


def keep_loopback_direct(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let this process and its children reach this machine without a proxy; entries that are there are kept.

    Without a proxy in the environment nothing changes.
    """
    if not any(value for name, value in environment.items() if name.lower() in _PROXIES):
        return
    stated = [entry.strip() for name in _EXCEPTIONS for entry in environment.get(name, "").split(",")]
    entries = list(dict.fromkeys(entry for entry in stated if entry))
    # * means every host, and only if it is alone
    joined = "*" if "*" in entries else ",".join(dict.fromkeys([*entries, *LOOPBACK]))
    for name in _EXCEPTIONS:
        environment[name] = joined
    if environment.get("no_grpc_proxy"):
        # gRPC asks this one first
        environment["no_grpc_proxy"] = ",".join(dict.fromkeys([*environment["no_grpc_proxy"].split(","), *LOOPBACK]))


def proxy_of(url: str) -> str | None:
    """The proxy that a request to `url` goes through, without its credentials; None for a direct connection."""
    from requests.utils import get_environ_proxies, select_proxy

    try:
        proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    except ValueError:
        return None
    return without_credentials(proxy) if proxy else None


def without_credentials(proxy: str) -> str:
    """A proxy's address without user and password, also if it is not a URL."""
    scheme, found, rest = proxy.rpartition("://")
    # a password may hold any character, @ and / among them
    return f"{scheme}{found}{rest.rpartition('@')[2]}"


def is_malformed(proxy: str) -> bool:
    """Whether a proxy's address cannot be used at all, so that trying again is of no use."""
    try:
        parts = urlsplit(proxy if re.match(r"[a-z][a-z0-9+.-]*://", proxy, re.IGNORECASE) else f"http://{proxy}")
        return not parts.hostname or parts.port == 0 or re.search(r"\s", proxy) is not None
    except ValueError:
        return True


def through(url: str) -> str:
    """What an error about `url` adds to its problem: " through the proxy …", or nothing."""
    proxy = proxy_of(url)
    return f" through the proxy {proxy}" if proxy else ""
