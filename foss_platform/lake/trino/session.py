"""The HTTP session of Trino's client, in a separate module because `requests` is imported late."""

import requests


class TrinoSession(requests.Session):
    """An HTTP session that trusts only the given certificates."""

    def __init__(self, verify: str | bool) -> None:
        """Trust the certificates of a file, or the public ones."""
        super().__init__()
        self.verify = verify

    def request(self, *arguments: object, **named: object) -> requests.Response:
        """As `requests.Session.request`, but `REQUESTS_CA_BUNDLE` does not override the session's certificates."""
        return super().request(*arguments, **{"verify": self.verify, **named})  # type: ignore[arg-type]
