"""Steps, pools, groups and automation of a graph with two pipelines and a model that both feed."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from foss_platform.components.rest_feed import feed_asset, feed_job
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.ingest.page.feed import Feed
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.generated_project import BIKES, PARKING, two_pipelines
from foss_platform_tests.pipeline.transform.dbt_projects import NO_CONTRACT

_FILES = {
    # read by both pipelines
    "seeds__weekdays_csv": "number,name\n1,Monday\n",
    "gold__parking_days_sql": f"{{{{ config(materialized='table', {NO_CONTRACT}) }}}} "
    "select site, name from {{ ref('parking_latest') }} cross join {{ ref('weekdays') }}",
    "gold__bike_days_sql": f"{{{{ config(materialized='table', {NO_CONTRACT}) }}}} "
    "select station, name from {{ ref('bike_latest') }} cross join {{ ref('weekdays') }}",
    "gold__all_polls_sql": f"{{{{ config(materialized='table', {NO_CONTRACT}) }}}} "
    "select count(*) as polls from {{ source('ops', 'polls') }}",
}
_OF_PARKING = {
    "silver.parking_readings", "gold.parking_latest", "gold.parking_hourly", "gold.parking_typical_week",
    "gold.parking_feed_health", "gold.parking_days",
}  # fmt: skip
_OF_BIKES = {"silver.bike_counts", "gold.bike_latest", "gold.bike_problems", "gold.bike_days"}

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs")


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    folder = tmp_path_factory.mktemp("steps")
    return build_defs(Platform(two_pipelines(folder, **_FILES).settings(folder / "home")))


def key(table: str) -> dg.AssetKey:
    return dg.AssetKey(table.split("."))


def names(keys: Any) -> set[str]:
    return {".".join(key.path) for key in keys}


def test_each_pipeline_has_a_step_and_a_pool(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    steps = {
        assets.op.name: (names(assets.keys), assets.op.pool)
        for assets in graph.assets_defs
        if assets.is_executable and assets.op.name.startswith("dbt_") and assets.keys
    }
    assert steps == {
        f"dbt_{PARKING}": (_OF_PARKING | {"silver.parking_sites"}, f"dbt_{PARKING}"),
        f"dbt_{BIKES}": (_OF_BIKES | {"silver.bike_stations"}, f"dbt_{BIKES}"),
        f"dbt__{BIKES}__{PARKING}": ({"gold.city"}, f"dbt__{BIKES}__{PARKING}"),
        "dbt__no_pipeline": ({"silver.weekdays", "gold.all_polls"}, "dbt__no_pipeline"),
    }


def test_groups_are_pipelines_and_layers_are_kinds(defs: dg.Definitions) -> None:
    specs = {".".join(spec.key.path): spec for spec in defs.resolve_all_asset_specs()}
    groups = {name: spec.group_name for name, spec in specs.items()}
    for table in (f"bronze.{PARKING}", f"bronze.{PARKING}__rejected", "silver.parking_sites", *_OF_PARKING):
        assert groups[table] == PARKING
    assert {groups[table] for table in _OF_BIKES} == {BIKES}
    assert groups["gold.city"] == "shared"
    assert groups["silver.weekdays"] == groups["gold.all_polls"] == "no_pipeline"
    assert groups["ops.polls"] == "ops"
    assert {name for name, spec in specs.items() if "gold" in spec.kinds} == {
        name for name in specs if name.startswith("gold.")
    }


def test_the_job_of_a_pipeline_builds_its_own_models(defs: dg.Definitions) -> None:
    selected = defs.resolve_job_def(PARKING).asset_layer.selected_asset_keys
    assert names(selected) == {f"bronze.{PARKING}", f"bronze.{PARKING}__rejected", *_OF_PARKING}


class Automation:
    """Evaluates the automation conditions of the graph, without runs."""

    def __init__(self, defs: dg.Definitions) -> None:
        self.defs, self.instance = defs, dg.DagsterInstance.ephemeral()
        self._cursor: Any = None

    def requested(self) -> set[str]:
        result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self._cursor)
        self._cursor = result.cursor
        keys = [spec.key for spec in self.defs.resolve_all_asset_specs() if spec.automation_condition]
        return names(key for key in keys if result.get_num_requested(key))

    def materialize(self, *tables: str) -> None:
        for table in tables:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(key(table)))


@pytest.fixture
def automation(defs: dg.Definitions) -> Iterator[Automation]:
    made = Automation(defs)
    made.requested()
    yield made
    made.instance.dispose()


def test_a_shared_model_waits_for_both_pipelines(automation: Automation) -> None:
    automation.materialize(f"bronze.{PARKING}", *sorted(_OF_PARKING))
    assert automation.requested() == set()
    automation.materialize(f"bronze.{BIKES}", *sorted(_OF_BIKES))
    assert automation.requested() == {"gold.city"}
    assert automation.requested() == set()
    # afterwards, it follows each of them
    automation.materialize("gold.parking_latest")
    assert "gold.city" in automation.requested()


def test_a_seed_without_events_holds_nothing_back(automation: Automation) -> None:
    automation.materialize(f"bronze.{PARKING}", "ops.polls")
    assert "silver.parking_readings" in automation.requested()


def test_the_job_of_a_pipeline_without_models_has_no_dbt_step(defs: dg.Definitions, feed: Feed) -> None:
    alone = feed.model_copy(update={"name": "alone"})
    page = dg.Definitions(assets=[feed_asset(alone, Platform(Settings()))], jobs=[feed_job(alone)])
    job = dg.Definitions.merge(defs, page).resolve_job_def("alone")
    assert [node.name for node in job.graph.nodes] == ["poll_alone"]
