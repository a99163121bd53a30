"""Backup and restore of catalog and store during polling, as described in docs/OPERATIONS.md.

The catalog is dumped first, and the objects are copied afterwards. Every file named in the dump was written before
the dump and is retained for hours. In the other order, the dump would name files that are newer than the copy.
"""

import os
import subprocess
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.adopt.adopt import adopt, plan_adoption
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.ownership.mark import ForeignLakeError
from foss_platform.lake.query.query import ask
from foss_platform.settings import load_settings
from foss_platform_tests.faults.injection.polling import TABLES
from foss_platform_tests.faults.injection.trial import server
from foss_platform_tests.pipeline.ingest.writers import START
from foss_platform_tests.services.lake.polling import ingest, is_in_once
from foss_platform_tests.services.lakes import Kind, Lake, named_by, s3_properties, set_environment
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import running
from foss_platform_tests.tables import Row, content

_SECONDS = 60.0
_QUERIES = tuple(f"select * from {table} order by all" for table in TABLES)

pytestmark = pytest.mark.parametrize("kind", [Kind.POSTGRES_MINIO], indirect=True)


@pytest.fixture
def other_postgres() -> Iterator[Postgres]:
    with running(Postgres()) as server:
        yield server


@pytest.fixture
def other_minio() -> Iterator[Minio]:
    with running(Minio()) as server:
        yield server


def poll_until_stopped(environment: dict[str, str], feed: Feed, first: int, connection: Connection) -> None:
    """Poll, with full maintenance, until a message asks to stop. Send the number of committed ticks."""
    os.environ.update(environment)
    catalog, tick = open_catalog(load_settings()), first
    while not connection.poll():
        ingest(catalog, feed, tick)
        for name in (feed.bronze, feed.rejected):
            maintain(catalog, name, START, trigger="maintenance")
        tick += 1
        connection.send(tick)


def run(postgres: Postgres, program: str, *arguments: str) -> None:
    """Run one of Postgres' programs with the lake's role."""
    subprocess.run(
        [
            str(postgres.programs / program),
            "--host=127.0.0.1",
            f"--port={postgres.port}",
            "--username=lake",
            *arguments,
        ],
        env={"PGPASSWORD": postgres.lake_password},
        check=True,
        timeout=_SECONDS,
    )


def copy_objects(source: Minio, target: Minio, bucket: str) -> int:
    """Copy all objects of a bucket to a bucket of the same name. Objects deleted meanwhile are ignored."""
    target.files.mkdir(bucket)
    copied = 0
    for path in source.files.find(bucket):
        try:
            content = source.files.cat_file(path)
        except FileNotFoundError:
            continue
        target.files.pipe_file(path, content)
        copied += 1
    return copied


def batch_of(row: Row) -> str:
    return str(row.get("batch_id", row.get("_batch_id")))


def answers(lake: Lake) -> list[list[Row]]:
    catalog = open_catalog(lake.settings)
    return [ask(lake.settings, catalog, query).reader.read_all().to_pylist() for query in _QUERIES]


def test_a_restored_copy_gives_the_same_answers_and_continues(
    lake: Lake,
    feed: Feed,
    postgres: Postgres,
    minio: Minio,
    other_postgres: Postgres,
    other_minio: Minio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket, dump = lake.warehouse.split("/")[2], tmp_path / "lake.dump"
    before = 3
    for tick in range(before):
        ingest(open_catalog(lake.settings), feed, tick)
    earlier = answers(lake)

    # backup, while another process polls and maintains the tables
    ours, its = server().Pipe()
    process = server().Process(target=poll_until_stopped, args=(lake.environment, feed, before, its))
    process.start()
    try:
        assert ours.poll(_SECONDS)
        ours.recv()
        run(postgres, "pg_dump", "--format=custom", f"--file={dump}", bucket)
        # the store is copied only after further commits, so the copy is later than the dump
        for _ in range(2):
            assert ours.poll(_SECONDS)
            ours.recv()
        copied = copy_objects(minio, other_minio, bucket)
    finally:
        ours.send("stop")
        process.join(_SECONDS)
        if process.is_alive():
            process.kill()
    assert process.exitcode == 0
    assert copied > 0

    # restore on other servers
    restored = other_postgres.make_database(bucket)
    run(other_postgres, "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={bucket}", str(dump))
    original = content(lake.settings, TABLES)
    set_environment(monkeypatch, lake.environment | named_by({"uri": restored, **s3_properties(other_minio)}))
    minio.stop()
    try:
        copy = content(lake.settings, TABLES)
        ticks = len({row["batch_id"] for row in copy["ops.polls"]})
        assert before < ticks
        for table, rows in copy.items():
            # a batch is one commit per table, so the copy either has the batch as the original does, or does not have
            # it yet
            batches = {batch_of(row) for row in rows}
            assert rows == [row for row in original[table] if batch_of(row) in batches]
        assert [
            [row for row in now if row in then] for now, then in zip(answers(lake), earlier, strict=True)
        ] == earlier
        # the mark in the copied bucket still names the other catalog
        with pytest.raises(ForeignLakeError, match="foss adopt"):
            ingest(open_catalog(lake.settings), feed, ticks)
        restored_catalog = open_catalog(lake.settings)
        adopt(restored_catalog, plan_adoption(restored_catalog, take_over=True))
        # a dump between two commits of a poll resembles a crash at that point, and the next polls repair it
        for tick in range(ticks + 2):
            ingest(open_catalog(lake.settings), feed, tick)
        is_in_once(lake, feed, ticks + 2)
        maintain(open_catalog(lake.settings), feed.bronze, START, trigger="command", dry_run=True)
    finally:
        minio.start()
