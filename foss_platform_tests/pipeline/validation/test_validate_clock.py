"""The clock of a store, told by a real HTTP server that is off by so much."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from foss_platform.settings import load_settings
from foss_platform.validation.results import Status
from foss_platform.validation.suite import CHECKS, validate
from foss_platform.validation.trial import new_trial

LAKE_PREFIX = "PYICEBERG_CATALOG__LAKE__"


@contextmanager
def store_whose_clock_is_off(seconds: float | None) -> Iterator[str]:
    """An HTTP server that refuses everything, and tells the wrong time or none; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(403)
            if seconds is not None:
                self.send_header("Date", formatdate(time.time() + seconds, usegmt=True))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("seconds", "status", "says"),
    [
        (0, Status.PASSED, "agree"),
        (-1.5, Status.PASSED, ""),
        (30, Status.WARNING, "ahead of"),
        (-30, Status.WARNING, "behind"),
        (600, Status.FAILED, "ahead of"),
        (-600, Status.FAILED, "behind"),
        (None, Status.SKIPPED, "does not report its time"),
    ],
)
def test_the_clock_of_a_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float | None, status: Status, says: str
) -> None:
    with store_whose_clock_is_off(seconds) as endpoint:
        monkeypatch.setenv(f"{LAKE_PREFIX}URI", f"sqlite:///{tmp_path / 'catalog.db'}")
        monkeypatch.setenv(f"{LAKE_PREFIX}WAREHOUSE", "s3://bucket/lake")
        monkeypatch.setenv(f"{LAKE_PREFIX}S3__ENDPOINT", endpoint)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        (check,) = [check for check in CHECKS if check.name == "store_clock_agrees"]
        (result,) = validate(new_trial(load_settings()), [check])
    assert result.status is status
    assert says in result.detail
    assert bool(result.remedy) == (status in (Status.WARNING, Status.FAILED))
