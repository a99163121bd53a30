"""The maintenance sensor: one request per state of a table, and no tracebacks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import time_machine

from foss_platform.settings import Settings
from foss_platform_tests.pipeline.maintenance.neglected_lake import SENSOR, Location, grow, lose_manifest

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs", "ignore:Class `")


@pytest.fixture
def location(parsed_settings: Settings) -> Iterator[Location]:
    made = Location(parsed_settings)
    yield made
    made.instance.dispose()


def test_sensor_requests_maintenance_once_per_state(location: Location) -> None:
    # twenty files, ten times the number that triggers a compaction
    needy = grow(location.settings, "gold.needy", 20, compact_at_files=2)
    grow(location.settings, "gold.well", 3)
    with time_machine.travel(datetime.now(UTC)) as clock:
        found = location.look()
        (request,) = found.run_requests or ()
        snapshot = needy.current_snapshot()
        assert snapshot is not None
        assert request.run_key == f"gold.needy@{snapshot.snapshot_id}"
        assert request.run_config == {"ops": {"maintain_tables": {"config": {"tables": ["gold.needy"]}}}}
        again = location.look(found.cursor)
        assert not again.run_requests
        assert "maintenance of gold.needy was requested at" in str(again.skip_reason)
        # the same state an hour later has the same key, by which Dagster leaves it alone
        clock.shift(timedelta(hours=2))
        assert [r.run_key for r in location.look(again.cursor).run_requests or ()] == [request.run_key]
        assert location.maintenance(tables=["gold.needy"]).success
        assert location.look().skip_reason == dg.SkipReason("No table needs maintenance.")


def test_sensor_handles_a_missing_or_damaged_lake(location: Location) -> None:
    context = dg.build_sensor_context(instance=location.instance)
    skipped = location.defs.resolve_sensor_def(SENSOR)(context)
    assert isinstance(skipped, dg.SkipReason)
    assert "There is no lake" in str(skipped.skip_message)
    lose_manifest(grow(location.settings, "gold.broken", 1))
    assert "gold.broken: " in str(location.look().skip_reason)
    grow(location.settings, "gold.needy", 20, compact_at_files=2)
    assert location.look().run_requests
