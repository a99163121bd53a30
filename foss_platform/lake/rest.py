"""Bounding how long a REST catalog is waited for. Nothing else: what it is asked is PyIceberg's.

PyIceberg's REST client has no time-out (0.12): a server that accepts and never answers, or that itself waits for
a store which does, held a commit for over nine minutes.
"""

from typing import Any

import requests
from pyiceberg.catalog import Catalog
from requests.adapters import HTTPAdapter

#: Seconds to connect, and between two bytes of an answer.
CONNECT_SECONDS, READ_SECONDS = 3.0, 15.0


class BoundedAdapter(HTTPAdapter):
    """Gives every request that names no time-out of its own one."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """As `HTTPAdapter.send`."""
        if options.get("timeout") is None:
            options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return super().send(request, *arguments, **options)


def bounded(catalog: Catalog) -> Catalog:
    """The same catalog; a REST one answers in time or raises `requests.Timeout`.

    A commit that timed out may have landed all the same: who tries again asks the rows.
    """
    # the one private name of PyIceberg's that is used: it offers no other way to its session;
    # services/test_away.py notices when it is gone
    session = getattr(catalog, "_session", None)
    if isinstance(session, requests.Session):
        for scheme in ("http://", "https://"):
            session.mount(scheme, BoundedAdapter())
    return catalog
