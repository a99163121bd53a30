"""Decides which addresses a poll may request (redirects, private addresses), and removes secrets from URLs."""

import ipaddress
import socket
from urllib.parse import urljoin, urlsplit, urlunsplit


class RefusedPlaceError(Exception):
    """A poll must not request an address. The message names the address without secrets."""


def safe_url(url: str) -> str:
    """Return the URL without user, password and query, which may be secret."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path, "", ""))


def redirect_target(url: str, location: str) -> str:
    """Return the target of a redirect if it is on the same host. A change from http to https is allowed.

    Raises
    ------
    RefusedPlaceError
        If the redirect leads to another host, or if its target is not a URL.
    """
    try:
        target = urljoin(url, location)
        place = safe_url(target)
        stays = _same_place(url, target)
    except ValueError:
        raise RefusedPlaceError("redirects to an invalid URL, and the redirect was not followed") from None
    if not stays:
        raise RefusedPlaceError(f"redirects to {place}, and the redirect was not followed")
    return target


def refuse_private_address(url: str) -> None:
    """Look up the host of a URL, and refuse the URL if any address of the host is not public (RFC 6890).

    Raises
    ------
    RefusedPlaceError
        If an address is not public. The error names the host.
    OSError
        If the host cannot be looked up.
    """
    host = urlsplit(url).hostname or ""
    found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    if any(not ipaddress.ip_address(address).is_global for address in found):
        raise RefusedPlaceError(f"has a private address ({host}), which its page forbids")


def _same_place(url: str, target: str) -> bool:
    before, after = urlsplit(url), urlsplit(target)
    same_host = before.hostname == after.hostname and before.port == after.port
    upgraded = before.hostname == after.hostname and (before.scheme, after.scheme) == ("http", "https")
    return (same_host and before.scheme == after.scheme) or (upgraded and after.port is None)
