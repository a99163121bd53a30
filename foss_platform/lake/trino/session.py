"""The HTTP session of Trino's client. Nothing else; it is a module of its own since `requests` is imported late."""

import requests


class TrinoSession(requests.Session):
    """Trusts whom it is told to trust."""

    def __init__(self, verify: str | bool) -> None:
        """Trust the certificates of a file, or the public ones."""
        super().__init__()
        self.verify = verify

    def request(self, *arguments: object, **named: object) -> requests.Response:
        """As any; `requests` alone would let `REQUESTS_CA_BUNDLE` win over what the session is told."""
        return super().request(*arguments, **{"verify": self.verify, **named})  # type: ignore[arg-type]
