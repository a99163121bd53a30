"""Removes secrets from foreign text, such as the messages of exceptions."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

_SECRET = re.compile(r"secret|password|passwd|token|credential|access.key|authorization|api.key", re.IGNORECASE)
# shorter values may be ordinary words of the text, so they are not redacted
_SHORTEST = 4


def secrets_among(properties: Mapping[str, Any], environment: Mapping[str, str]) -> frozenset[str]:
    """Return the values of properties and variables that are named like secrets, and the passwords in URIs."""
    named = {str(value) for name, value in properties.items() if _SECRET.search(name)}
    named |= {value for name, value in environment.items() if _SECRET.search(name) and not name.endswith("_FILE")}
    named |= {password for value in properties.values() if (password := _password(str(value)))}
    spelled = named | {quote(value, safe="") for value in named} | {quote_plus(value) for value in named}
    return frozenset(value for value in spelled if len(value) >= _SHORTEST)


def redact(text: str, secrets: frozenset[str]) -> str:
    """Return the text with each secret replaced by ***."""
    # a secret may be part of another secret, so replace the longest first
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _password(value: str) -> str | None:
    if "://" not in value or "@" not in value:
        return None
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(value).password
    except (ArgumentError, ValueError):
        return None
