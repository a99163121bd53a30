"""A catalog that commits one table after the other: the order of the commits, and the recovery after a crash.

The SQL catalog stands for a REST catalog here: it is told to commit one by one. The services tests use a real one.
"""

from collections.abc import Callable
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import TransientError
from foss_platform.ingest.bronze import one_by_one
from foss_platform.ingest.bronze.commit_polls import commit_polls, complete_poll_log, ensure_feed_tables
from foss_platform.ingest.bronze.one_by_one import RepairedLog, repair_poll_log, tables_with_unlogged_polls
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.connect.sql_catalog import TransactionalSqlCatalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import find_tables
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.ingest.test_bronze import MIXED, TABLES, replayed
from foss_platform_tests.pipeline.ingest.writers import live_poll
from foss_platform_tests.tables import content, read


@pytest.fixture
def catalog(settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    monkeypatch.setattr(TransactionalSqlCatalog, "commits_together", False)
    catalog = open_catalog(settings)
    ensure_feed_tables(catalog, feed)
    return catalog


def crash_at(monkeypatch: pytest.MonkeyPatch, table: str) -> Callable[[], None]:
    """Make commits to one table fail until the patch is undone."""

    def failing(catalog: Catalog, name: TableName, plan: Callable[[Any], Change | None]) -> object:
        if str(name) == table:
            raise TransientError("crash")
        return commit(catalog, name, plan)

    monkeypatch.setattr(one_by_one, "commit", failing)
    return lambda: monkeypatch.setattr(one_by_one, "commit", commit)


@pytest.mark.parametrize("table", [*TABLES])
@pytest.mark.parametrize("kind", ["live", "replayed", "four replayed", "nine replayed"])
def test_crash_between_commits_and_retry_gives_the_same_tables(
    catalog: Catalog, settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch, table: str, kind: str
) -> None:
    count = {"four replayed": 4, "nine replayed": 9}.get(kind, 1)
    polls = [live_poll(feed, 0, MIXED)] if kind == "live" else [replayed(feed, n, MIXED) for n in range(count)]
    recover = crash_at(monkeypatch, table)
    with pytest.raises(TransientError, match="crash"):
        commit_polls(catalog, feed, polls, {})
    recover()
    commit_polls(catalog, feed, polls, {})
    assert repair_poll_log(catalog, feed, {}).added == 0
    elsewhere = Settings(home=settings.home / "elsewhere")
    other = open_catalog(elsewhere)
    ensure_feed_tables(other, feed)
    commit_polls(other, feed, polls, {})
    assert content(settings, TABLES) == content(elsewhere, TABLES)


def test_repair_finds_a_batch_older_than_one_already_logged(
    catalog: Catalog, settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # two processes that crashed at once, and one that repaired the log before they did
    with monkeypatch.context() as patch:
        patch.setattr(one_by_one, "repair_poll_log", lambda *_: RepairedLog())
        recover = crash_at(monkeypatch, "ops.polls")
        lost = [live_poll(feed, tick, MIXED) for tick in (0, 1)]
        for poll in lost:
            with pytest.raises(TransientError):
                commit_polls(catalog, feed, [poll], {})
        recover()
        commit_polls(catalog, feed, [live_poll(feed, 2, MIXED)], {})
    assert len(read(settings, "ops.polls")) == 1
    assert commit_polls(catalog, feed, [live_poll(feed, 3, MIXED)], {}).healed == 2
    assert repair_poll_log(catalog, feed, {}).added == 0
    rows = {row["batch_id"]: row for row in read(settings, "ops.polls")}
    assert [rows[poll.cause.batch_id] for poll in lost] == [poll.log for poll in lost]


def test_repair_reads_only_commits_since_the_log_was_complete(
    catalog: Catalog, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tick in range(3):
        commit_polls(catalog, feed, [live_poll(feed, tick, MIXED)], {})
    asked: list[int] = []

    def counted(_table: Table, rows: list[object], _summary: object) -> None:
        asked.append(len(rows))

    monkeypatch.setattr(one_by_one, "log_rows", counted)
    repair_poll_log(catalog, feed, {})
    assert asked == [1]


def test_repair_without_tables_or_rows_does_nothing(settings: Settings, feed: Feed) -> None:
    catalog = open_catalog(settings)
    assert repair_poll_log(catalog, feed, {}).added == 0
    ensure_feed_tables(catalog, feed)
    assert repair_poll_log(catalog, feed, {}).added == 0


def test_a_log_that_lacks_polls_is_found_and_completed(
    catalog: Catalog, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlogged() -> list[TableName]:
        return tables_with_unlogged_polls(find_tables(catalog, (feed.bronze, POLLS)))

    commit_polls(catalog, feed, [live_poll(feed, 0, MIXED)], {})
    assert unlogged() == []
    recover = crash_at(monkeypatch, "ops.polls")
    with pytest.raises(TransientError):
        commit_polls(catalog, feed, [live_poll(feed, 1, MIXED)], {})
    recover()
    assert unlogged() == [feed.bronze]
    assert complete_poll_log(catalog, feed, {}) == 1
    assert unlogged() == []
