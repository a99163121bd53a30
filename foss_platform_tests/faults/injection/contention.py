"""Writers and maintenance that compete for the same tables, each in a separate process, and their measurements."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from foss_platform.errors import TransientError
from foss_platform.ingest.bronze import commit_polls as bronze
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.build.commit_and_compact import Change, TableChange, commit, commit_changes
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import EVERY_ROW
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.ingest.writers import live_poll, record

_KEPT_SNAPSHOTS = 5


@dataclass
class Written:
    """Results of one writer.

    Attributes
    ----------
    commits
        Seconds of each commit, and the largest number of plans of one of its tables.
    """

    new: int = 0
    known: int = 0
    commits: list[tuple[float, int]] = field(default_factory=list)


@dataclass
class Maintained:
    """Number of successful maintenance commits and of conflicts with other writers."""

    compacted: int = 0
    expired: int = 0
    lost: int = 0


def write(home: Path, feed: Feed, writer: int, ticks: list[int], start_file: Path) -> Written:
    """Commit one batch after the other, as soon as `start_file` exists."""
    catalog = open_catalog(Settings(home=home))
    written = Written()

    def timed(catalog: Catalog, changes: Sequence[TableChange]) -> dict[TableName, Table]:
        tries: Counter[TableName] = Counter()

        def counted(change: TableChange, table: Table) -> Change | None:
            tries[change.name] += 1
            return change.plan(table)

        began = time.monotonic()
        tables = commit_changes(catalog, [replace(each, plan=partial(counted, each)) for each in changes])
        written.commits.append((time.monotonic() - began, max(tries.values())))
        return tables

    while not start_file.exists():
        time.sleep(0.01)
    with patch.object(bronze, "commit_changes", timed):
        for tick in ticks:
            poll = live_poll(feed, tick, f"[{record('A', str(writer))},{record('B', str(tick))}]", late=writer)
            brought = bronze.commit_polls(catalog, feed, [poll], {"foss.writer": str(writer)})
            written.new += len(brought.new_batches)
            written.known += len(brought.known_batches)
    return written


def maintain(home: Path, feed: Feed, stop_file: Path) -> Maintained:
    """Compact the tables into one file and expire all but a few snapshots, repeatedly, until `stop_file` exists."""
    catalog = open_catalog(Settings(home=home))
    done = Maintained()
    while not stop_file.exists():
        for name in (feed.bronze, POLLS):
            try:
                compact(catalog, name)
                done.compacted += 1
            except TransientError:
                done.lost += 1
            try:
                expire(catalog, name, _KEPT_SNAPSHOTS)
                done.expired += 1
            except CommitFailedException:
                done.lost += 1
        time.sleep(0.1)
    return done


def compact(catalog: Catalog, name: TableName) -> None:
    """Rewrite all rows, including their sequence numbers, into one file."""

    def plan(table: Table) -> Change | None:
        if table.current_snapshot() is None:
            return None
        return Change(table.scan().to_arrow(), EVERY_ROW, summary={"foss.maintenance": "compaction"})

    commit(catalog, name, plan)


def expire(catalog: Catalog, name: TableName, kept: int) -> None:
    """Expire all snapshots except the newest, as any PyIceberg user can."""
    table = load_table(catalog, name)
    newest_first = sorted(table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0, reverse=True)
    surplus = [snapshot.snapshot_id for snapshot in newest_first[kept:]]
    # a snapshot that another process has just expired is not an error
    with suppress(ValueError):
        if surplus:
            table.maintenance.expire_snapshots().by_ids(surplus).commit()
