"""A model that has changed since its table was built, and a seed that two runs build at once."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.utils import TargetConfig

from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.query.duckdb_views import connection_config
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Settings
from foss_platform.transform.plugin import Plugin
from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.runner import build
from foss_platform_tests.pipeline.transform.dbt_projects import NO_CONTRACT, project_with
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import Pipeline, made_up_polls
from foss_platform_tests.tables import read

_NAME = "lakehouse.gold.added.places"


def model(more: str = "", also: str = "") -> str:
    return (
        f"{{{{ config(materialized='incremental', unique_key=['site', 'polled_at'], {NO_CONTRACT}) }}}}\n"
        f'select "Sted" as site, _polled_at as polled_at, max("Latitude") as latitude{more}\n'
        "from {{ source('bronze', 'stavanger_parking') }}\n"
        "where {% if foss_platform.is_step() %}{{ foss_platform.unread('bronze.stavanger_parking') }}"
        "{% else %}{{ foss_platform.readable('bronze.stavanger_parking') }}{% endif %}"
        f"{also}\ngroup by 1, 2"
    )


@pytest.fixture
def pipeline(settings: Settings, feed: Feed, tmp_path: Path) -> Pipeline:
    project = project_with(tmp_path, gold__places_sql=model())
    made = Pipeline(settings.model_copy(update={"dbt_project": project}), feed)
    made.ingest(made_up_polls(5, 8))
    assert build_places(made).status is NodeStatus.SUCCESS
    made.ingest(made_up_polls(6, 8))
    return made


def build_places(pipeline: Pipeline, *, full_refresh: bool = False) -> NodeResult:
    (result,) = build(pipeline.settings, [_NAME], full_refresh=full_refresh)
    return result


def change(pipeline: Pipeline, text: str) -> None:
    (pipeline.settings.dbt_project / "models" / "gold" / "added" / "places.sql").write_text(text)


def test_other_columns_ask_for_a_rebuild(pipeline: Pipeline) -> None:
    before = read(pipeline.settings, "gold.places")
    change(pipeline, model(', max("Longitude") as longitude').replace("as latitude", "as north"))
    result = build_places(pipeline)
    assert result.status is NodeStatus.ERROR
    assert "have changed since its table was built (new: longitude, north; missing: latitude)" in result.message
    assert result.message.count("Run `foss rebuild places`.") == 1
    assert read(pipeline.settings, "gold.places") == before
    assert build_places(pipeline, full_refresh=True).status is NodeStatus.SUCCESS
    assert {"longitude", "north"} < read(pipeline.settings, "gold.places")[0].keys()


def test_an_error_of_a_changed_model_advises_a_rebuild(pipeline: Pipeline) -> None:
    reads_itself = " and {{ 'exists (select altitude from ' ~ this ~ ')' if foss_platform.is_step() else 'true' }}"
    change(pipeline, model(also=reads_itself))
    result = build_places(pipeline)
    assert result.status is NodeStatus.ERROR
    assert "altitude" in result.message
    assert "If that is the cause, run `foss rebuild places`." in result.message
    assert build_places(pipeline, full_refresh=True).status is NodeStatus.SUCCESS
    # its logic is current now, so a rebuild would not help
    assert "foss rebuild" not in build_places(pipeline).message


def test_a_seed_that_two_runs_build_at_once(parsed_settings: Settings) -> None:
    runs = [_SeedRun(parsed_settings) for _ in range(2)]
    for run in runs:
        run.store("Forum")
    assert [run.rows() for run in runs] == [[("Forum",)], [("Forum",)]]
    table = load_table(open_catalog(parsed_settings), TableName("silver", "parking_sites"))
    assert len(table.snapshots()) == 1


class _SeedRun:
    """The plugin of a dbt run that has begun. It sees the lake as it is now."""

    def __init__(self, settings: Settings) -> None:
        self.connection = duckdb.connect(":memory:", config=connection_config(settings))
        self.plugin = Plugin("lake", {})
        self.plugin.configure_connection(self.connection)

    def store(self, site: str) -> None:
        self.connection.execute(f"create view foss_state.incoming as select '{site}' as site")
        options: dict[str, Any] = {
            "table": ["silver", "parking_sites"],
            "upstream": [],
            "merge": None,
            "layout": {},
            "docs": {},
            "description": "",
            "unique_id": "seed.lakehouse.parking_sites",
            "only_when_changed": True,
        }
        self.plugin.store(TargetConfig("foss_state.incoming", [], options))

    def rows(self) -> list[tuple[str]]:
        return self.connection.execute("select site from silver.parking_sites").fetchall()
