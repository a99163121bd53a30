"""A build opens the tables of its nodes only, and creates sources that no poll has created yet."""

import json
import shutil
from pathlib import Path

from pyiceberg.schema import Schema

from foss_platform.ingest.bronze.schemas import bronze_spec, polls_spec
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import ensure_table, load_table
from foss_platform.settings import Settings
from foss_platform.transform.project.manifest import read_manifest
from foss_platform.transform.runner import build
from foss_platform.transform.trino.run import TrinoRun
from foss_platform_tests.pipeline.transform.dbt_projects import NO_CONTRACT, project_with
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import GOLD, SILVER, Pipeline, made_up_polls
from foss_platform_tests.tables import content


def test_a_lake_without_polls_has_empty_tables_and_is_filled_by_increments(
    parsed_settings: Settings, feed: Feed
) -> None:
    pipeline = Pipeline(parsed_settings, feed)
    for name in (feed.bronze, TableName("ops", "polls")):
        pipeline.catalog.drop_table(name.identifier)
    pipeline.build(tests=True)
    assert not any(content(parsed_settings, (SILVER, *GOLD)).values())
    for spec in (bronze_spec(feed), polls_spec()):
        created = load_table(pipeline.catalog, spec.name)
        assert isinstance(spec.schema, Schema)
        assert created.schema().column_names == spec.schema.column_names
        assert created.properties == ensure_table(pipeline.catalog, spec).properties

    pipeline.ingest(made_up_polls(3, 20))
    pipeline.build()
    silver = load_table(pipeline.catalog, TableName("silver", "parking_readings"))
    assert silver.current_snapshot().summary.additional_properties["foss.build"] == "step"  # type: ignore[union-attr]
    filled = content(parsed_settings, (SILVER, *GOLD))
    assert all(filled.values())
    pipeline.build(full_refresh=True)
    assert content(parsed_settings, (SILVER, *GOLD)) == filled


def test_a_damaged_table_that_no_node_reads_stops_nothing(parsed_settings: Settings, feed: Feed) -> None:
    pipeline = Pipeline(parsed_settings, feed)
    pipeline.ingest(made_up_polls(3, 5))
    other = feed.model_copy(update={"name": "other"})
    damaged = ensure_table(open_catalog(parsed_settings), bronze_spec(other))
    shutil.rmtree(damaged.location().removeprefix("file://"))
    pipeline.build()
    assert content(parsed_settings, (SILVER,))[SILVER]
    # a run on Trino reads the state of the same tables, without Trino itself
    readings = "model.lakehouse.parking_readings"
    state = json.loads(
        TrinoRun(parsed_settings, read_manifest(parsed_settings), {readings}, {}).variables()["DBT_FOSS_RUN"]
    )
    (position,) = state["sources"][readings].values()
    assert position["consumed"] == position["available"] > 0
    assert state["built_with"].keys() == {f"bronze.{feed.name}", "silver.parking_sites", SILVER}


def test_a_model_named_like_a_folder_is_built_alone(settings: Settings, tmp_path: Path) -> None:
    one = f"{{{{ config(materialized='table', {NO_CONTRACT}) }}}} select 1 as one"
    project = project_with(tmp_path, gold__inner_sql=one)
    (project / "models" / "gold" / "added.sql").write_text(one)
    results = build(settings.model_copy(update={"dbt_project": project}), ["lakehouse.gold.added"])
    assert [(result.unique_id, result.status.value) for result in results] == [("model.lakehouse.added", "success")]
