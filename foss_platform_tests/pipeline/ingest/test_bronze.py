"""Polls are committed exactly once, despite repeats, any order and failures."""

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table

from foss_platform.errors import TransientError
from foss_platform.ingest.bronze.commit_polls import commit_polls, ensure_feed_tables
from foss_platform.ingest.bronze.poll_once import ingest_poll
from foss_platform.ingest.bronze.present_batches import batches_in
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import scheduled
from foss_platform.ingest.poll.poll import MAX_KEPT_BODY_BYTES, Poll, judge_recorded
from foss_platform.ingest.records.contract import contract_judge
from foss_platform.lake.commit import commit_with_retry
from foss_platform.lake.commit.change import Change
from foss_platform.lake.commit.stage_change import StagedChange, stage_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.ingest.writers import START, live_poll, record
from foss_platform_tests.tables import Row, content, read

BRONZE = "bronze.stavanger_parking"
REJECTED = f"{BRONZE}__rejected"
TABLES = (BRONZE, REJECTED, "ops.polls")
MIXED = f'[{record("A")},{{"Sted":1,"Sted":2}},null,{record("Å")}]'


@pytest.fixture
def catalog(settings: Settings, feed: Feed) -> Catalog:
    catalog = open_catalog(settings)
    ensure_feed_tables(catalog, feed)
    return catalog


def replayed(feed: Feed, minute: int, body: str, status: int = 200) -> Poll:
    at = START + timedelta(minutes=minute)
    return judge_recorded(feed, contract_judge(feed), "recording", at, body.encode(), status)


def batches(rows: list[Row], name: str = "_batch_id") -> list[str]:
    return sorted({row[name] for row in rows})


def all_sorts(feed: Feed) -> list[Poll]:
    """Return replayed and live polls: valid, mixed, all rejected, unreadable, and two at the same time."""
    polls = [replayed(feed, n, f"[{record('A', str(n))}]") for n in range(4)]
    polls += [replayed(feed, 1, f"[{record('B')}]"), replayed(feed, 5, MIXED), replayed(feed, 6, "[null,{}]")]
    polls += [replayed(feed, 7, "<html>"), replayed(feed, 8, f"[{record('A')}]", 503)]
    return polls + [live_poll(feed, 20 + n, body) for n, body in enumerate((MIXED, "[1]", "[]", f"[{record('C')}]"))]


def test_repeated_polls_change_nothing_in_any_order(catalog: Catalog, settings: Settings, feed: Feed) -> None:
    polls = all_sorts(feed)
    written = commit_polls(catalog, feed, polls, {})
    assert (written.rows, written.rejected, len(written.new_batches)) == (10, 7, 8)
    once = content(settings, TABLES)
    assert [len(once[name]) for name in TABLES] == [10, 7, 13]
    snapshots = [len(catalog.load_table(name).snapshots()) for name in TABLES]
    dice = random.Random(1)
    for size in (1, 3, 5, 13):
        dice.shuffle(polls)
        for start in range(0, len(polls), size):
            again = commit_polls(catalog, feed, polls[start : start + size], {})
            assert (again.rows, again.rejected, again.new_batches) == (0, 0, frozenset())
    assert content(settings, TABLES) == once
    assert [len(catalog.load_table(name).snapshots()) for name in TABLES] == snapshots


@pytest.mark.parametrize("size", [1, 2, 7])
def test_parts_in_any_order_give_the_same_tables(catalog: Catalog, settings: Settings, feed: Feed, size: int) -> None:
    polls = all_sorts(feed)
    random.Random(size).shuffle(polls)
    for start in range(0, len(polls), size):
        commit_polls(catalog, feed, polls[max(0, start - 1) : start + size], {})  # each part overlaps the previous part
    elsewhere = Settings(home=settings.home / "elsewhere")
    other = open_catalog(elsewhere)
    ensure_feed_tables(other, feed)
    commit_polls(other, feed, all_sorts(feed), {})
    assert content(settings, TABLES) == content(elsewhere, TABLES)


def test_rejected_records_are_quarantined_in_full(catalog: Catalog, settings: Settings, feed: Feed) -> None:
    commit_polls(catalog, feed, [live_poll(feed, 0, MIXED)], {})
    rows = {row["_record_index"]: (row["reason"], row["record"]) for row in read(settings, REJECTED)}
    assert rows == {1: ("a key occurs twice", '{"Sted":1,"Sted":2}'), 2: ("not an object", "null")}
    assert [row["_record_index"] for row in read(settings, BRONZE, ("_record_index",))] == [0, 3]
    (logged,) = read(settings, "ops.polls")
    assert (logged["status"], logged["records_accepted"], logged["records_rejected"]) == ("accepted", 2, 2)


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", "[NaN]", '["' + "x" * 2_000_000])
def test_a_failed_poll_is_only_in_the_log_with_its_body(
    catalog: Catalog, settings: Settings, feed: Feed, body: str
) -> None:
    poll = live_poll(feed, 0, body)
    written = commit_polls(catalog, feed, [poll], {})
    assert (written.rows, written.rejected, written.new_batches) == (0, 0, frozenset())
    assert read(settings, BRONZE) == read(settings, REJECTED) == []
    (row,) = read(settings, "ops.polls")
    assert (row["status"], row["error_class"], row["body_bytes"]) == ("failed", "permanent", len(body))
    assert row["body"] == body.encode()[:MAX_KEPT_BODY_BYTES]
    assert not batches_in(load_table(catalog, feed.bronze), [poll.cause.batch_id])


def test_the_first_commit_of_a_scheduled_batch_wins(catalog: Catalog, settings: Settings, feed: Feed) -> None:
    failed = live_poll(feed, 0, "<html>")
    first, second = (live_poll(feed, 0, f"[{record(site)}]", late=late) for site, late in (("A", 9), ("B", 17)))
    commit_polls(catalog, feed, [failed], {})
    assert commit_polls(catalog, feed, [first], {}).new_batches == {first.cause.batch_id}
    assert batches_in(load_table(catalog, feed.bronze), [first.cause.batch_id])
    assert commit_polls(catalog, feed, [second], {}).known_batches == {first.cause.batch_id}
    assert [row["Sted"] for row in read(settings, BRONZE)] == ["A"]
    # the log contains every failed attempt and the committed attempt
    assert sorted(row["status"] for row in read(settings, "ops.polls")) == ["accepted", "failed"]


def test_two_attempts_in_one_call_give_one_batch(catalog: Catalog, settings: Settings, feed: Feed) -> None:
    tries = [live_poll(feed, 0, f"[{record(site)}]", late=n) for n, site in enumerate("AB")]
    written = commit_polls(catalog, feed, [live_poll(feed, 0, "<html>", late=5), *tries], {})
    assert (written.rows, len(written.new_batches)) == (1, 1)
    assert [row["Sted"] for row in read(settings, BRONZE)] == ["A"]
    assert sorted(row["status"] for row in read(settings, "ops.polls")) == ["accepted", "failed"]


@pytest.mark.parametrize("table", TABLES)
def test_a_failure_while_any_table_is_staged_commits_nothing(
    catalog: Catalog, settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    def failing(catalog: Catalog, staged: Table, change: Change) -> StagedChange | None:
        if ".".join(staged.name()) == table:
            raise OSError("the store is away")
        return stage_change(catalog, staged, change)

    poll = live_poll(feed, 0, MIXED)
    with monkeypatch.context() as patch:
        patch.setattr(commit_with_retry, "stage_change", failing)
        with pytest.raises(TransientError, match="the store is away"):
            commit_polls(catalog, feed, [poll], {})
    assert [content(settings, TABLES)[name] for name in TABLES] == [[], [], []]
    assert commit_polls(catalog, feed, [poll], {}).new_batches == {poll.cause.batch_id}
    assert [len(content(settings, TABLES)[name]) for name in TABLES] == [2, 2, 1]


def test_a_poll_reads_the_metadata_of_each_table_once(
    catalog: Catalog, settings: Settings, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_polls(catalog, feed, [live_poll(feed, 0, MIXED)], {})
    read_files: list[str] = []
    original = FromInputFile.table_metadata

    def counted(file: Any) -> Any:
        read_files.append(file.location)
        return original(file)

    monkeypatch.setattr(FromInputFile, "table_metadata", staticmethod(counted))
    process = open_catalog(settings)
    polls = [live_poll(feed, tick, MIXED) for tick in (1, 2)]
    for poll in polls:
        assert ingest_poll(process, feed, poll.cause, lambda _, poll=poll: poll, {}).written is not None  # type: ignore[misc]
    assert len(read_files) == len(set(read_files)) == len(TABLES)


def test_tables_without_rows_hold_no_batch(catalog: Catalog, feed: Feed) -> None:
    assert not batches_in(load_table(catalog, feed.bronze), [scheduled(feed.name, START).batch_id])


def test_the_order_of_fields_on_the_page_may_change(catalog: Catalog, settings: Settings, feed: Feed) -> None:
    turned = feed.model_copy(update={"contract": feed.contract[::-1]})
    ensure_feed_tables(catalog, turned)
    commit_polls(catalog, turned, [live_poll(turned, 0, f"[{record('A')}]")], {})
    (row,) = read(settings, BRONZE)
    assert (row["Sted"], row["Dato"], row["Antall_ledige_plasser"]) == ("A", "24.10.2020", "7")


def test_batches_of_many_ticks_are_distinct(catalog: Catalog, settings: Settings, feed: Feed) -> None:
    for tick, again in itertools.product(range(3), range(2)):
        commit_polls(catalog, feed, [live_poll(feed, tick, f"[{record('A')}]", late=again)], {})
    assert len(batches(read(settings, BRONZE))) == len(read(settings, BRONZE)) == 3
