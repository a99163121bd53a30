"""Model results on Trino: incremental builds equal the oracle, make one commit each, and engines can alternate."""

import random

import pytest

from foss_platform.engine import Engine
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.table.positions import LOGIC_PROPERTY, consumed_positions
from foss_platform.settings import Settings, load_settings
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import (
    GOLD,
    SILVER,
    Pipeline,
    compare,
    expected,
    made_up_polls,
)
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.tables import content

TABLES = (SILVER, *GOLD)


@pytest.fixture
def pipeline(trino: TrinoOnLake, feed: Feed) -> Pipeline:
    return Pipeline(on(load_settings(), Engine.TRINO), feed)


def on(settings: Settings, engine: Engine) -> Settings:
    return settings.model_copy(update={"engine": engine})


def test_incremental_builds_equal_the_oracle(pipeline: Pipeline) -> None:
    dice, polls, taken = random.Random(1), made_up_polls(1, 30), 0
    while taken < len(polls):
        count = dice.choice([3, 12, 20])
        pipeline.ingest(polls[taken : taken + count])
        taken += count
        pipeline.build(tests=taken >= len(polls))
        compare(content(pipeline.settings, TABLES), expected(pipeline, polls[:taken]))


def test_an_increment_is_one_snapshot_and_a_rebuild_keeps_the_history(pipeline: Pipeline) -> None:
    polls = made_up_polls(2, 12)
    pipeline.ingest(polls[:8])
    pipeline.build()
    first = history(pipeline)
    pipeline.ingest(polls[8:])
    pipeline.build()
    stepped = history(pipeline)
    assert stepped[SILVER][:-1] == first[SILVER]
    pipeline.build()
    # there was no new data, so nothing was written
    assert history(pipeline) == stepped
    pipeline.build(full_refresh=True)
    rebuilt = history(pipeline)
    assert {table: ids[:-1] for table, ids in rebuilt.items()} == stepped
    compare(content(pipeline.settings, TABLES), expected(pipeline, polls))


def test_engines_alternate_without_a_rebuild(pipeline: Pipeline) -> None:
    polls, settings = made_up_polls(3, 16), pipeline.settings
    logic: set[tuple[str | None, ...]] = set()
    for place, engine in enumerate((Engine.DUCKDB, Engine.TRINO, Engine.DUCKDB, Engine.TRINO)):
        pipeline.ingest(polls[4 * place : 4 * place + 4])
        pipeline.settings = on(settings, engine)
        before = {} if place == 0 else positions(pipeline)
        pipeline.build()
        tables = {name: pipeline.catalog.load_table(name) for name in TABLES}
        logic.add(tuple(table.properties.get(LOGIC_PROPERTY) for table in tables.values()))
        # each engine continued from the position that the other had reached
        assert place == 0 or all(read > before[name] for name, read in positions(pipeline).items())
        compare(content(pipeline.settings, TABLES), expected(pipeline, polls[: 4 * place + 4]))
    assert len(logic) == 1


def history(pipeline: Pipeline) -> dict[str, list[int]]:
    """Return the live snapshots of each table, oldest first."""
    return {
        name: [snapshot.snapshot_id for snapshot in pipeline.catalog.load_table(name).metadata.snapshots]
        for name in TABLES
    }


def positions(pipeline: Pipeline) -> dict[str, int]:
    """Return the position in bronze up to which each table has read."""
    return {
        name: consumed_positions(pipeline.catalog.load_table(name))["bronze.stavanger_parking"][1] for name in TABLES
    }
