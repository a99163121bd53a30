"""Polls on a lake whose servers fail, and the results expected afterwards.

A poll has two valid records and one invalid record, so it writes one file for each of the three tables.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import write_file
from pyiceberg.manifest import DataFile
from pyiceberg.table.metadata import TableMetadata

from foss_platform.errors import FossError
from foss_platform.ingest.bronze.poll_once import IngestedPoll, ingest_poll
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files import data_files
from foss_platform_tests.faults.injection.polling import BRONZE, POLLS, REJECTED
from foss_platform_tests.pipeline.ingest.writers import live_poll, record
from foss_platform_tests.services.lakes import Lake
from foss_platform_tests.tables import read

# A server that is started by a thread ends with it, and the threads that write files end with their commit.
_ACTING = ThreadPoolExecutor(1)

#: Time limit in seconds for the error message of any failure.
BOUND_SECONDS = 30.0


def ingest(catalog: Catalog, feed: Feed, tick: int) -> IngestedPoll:
    """Poll the n-th minute, as a scheduled run does."""
    poll = live_poll(feed, tick, f"[{record('A', str(tick))},{record('B')},null]")
    return ingest_poll(catalog, feed, poll.cause, lambda _: poll, {})


def refused(lake: Lake, act: Callable[[], object]) -> FossError:
    """Return the error of `act`, after checking that it is in time, has a remedy and contains no secret."""
    began = time.monotonic()
    with pytest.raises(FossError) as caught:
        act()
    took = time.monotonic() - began
    assert took < BOUND_SECONDS, took
    error = caught.value
    assert error.remedy
    assert len(str(error).splitlines()) == 1
    assert not any(secret in f"{error} {error!r}" for secret in lake.secrets)
    return error


def in_mid_append(monkeypatch: pytest.MonkeyPatch, table: str, act: Callable[[], None]) -> None:
    """Call `act` once, when the next poll has written a table's file and not yet committed the table."""
    acts = [act]

    def write(io: FileIO, metadata: TableMetadata, tasks: Iterator[Any]) -> list[DataFile]:
        written = list(write_file(io, metadata, tasks))
        if acts and metadata.location.rstrip("/").endswith(f"/{table.replace('.', '/')}"):
            _ACTING.submit(acts.pop()).result()
        return written

    monkeypatch.setattr(data_files, "write_file", write)


def is_in_once(lake: Lake, feed: Feed, ticks: int) -> None:
    """Assert that the first polls are committed completely and once, and that a repetition changes nothing."""
    assert ingest(open_catalog(lake.settings), feed, ticks - 1).written is None
    rows = read(lake.settings, BRONZE)
    batches = sorted({row["_batch_id"] for row in rows})
    assert len(batches) == ticks
    assert sorted((row["_batch_id"], row["_record_index"]) for row in rows) == [(b, n) for b in batches for n in (0, 1)]
    assert sorted(row["_batch_id"] for row in read(lake.settings, REJECTED)) == batches
    assert sorted(row["batch_id"] for row in read(lake.settings, POLLS)) == batches
