"""Which places a poll may go to: redirects that are followed, addresses that are refused, URLs without secrets."""

import ipaddress
import socket
from urllib.parse import urljoin, urlsplit, urlunsplit


class RefusedPlaceError(Exception):
    """A place that a poll does not go to; says which, without secrets."""


def safe_url(url: str) -> str:
    """The URL without what may be secret: user, password and query."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path, "", ""))


def redirect_target(url: str, location: str) -> str:
    """Where a redirect leads, if it stays with the same host; from http to https counts as staying.

    Raises
    ------
    RefusedPlaceError
        When it leads elsewhere, or to what is no URL.
    """
    try:
        target = urljoin(url, location)
        place = safe_url(target)
        stays = _same_place(url, target)
    except ValueError:
        raise RefusedPlaceError("redirects to what is no URL, which is not followed") from None
    if not stays:
        raise RefusedPlaceError(f"redirects to {place}, which is not followed")
    return target


def refuse_private_address(url: str) -> None:
    """Look the host up and refuse it if any of its addresses is not public (RFC 6890).

    Raises
    ------
    RefusedPlaceError
        Naming the host.
    OSError
        When the host cannot be looked up.
    """
    host = urlsplit(url).hostname or ""
    found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    if any(not ipaddress.ip_address(address).is_global for address in found):
        raise RefusedPlaceError(f"lies at a private address ({host}), which its page forbids")


def _same_place(url: str, target: str) -> bool:
    before, after = urlsplit(url), urlsplit(target)
    same_host = before.hostname == after.hostname and before.port == after.port
    upgraded = before.hostname == after.hostname and (before.scheme, after.scheme) == ("http", "https")
    return (same_host and before.scheme == after.scheme) or (upgraded and after.port is None)
