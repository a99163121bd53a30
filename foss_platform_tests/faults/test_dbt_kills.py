"""A dbt run is killed between or within models, and sources are compacted and expired between two builds.

A normal build afterwards equals the oracle, and at the end also a rebuild.
"""

from collections.abc import Iterator
from itertools import count

import pytest

from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.table.positions import LOGIC_PROPERTY
from foss_platform.settings import Settings
from foss_platform.transform.logic import logic_hash
from foss_platform.transform.project.manifest import read_manifest
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.building import FINISHED, build_models
from foss_platform_tests.faults.injection.contention import compact, expire
from foss_platform_tests.faults.injection.trial import attempt
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import (
    GOLD,
    SILVER,
    Pipeline,
    compare,
    expected,
    made_up_polls,
)
from foss_platform_tests.tables import content

_MODELS = (SILVER, *GOLD)
_EACH_TIME = ("before the commit", "metadata written, catalog statement not sent", "after the commit", FINISHED)
# new rows of an incremental build, in models that get new rows in every build
_ROWS = [f"{table}: data file written" for table in (SILVER, "gold.parking_feed_health")]
_SHORT = _ROWS[1:]


@pytest.fixture
def pipeline(parsed_settings: Settings, feed: Feed) -> Pipeline:
    return Pipeline(parsed_settings, feed)


def test_killed_at_a_model_and_rebuilt(pipeline: Pipeline, measured: Measured, *, full: bool) -> None:
    kills = [f"{table}: {what}" for table in _MODELS for what in _EACH_TIME] + _ROWS if full else _SHORT
    polls = made_up_polls(11, 12 + 4 * len(kills))
    seen = polls[:12]
    pipeline.ingest(seen)
    # the first build creates the tables, and is killed as well
    assert attempt(build_models, pipeline.settings, f"{SILVER}: after the commit").killed
    attempt(build_models, pipeline.settings)
    for start, kill_at in zip(count(12, 4), kills, strict=False):
        pipeline.ingest(polls[start : start + 4])
        seen = polls[: start + 4]
        assert attempt(build_models, pipeline.settings, kill_at).killed, kill_at
        attempt(build_models, pipeline.settings)
        compare(content(pipeline.settings, _MODELS), expected(pipeline, seen))
    equals_a_rebuild(pipeline)
    measured("kills", len(kills) + 1)


def test_compacted_and_expired_between_two_builds(pipeline: Pipeline) -> None:
    polls = made_up_polls(5, 43)
    for poll in polls[:8]:
        pipeline.ingest([poll])
    pipeline.ingest(polls[8:40])
    attempt(build_models, pipeline.settings)
    for table in (pipeline.feed.bronze, POLLS):
        compact(pipeline.catalog, table)
        expire(pipeline.catalog, table, kept=1)
        assert len(pipeline.catalog.load_table(table.identifier).snapshots()) == 1
    pipeline.ingest(polls[40:42])
    compact(pipeline.catalog, pipeline.feed.bronze)
    pipeline.ingest(polls[42:])
    before = pipeline.snapshots()
    attempt(build_models, pipeline.settings)
    built = dict(kinds_of_build(pipeline))
    assert {built[SILVER], built["gold.parking_latest"], built["gold.parking_feed_health"]} == {"step"}
    assert pipeline.snapshots()[SILVER] != before[SILVER]
    compare(content(pipeline.settings, _MODELS), expected(pipeline, polls))
    equals_a_rebuild(pipeline)


def kinds_of_build(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Yield for each model whether its last commit was incremental or full."""
    for table in _MODELS:
        snapshot = pipeline.catalog.load_table(table).current_snapshot()
        assert snapshot is not None
        assert snapshot.summary is not None
        yield table, snapshot.summary.additional_properties["foss.build"]


def equals_a_rebuild(pipeline: Pipeline) -> None:
    """Compare the incremental result with a rebuild, and check that builds have not changed the recorded logic hash."""
    stepped = content(pipeline.settings, _MODELS)
    manifest = read_manifest(pipeline.settings)
    for table in _MODELS:
        logic = logic_hash(manifest, f"model.lakehouse.{table.partition('.')[2]}")
        assert pipeline.catalog.load_table(table).properties[LOGIC_PROPERTY] == logic
    attempt(build_models, pipeline.settings, None, True)
    assert content(pipeline.settings, _MODELS) == stepped
