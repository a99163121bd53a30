"""dbt features: supported, built differently, and refused without stopping the other models."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.ingest.recording.replay import replay
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import list_tables, load_table
from foss_platform.settings import Settings
from foss_platform.transform.runner import build
from foss_platform_tests.pipeline.transform.dbt_projects import NO_CONTRACT, project_with, run_foss
from foss_platform_tests.tables import read

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs")

#: A model that is built in steps over two ephemeral ones; the tests on Trino use it too.
EPHEMERAL = {
    "gold__counted_sql": "{{ config(materialized='ephemeral') }}\n"
    "select site, observed_at, free_spaces, batch_id from {{ ref('parking_readings') }} where free_spaces is not null",
    "gold__named_sql": "{{ config(materialized='ephemeral') }}\n"
    "select upper(site) as site_name, * from {{ ref('counted') }}",
    "gold__most_free_sql": f"{{{{ config(materialized='incremental', unique_key=['site_name'], {NO_CONTRACT}) }}}}\n"
    "select site_name, max(free_spaces) as most, count(*) as readings from {{ ref('named') }}\n"
    "-- depends_on: {{ ref('parking_readings') }}\n"
    # a site without news is left as it stands
    "{% if is_incremental() %}\n"
    "where site in (select site from ({{ changed_parking_readings() }}) as changed)\n"
    "{% endif %}\n"
    "group by site_name",
}
_UNSUPPORTED = {
    # dbt's default is a view
    "gold__seen_sql": f"{{{{ config({NO_CONTRACT}) }}}}\n"
    "select site, count(*) as readings from {{ ref('parking_readings') }} group by site",
    "gold__in_python_py": "def model(dbt, session):\n    return dbt.ref('parking_readings')\n",
    "gold__kept_sql": f"\n\n{{{{ config(materialized='materialized_view', {NO_CONTRACT}) }}}} select 1 as one",
    "gold__over_kept_sql": "{{ config(materialized='table') }} select * from {{ ref('kept') }}",
    "snapshots__states_sql": "{% snapshot states %}{{ config(schema='gold', unique_key='site', strategy='check', "
    "check_cols='all') }} select * from {{ ref('parking_latest') }} {% endsnapshot %}",
    "gold__board_yml": "exposures: [{name: board, type: dashboard, owner: {name: us}, depends_on: [ref('seen')]}]",
}


@pytest.fixture
def lake(settings: Settings, feed: Feed) -> Settings:
    """A lake with the first polls of the excerpt."""
    ingest(settings, feed, 0, 60)
    return settings


def ingest(settings: Settings, feed: Feed, first: int, last: int) -> None:
    replay(open_catalog(settings), feed, list(read_recording(EXCERPT))[first:last], "recording:excerpt", {})


def table(settings: Settings, name: str) -> Any:
    return load_table(open_catalog(settings), TableName(*name.split(".")))


def test_view_is_built_and_refused_nodes_do_not_stop_other_models(lake: Settings, tmp_path: Path) -> None:
    project = project_with(tmp_path, **_UNSUPPORTED)
    code, out, err = run_foss(lake.home, project, "rebuild")
    # SIGABRT was -6
    assert code == 1, err
    assert "Traceback" not in out + err
    assert err.count("warning: ") == 1
    assert "The model seen (models/gold/added/seen.sql:1) is a view, but is built as a table." in err
    for said in (
        "The model in_python (models/gold/added/in_python.py:1) is a Python model",
        "The model kept (models/gold/added/kept.sql:3) is materialized as 'materialized_view'",
        "The snapshot states (snapshots/states.sql:1) is a snapshot",
    ):
        assert said in err
    built = {str(name) for name in list_tables(open_catalog(lake)) if name.namespace in ("silver", "gold")}
    parking = {"parking_latest", "parking_hourly", "parking_typical_week", "parking_feed_health"}
    assert built == {
        "silver.parking_sites",
        "silver.parking_readings",
        "gold.seen",
        *(f"gold.{name}" for name in parking),
    }
    assert read(lake, "gold.seen")

    code, out, _ = run_foss(lake.home, project, "validate", "--only", "project", "--json")
    (result,) = json.loads(out)["results"]
    assert (code, result["status"]) == (1, "failed")
    assert "the snapshot states (snapshots/states.sql:1)" in result["detail"]


def test_ephemeral_models_pass_on_what_is_new(lake: Settings, feed: Feed, tmp_path: Path) -> None:
    settings = lake.model_copy(update={"dbt_project": project_with(tmp_path, **EPHEMERAL)})
    assert not [result for result in build(settings) if result.status.is_failure]
    first = table(settings, "gold.most_free")
    position = "foss.position.bronze.stavanger_parking"
    assert first.properties[position] == table(settings, "silver.parking_readings").properties[position]
    assert not {"counted", "named"} & {name.name for name in list_tables(open_catalog(settings))}

    ingest(settings, feed, 60, 120)
    assert not [result for result in build(settings) if result.status.is_failure]
    stepped = table(settings, "gold.most_free")
    assert stepped.current_snapshot().summary.additional_properties["foss.build"] == "step"
    assert stepped.properties[position] != first.properties[position]
    rows = read(settings, "gold.most_free")
    assert not [result for result in build(settings, full_refresh=True) if result.status.is_failure]
    assert rows == read(settings, "gold.most_free")


def test_graph_connects_readers_of_an_ephemeral_model_to_its_sources(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"dbt_project": project_with(tmp_path, **EPHEMERAL)})
    specs = {spec.key: spec for spec in build_defs(Platform(settings)).resolve_all_asset_specs()}
    (dep,) = specs[dg.AssetKey(["gold", "most_free"])].deps
    assert dep.asset_key == dg.AssetKey(["silver", "parking_readings"])
    assert dg.AssetKey(["gold", "counted"]) not in specs
