"""Quarantine: records are listed, shown, and committed exactly once after the contract is corrected."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.errors import TransientError
from foss_platform.ingest.bronze import one_by_one
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.quarantine.quarantine import State, quarantined
from foss_platform.ingest.quarantine.replay import replay_quarantine
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.connect.sql_catalog import TransactionalSqlCatalog
from foss_platform.lake.table.names import TableName
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.ingest.feeds import FIRST_TICK, ingest, meters, poll_of
from foss_platform_tests.tables import Row, read

STRICT = meters({"name": "x", "type": "int"})
MENDED = meters({"name": "x", "type": "long", "required": False})
BRONZE, REJECTED, LOG = "bronze.meters", "bronze.meters__rejected", "ops.polls"


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    catalog = open_catalog(settings)
    good, large, none = {"id": "a", "x": 1}, {"id": "b", "x": 2**40}, {"id": "c"}
    ingest(
        catalog,
        STRICT,
        poll_of(STRICT, 0, good, large),
        poll_of(STRICT, 1, large, none),  # no record was accepted, so the poll failed
        poll_of(STRICT, 2, good, "no record at all"),
    )
    return catalog


def bronze(settings: Settings) -> list[tuple[Any, ...]]:
    rows = sorted(read(settings, BRONZE), key=lambda row: (row["_batch_id"], row["_record_index"]))
    return [(row["_batch_id"][-24:], row["_record_index"], row["x"]) for row in rows]


def states(catalog: Catalog, feed: Feed) -> list[str]:
    return sorted(record.state.value for record in quarantined(catalog, feed))


def polls(settings: Settings, tick: int) -> list[Row]:
    moment = FIRST_TICK + timedelta(minutes=2 * tick)
    return [row for row in read(settings, LOG) if row["polled_at"] == moment]


def test_replay_after_contract_fix_commits_under_the_original_batch_id(settings: Settings, catalog: Catalog) -> None:
    assert states(catalog, STRICT) == ["waiting"] * 4
    result = replay_quarantine(catalog, MENDED, {})
    assert (result.records, result.still_refused) == (3, {"not an object": 1})
    first, second, third = (f"2026-01-05T10:0{minute}:00.000Z" for minute in (0, 2, 4))
    assert bronze(settings) == [(first, 0, 1), (first, 1, 2**40), (second, 0, 2**40), (second, 1, None), (third, 0, 1)]
    moments = {row["_record_index"]: row["_polled_at"] for row in read(settings, BRONZE) if second in row["_batch_id"]}
    assert moments == {0: FIRST_TICK + timedelta(minutes=2), 1: FIRST_TICK + timedelta(minutes=2)}
    assert states(catalog, MENDED) == ["replayed"] * 3 + ["waiting"]
    # the evidence is unchanged
    assert len(read(settings, REJECTED)) == 4


def test_replaying_again_changes_nothing(settings: Settings, catalog: Catalog) -> None:
    replay_quarantine(catalog, MENDED, {})
    before = (read(settings, BRONZE), read(settings, LOG))
    assert replay_quarantine(catalog, MENDED, {}).records == 0
    assert (read(settings, BRONZE), read(settings, LOG)) == before


def test_failed_poll_becomes_accepted_once_its_records_are_committed(settings: Settings, catalog: Catalog) -> None:
    assert [row["status"] for row in polls(settings, 1)] == ["failed"]
    replay_quarantine(catalog, MENDED, {})
    accepted = [row for row in polls(settings, 1) if row["status"] == "accepted"]
    assert [(row["records_accepted"], row["records_rejected"]) for row in accepted] == [(2, 0)]
    assert len(polls(settings, 0)) == 1


def test_dry_run_reports_the_same_and_writes_nothing(settings: Settings, catalog: Catalog) -> None:
    tables = [catalog.load_table(name).metadata_location for name in (BRONZE, REJECTED, LOG)]
    assert replay_quarantine(catalog, MENDED, {}, dry_run=True).records == 3
    assert [catalog.load_table(name).metadata_location for name in (BRONZE, REJECTED, LOG)] == tables


@pytest.mark.parametrize(("since", "reason", "count"), [(1, None, 2), (None, "is missing", 1), (2, "x", 0)])
def test_only_the_selected_records_are_replayed(
    catalog: Catalog, since: int | None, reason: str | None, count: int
) -> None:
    moment = None if since is None else FIRST_TICK + timedelta(minutes=2 * since)
    assert replay_quarantine(catalog, MENDED, {}, since=moment, reason=reason).records == count


def test_unreadable_body_is_replayed_once_it_is_readable(settings: Settings) -> None:
    catalog = open_catalog(settings)
    body = b'{"data": [{"id": "a", "at": "2026-01-05T10:00:00+00:00"}, {"id": 1}]}'
    flat = meters()
    ingest(catalog, flat, poll_of(flat, 0, body=body))
    assert replay_quarantine(catalog, flat, {}).still_refused
    nested = flat.model_copy(update={"source": flat.source.model_copy(update={"records": "data"})})
    result = replay_quarantine(catalog, nested, {})
    assert (result.bodies, result.rows_of_bodies) == (1, 1)
    assert [row["id"] for row in read(settings, BRONZE)] == ["a"]
    assert [row["reason"] for row in read(settings, REJECTED)] == ["id is not of type string"]
    assert sorted(row["status"] for row in read(settings, LOG)) == ["accepted", "failed"]
    assert replay_quarantine(catalog, nested, {}).bodies == 0
    assert len(read(settings, LOG)) == 2


def test_records_of_an_unfinished_attempt_are_not_replayed(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends_before_bronze(catalog: Catalog, name: TableName, plan: Callable[[Table], Change | None]) -> Table:
        if str(name) == BRONZE:
            raise TransientError("the process ended here")
        return commit(catalog, name, plan)

    with monkeypatch.context() as patch:
        patch.setattr(TransactionalSqlCatalog, "commits_together", False)
        patch.setattr(one_by_one, "commit", ends_before_bronze)
        with pytest.raises(TransientError):
            ingest(catalog, STRICT, poll_of(STRICT, 9, {"id": "z"}, {"id": "a", "x": 1}))
    assert State.UNFINISHED.value in states(catalog, STRICT)
    replay_quarantine(catalog, MENDED, {})
    assert not any(row["id"] == "z" for row in read(settings, BRONZE))
