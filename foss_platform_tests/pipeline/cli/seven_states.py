"""A lake with a table of seven states, and a caller of `foss` on it."""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import EVERY_ROW
from foss_platform.lake.snapshots.points import live_points
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in

THINGS, OTHERS = TableName("gold", "things"), TableName("silver", "others")
COLUMNS: list[tuple[str, pa.DataType]] = [("id", pa.int64()), ("value", pa.string())]
SCHEMA = pa.schema(COLUMNS)
# later than the files' modification times, which come from the machine's clock
START = datetime(2044, 3, 1, 8, 50, tzinfo=UTC)


@pytest.fixture
def foss(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], settings: Settings) -> Foss:
    """Call `foss` with these arguments in this process. Returns exit code, output and messages."""
    return foss_in(settings.home, monkeypatch, capfd)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return open_catalog(settings)


@pytest.fixture
def clock(catalog: Catalog) -> Iterator[time_machine.Traveller]:
    """Return a lake with seven states of `gold.things`, committed 20 minutes apart. The clock then shows 10:50.

    State n contains the ids 0, n and n + 1, and the value of id 0 is n. The last two states are live, and
    the states of 9:00 and 10:00 are pinned.
    """
    ensure_table(catalog, TableSpec(THINGS, SCHEMA, key=("id",), policy=TablePolicy(keep_commits=2)))
    with time_machine.travel(START, tick=False) as clock:
        for number in range(1, 8):
            put(catalog, THINGS, (0, str(number)), (number, "x"), (number + 1, "x"))
            clock.shift(timedelta(minutes=20))
        clock.shift(timedelta(minutes=-20))
        yield clock


def put(catalog: Catalog, name: TableName, *rows: tuple[int, str]) -> Table:
    """Replace the table's content with these rows."""
    arrow = pa.Table.from_pylist([{"id": number, "value": value} for number, value in rows], schema=SCHEMA)
    return commit(catalog, name, lambda _: Change(arrow, EVERY_ROW, summary={"foss.build": "whole"}))


def two_states(catalog: Catalog, *states: list[tuple[int, str]], key: tuple[str, ...] = ()) -> list[str]:
    """Create a table `silver.others` with these states, and return their times in the format of `--from`."""
    ensure_table(catalog, TableSpec(OTHERS, SCHEMA, key=key))
    for rows in states:
        put(catalog, OTHERS, *rows)
    return moments(catalog, OTHERS)


def moments(catalog: Catalog, name: TableName) -> list[str]:
    return [point.committed_at.isoformat() for point in live_points(load_table(catalog, name))]


def folder(settings: Settings, name: TableName) -> Path:
    return settings.home / "warehouse" / name.namespace / name.name


def orphan(settings: Settings, name: TableName) -> Path:
    """Write a file like one left by a writer that was killed before its commit."""
    file = folder(settings, name) / "data" / "orphan.parquet"
    file.write_bytes(b"x" * 1234)
    return file


def damage(catalog: Catalog, name: TableName) -> None:
    """Truncate a manifest of the current state."""
    table = load_table(catalog, name)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    Path(snapshot.manifests(table.io)[0].manifest_path.removeprefix("file://")).write_bytes(b"nothing")


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make standard input a terminal in which `text` is typed."""
    master, terminal = os.openpty()
    os.write(master, text.encode())
    monkeypatch.setattr(sys, "stdin", os.fdopen(terminal, "r"))
