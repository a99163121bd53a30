"""The HTTP session of Trino's client. It is a separate module, so that `requests` is imported only if needed."""

import requests


class TrinoSession(requests.Session):
    """An HTTP session that trusts only the given certificates."""

    def __init__(self, verify: str | bool) -> None:
        """Trust the certificates in the file `verify`. With True, trust the public certificates."""
        super().__init__()
        self.verify = verify

    def request(self, *arguments: object, **named: object) -> requests.Response:
        """As `requests.Session.request`, but `REQUESTS_CA_BUNDLE` does not override the session's certificates."""
        return super().request(*arguments, **{"verify": self.verify, **named})  # type: ignore[arg-type]
