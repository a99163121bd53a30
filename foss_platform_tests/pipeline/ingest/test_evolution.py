"""Contract changes: automatic schema evolution of bronze, and changes that are refused before any write."""

from datetime import timedelta
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.bronze.unknown_fields import field_drift
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.query import ask
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.ingest.feeds import FIRST_TICK, ingest, meters, poll_of
from foss_platform_tests.tables import read

BRONZE = "bronze.meters"


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return open_catalog(settings)


def answer(settings: Settings, catalog: Catalog, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ask(settings, catalog, query).reader.read_all().to_pylist()
    return rows


def test_unknown_field_becomes_readable_once_it_is_added(settings: Settings, catalog: Catalog) -> None:
    before = meters()
    ingest(catalog, before, poll_of(before, 0, {"id": "a", "power": 7}, {"id": "b"}))
    snapshot = catalog.load_table(BRONZE).metadata.current_snapshot_id
    after = meters({"name": "power", "type": "long", "required": False})
    ingest(catalog, after, poll_of(after, 1, {"id": "a", "power": 8}))
    rows = answer(settings, catalog, "select id, power from bronze.meters order by _polled_at, id")
    assert rows == [{"id": "a", "power": 7}, {"id": "b", "power": None}, {"id": "a", "power": 8}]
    # no row was rewritten, and the earlier state is still readable
    kept = [row["_unknown_fields"] for row in read(settings, BRONZE)]
    assert sorted(kept, key=str) == [None, None, '{"power":7}']
    scan = catalog.load_table(BRONZE).scan(snapshot_id=snapshot)
    assert "power" not in scan.to_arrow().column_names


def test_unusual_names_and_json_fields_are_readable(settings: Settings, catalog: Catalog) -> None:
    before = meters()
    ingest(catalog, before, poll_of(before, 0, {"id": "a", "øre": "5", "parts": [1, {"x": "y"}]}))
    after = meters({"name": "øre", "required": False}, {"name": "parts", "type": "json", "required": False})
    ingest(catalog, after, poll_of(after, 1, {"id": "b", "øre": "6", "parts": [2]}))
    rows = answer(settings, catalog, "select øre, parts from bronze.meters order by id")
    assert rows == [{"øre": "5", "parts": '[1,{"x":"y"}]'}, {"øre": "6", "parts": "[2]"}]


def test_earlier_state_is_read_without_the_new_column(settings: Settings, catalog: Catalog) -> None:
    before = meters()
    ingest(catalog, before, poll_of(before, 0, {"id": "a", "power": 7}))
    committed = catalog.load_table(BRONZE).metadata.snapshots[-1].timestamp_ms
    after = meters({"name": "power", "type": "long", "required": False})
    ingest(catalog, after, poll_of(after, 1, {"id": "b", "power": 8}))
    moment = FIRST_TICK.fromtimestamp(committed / 1000, FIRST_TICK.tzinfo) + timedelta(milliseconds=1)
    reader = ask(settings, catalog, "select * from bronze.meters", moment).reader
    assert reader.read_all().column("id").to_pylist() == ["a"]


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [
        ({"type": "int"}, {"type": "long"}, (1, 2**40)),
        ({"type": "float"}, {"type": "double"}, (1.5, 1e300)),
        ({"type": "long"}, {"type": "long", "required": False}, (1, None)),
    ],
)
def test_types_are_widened_automatically(
    settings: Settings, catalog: Catalog, before: dict[str, Any], after: dict[str, Any], values: tuple[Any, Any]
) -> None:
    narrow, wide = meters({"name": "x", **before}), meters({"name": "x", **after})
    ingest(catalog, narrow, poll_of(narrow, 0, {"id": "a", "x": values[0]}))
    ingest(catalog, wide, poll_of(wide, 1, {"id": "b", "x": values[1]}))
    rows = answer(settings, catalog, "select x from bronze.meters order by id")
    assert [row["x"] for row in rows] == list(values)
    assert [row["x"] for row in sorted(read(settings, BRONZE), key=lambda row: str(row["id"]))] == list(values)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ([{"name": "x", "type": "long"}], [{"name": "x", "type": "int"}], "x was long and cannot become int"),
        ([{"name": "x", "type": "long"}], [{"name": "x"}], "x was long and cannot become string"),
        ([{"name": "x"}], [{"name": "x", "type": "json"}], "x was string and cannot become json"),
        ([{"name": "x"}], [], "x is missing"),
        ([{"name": "x"}], [{"name": "y"}], "x is missing"),
        ([{"name": "x", "required": False}], [{"name": "x"}], "x was optional"),
    ],
)
def test_incompatible_change_is_refused_before_any_write(
    settings: Settings, catalog: Catalog, before: list[dict[str, Any]], after: list[dict[str, Any]], says: str
) -> None:
    old = meters(*before)
    ingest(catalog, old, poll_of(old, 0, {"id": "a", "x": 1 if before[0].get("type") == "long" else "1"}))
    location = catalog.load_table(BRONZE).metadata_location
    with pytest.raises(ConfigurationError, match=says):
        ingest(catalog, meters(*after))
    assert catalog.load_table(BRONZE).metadata_location == location
    ingest(catalog, old, poll_of(old, 1, {"id": "b", "x": 1 if before[0].get("type") == "long" else "1"}))
    assert len(read(settings, BRONZE)) == 2


def test_all_refusals_are_named_at_once(catalog: Catalog) -> None:
    old = meters({"name": "x"}, {"name": "y", "type": "long"})
    ingest(catalog, old)
    with pytest.raises(ConfigurationError, match=r"x is missing.*y was long"):
        ingest(catalog, meters({"name": "y"}))


def test_an_unchanged_contract_writes_nothing(catalog: Catalog) -> None:
    feed = meters({"name": "x"})
    ingest(catalog, feed)
    location = catalog.load_table(BRONZE).metadata_location
    ingest(catalog, feed)
    assert catalog.load_table(BRONZE).metadata_location == location


def test_new_required_field_is_required_of_later_records(settings: Settings, catalog: Catalog) -> None:
    old, new = meters(), meters({"name": "x"})
    ingest(catalog, old, poll_of(old, 0, {"id": "a"}))
    written = ingest(catalog, new, poll_of(new, 1, {"id": "b", "x": "1"}, {"id": "c"}))
    assert (written.rows, written.rejected) == (1, 1)
    ingest(catalog, new)
    assert len(read(settings, BRONZE)) == 2


def test_unknown_and_absent_fields_are_reported_with_samples_and_start(settings: Settings, catalog: Catalog) -> None:
    feed = meters({"name": "x", "required": False})
    polls = [
        poll_of(feed, 0, {"id": "a", "power's": 7}),
        poll_of(feed, 1, {"id": "a", "power's": 8}, {"id": "b", "x": "1"}),
    ]
    ingest(catalog, feed, *polls)
    first, second = (field_drift(settings, catalog, feed, poll.cause.batch_id) for poll in polls)
    assert first.absent == ["x"]
    assert second.absent == []
    assert [(field.name, field.samples, field.since) for field in second.unknown] == [("power's", ["8"], FIRST_TICK)]
