"""Rollback: one commit to a live or pinned state, with a correct increment afterwards."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import time_machine
from pyiceberg.catalog import Catalog

from foss_platform.errors import PermanentError
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.build.commit_and_compact import Change, commit
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import EVERY_ROW
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.snapshots.points import Point, all_points, live_points
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import consumed_positions
from foss_platform.lake.table.tables import TableSpec, ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import (
    GOLD,
    SILVER,
    Pipeline,
    compare,
    expected,
    made_up_polls,
)
from foss_platform_tests.tables import content

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64())])
MODELS = (SILVER, *GOLD)


def put(catalog: Catalog, number: int) -> Point:
    """Replace the table's content with this number."""
    rows = pa.table({"id": [number]}, schema=SCHEMA)
    table = commit(catalog, NAME, lambda _: Change(rows, EVERY_ROW, properties={"foss.position.s": f"u:{number}"}))
    return live_points(table)[-1]


def go_back(catalog: Catalog, moment: datetime) -> tuple[list[int | None], dict[str, tuple[str, int]]]:
    table = roll_back(catalog, plan_rollback(catalog, NAME, moment))
    return table.scan().to_arrow()["id"].to_pylist(), consumed_positions(table)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA))
    return catalog


def test_rollback_and_return_restore_positions_with_one_snapshot_each(catalog: Catalog) -> None:
    first, second = put(catalog, 1), put(catalog, 2)
    before = len(load_table(catalog, NAME).snapshots())
    assert go_back(catalog, first.committed_at) == ([1], {"s": ("u", 1)})
    assert go_back(catalog, second.committed_at) == ([2], {"s": ("u", 2)})
    assert len(load_table(catalog, NAME).snapshots()) == before + 2
    assert go_back(catalog, datetime.now(UTC)) == ([2], {"s": ("u", 2)})
    assert len(load_table(catalog, NAME).snapshots()) == before + 2


def test_rollback_to_a_pinned_state(catalog: Catalog) -> None:
    # after the table was created
    start = datetime(2044, 3, 1, 8, 50, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        for number in range(30):
            put(catalog, number)
            clock.shift(timedelta(minutes=20))
        nine = start.replace(hour=9, minute=0)
        assert nine not in [point.committed_at for point in live_points(load_table(catalog, NAME))]
        assert go_back(catalog, nine) == ([0], {"s": ("u", 0)})


def test_position_not_recorded_at_that_time_is_removed(catalog: Catalog) -> None:
    rows = pa.table({"id": [0]}, schema=SCHEMA)
    first = live_points(commit(catalog, NAME, lambda _: Change(rows, EVERY_ROW)))[-1]
    put(catalog, 1)
    assert go_back(catalog, first.committed_at) == ([0], {})


def test_rollback_of_bronze_other_columns_and_expired_states_is_refused(catalog: Catalog) -> None:
    now = datetime.now(UTC)
    for namespace in ("bronze", "ops"):
        with pytest.raises(PermanentError, match="source data"):
            plan_rollback(catalog, TableName(namespace, "anything"), now)
    first = put(catalog, 1)
    with pytest.raises(PermanentError, match="held no rows yet"):
        plan_rollback(catalog, NAME, first.committed_at - timedelta(seconds=1))
    with load_table(catalog, NAME).update_schema() as update:
        update.union_by_name(pa.schema([("other", pa.string())]))
    with pytest.raises(PermanentError, match="different columns"):
        plan_rollback(catalog, NAME, first.committed_at)


@pytest.mark.parametrize("rolled_back", [MODELS, (SILVER,), GOLD], ids=["all", "silver", "gold"])
def test_next_increment_after_rollback_is_correct(
    parsed_settings: Settings, feed: Feed, rolled_back: tuple[str, ...]
) -> None:
    pipeline = Pipeline(parsed_settings, feed)
    polls = made_up_polls(17, 24)
    pipeline.ingest(polls[:8])
    pipeline.build()
    for start in (8, 12):
        pipeline.ingest(polls[start : start + 4])
        pipeline.build()
    then = content(pipeline.settings, MODELS)
    moment = max(all_points(pipeline.catalog.load_table(table))[-1].committed_at for table in MODELS)
    pipeline.ingest(polls[16:20])
    pipeline.build()
    for table in MODELS:
        compact(pipeline.catalog, TableName(*table.split(".")), everything=True)
    for table in rolled_back:
        name = TableName(*table.split("."))
        roll_back(pipeline.catalog, plan_rollback(pipeline.catalog, name, moment))
        assert content(pipeline.settings, (table,))[table] == then[table]
    pipeline.ingest(polls[20:])
    pipeline.build()
    compare(content(pipeline.settings, MODELS), expected(pipeline, polls))
