"""A table is changed while Trino builds: no position claims rows that are missing, and the next run repairs it.

On Trino the rows of an increment and the position in its sources are two commits. Each interval between them is
tested with a rollback and with a late commit of a frozen server.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.engine import Engine
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.maintenance.compaction import compact
from foss_platform.lake.table.names import TableName
from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.trino import run as trino_run
from foss_platform.transform.trino.built_table import BuiltTable, finish_table
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import SILVER
from foss_platform_tests.services.trino.building import TrinoPipeline, when_the_run_has_begun
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake

GOLD = "gold.parking_feed_health"
_READINGS = TableName("silver", "parking_readings")


@pytest.fixture
def trino_pipeline(trino: TrinoOnLake, monkeypatch: pytest.MonkeyPatch) -> TrinoPipeline:
    """A lake after a full and an incremental build, with new polls that no build has read."""
    monkeypatch.setenv("FOSS_ENGINE", Engine.TRINO.value)
    made = TrinoPipeline(trino)
    made.more()
    made.heal()
    made.more()
    return made


def back(trino_pipeline: TrinoPipeline, moment: datetime) -> None:
    """Roll silver back, as `foss rollback` does."""
    roll_back(trino_pipeline.catalog, plan_rollback(trino_pipeline.catalog, _READINGS, moment))


def before_the_step(trino_pipeline: TrinoPipeline) -> datetime:
    """Return a moment before silver's last commit."""
    states = trino_pipeline.catalog.load_table(SILVER).snapshots()
    return datetime.fromtimestamp(states[-1].timestamp_ms / 1000 - 0.001, UTC)


@contextmanager
def when_built(name: str, act: Callable[[], object], *, before_note: bool) -> Iterator[None]:
    """Call `act` when Trino has committed a table, before or after the platform records the position."""

    def acting(catalog: Catalog, built: BuiltTable) -> Table:
        if str(built.name) == name and before_note:
            act()
        table = finish_table(catalog, built)
        if str(built.name) == name and not before_note:
            act()
        return table

    with patch.object(trino_run, "finish_table", acting):
        yield


def failures(results: list[NodeResult]) -> dict[str, str]:
    """Return the error messages by table, after checking that each error is transient."""
    found = [result for result in results if result.status is NodeStatus.ERROR]
    assert not any(result.is_permanent for result in found)
    return {result.unique_id.rpartition(".")[2]: result.message for result in found}


def test_a_rollback_before_an_increment_is_not_recorded_as_read(trino_pipeline: TrinoPipeline) -> None:
    moment, noted = before_the_step(trino_pipeline), trino_pipeline.read_to(GOLD)
    with when_the_run_has_begun(lambda: back(trino_pipeline, moment)):
        found = failures(trino_pipeline.results())
    assert found.keys() == {"parking_readings", "parking_feed_health"}
    assert found["parking_readings"].startswith("silver.parking_readings changed while this run was building it")
    assert trino_pipeline.read_to(GOLD) == noted
    trino_pipeline.heal()


def test_a_rollback_after_an_increment_is_not_recorded_as_read(trino_pipeline: TrinoPipeline) -> None:
    moment, noted = before_the_step(trino_pipeline), trino_pipeline.read_to(GOLD)
    with when_built(SILVER, lambda: back(trino_pipeline, moment), before_note=True):
        found = failures(trino_pipeline.results())
    assert found.keys() == {"parking_readings", "parking_feed_health"}
    assert trino_pipeline.read_to(GOLD) == noted
    trino_pipeline.heal()


def test_a_late_commit_between_an_increment_and_its_position(trino_pipeline: TrinoPipeline) -> None:
    """A server frozen during a rebuild commits late, with fewer rows than the repairing run."""
    older = trino_pipeline.catalog.load_table(SILVER)
    noted = trino_pipeline.read_to()
    keys, values = (", ".join(f"'{word}'" for word in words) for words in (noted, noted.values()))

    def late() -> None:
        trino_pipeline.stand.access.rows(
            f"create or replace table {SILVER} with (format_version = 2, extra_properties = map(array[{keys}], "
            f"array[{values}])) as select * from {SILVER} for version as of {older.metadata.current_snapshot_id}"
        )

    with when_built(SILVER, late, before_note=True):
        found = failures(trino_pipeline.results())
    assert "parking_readings" in found
    assert trino_pipeline.read_to() == noted
    trino_pipeline.heal()


def test_a_rebuild_from_changed_sources_records_no_position(trino_pipeline: TrinoPipeline) -> None:
    moment = before_the_step(trino_pipeline)
    with when_built(SILVER, lambda: back(trino_pipeline, moment), before_note=False):
        found = failures(trino_pipeline.results(full_refresh=True))
    assert found.keys() == {"parking_feed_health"}
    assert "silver.parking_readings changed while this run was building gold.parking_feed_health" in found.popitem()[1]
    assert trino_pipeline.read_to(GOLD) == {}
    trino_pipeline.heal()


def test_maintenance_in_between_is_not_a_change(trino_pipeline: TrinoPipeline) -> None:
    with when_built(SILVER, lambda: compact(trino_pipeline.catalog, _READINGS, everything=True), before_note=True):
        assert failures(trino_pipeline.results()) == {}
    trino_pipeline.heal()
