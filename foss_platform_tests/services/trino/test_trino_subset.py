"""Ephemeral models, views and what is refused, on Trino as on DuckDB."""

from pathlib import Path

import pytest

from foss_platform.engine import Engine
from foss_platform.transform.results import NodeStatus
from foss_platform.transform.runner import build
from foss_platform_tests.pipeline.transform.dbt_projects import NO_CONTRACT, project_with
from foss_platform_tests.pipeline.transform.test_dbt_subset import EPHEMERAL
from foss_platform_tests.services.trino.building import TrinoPipeline
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.tables import read

_POSITION = "foss.position.bronze.stavanger_parking"
_FILES = {
    **EPHEMERAL,
    "gold__seen_sql": f"{{{{ config({NO_CONTRACT}) }}}}\n"
    "select site_name from {{ ref('named') }} group by site_name",
    "gold__kept_sql": f"{{{{ config(materialized='materialized_view', {NO_CONTRACT}) }}}} select 1 as one",
}


_PLACES = f"""{{{{ config(materialized='incremental', unique_key=['site', 'polled_at'], {NO_CONTRACT}) }}}}
select "Sted" as site, _polled_at as polled_at, max("Latitude") as latitude
from {{{{ source('bronze', 'stavanger_parking') }}}}
where {{% if foss_platform.is_step() %}}{{{{ foss_platform.unread('bronze.stavanger_parking') }}}}
{{% else %}}{{{{ foss_platform.readable('bronze.stavanger_parking') }}}}{{% endif %}}
group by 1, 2"""


def test_an_increment_with_other_columns_names_the_rebuild(
    trino: TrinoOnLake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOSS_ENGINE", Engine.TRINO.value)
    trino_pipeline = TrinoPipeline(trino)
    settings = trino_pipeline.settings.model_copy(
        update={"dbt_project": project_with(tmp_path, gold__places_sql=_PLACES)}
    )
    name = "lakehouse.gold.added.places"
    assert [result.status for result in build(settings, [name])] == [NodeStatus.SUCCESS]
    trino_pipeline.more()
    assert [result.status for result in build(settings, [name])] == [NodeStatus.SUCCESS]
    before = read(settings, "gold.places")
    trino_pipeline.more()
    file = settings.dbt_project / "models" / "gold" / "added" / "places.sql"
    file.write_text(_PLACES.replace("as latitude", "as north"))
    (result,) = build(settings, [name])
    assert result.status is NodeStatus.ERROR
    assert "Run `foss rebuild places`" in result.message
    assert read(settings, "gold.places") == before
    assert [result.status for result in build(settings, [name], full_refresh=True)] == [NodeStatus.SUCCESS]
    assert "north" in read(settings, "gold.places")[0]


def test_ephemeral_models_pass_on_what_is_new_and_a_view_is_a_table(
    trino: TrinoOnLake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOSS_ENGINE", Engine.TRINO.value)
    trino_pipeline = TrinoPipeline(trino)
    settings = trino_pipeline.settings.model_copy(update={"dbt_project": project_with(tmp_path, **_FILES)})

    def built() -> dict[str, str]:
        results = {result.unique_id.rpartition(".")[2]: result for result in build(settings)}
        assert results.pop("kept").status is NodeStatus.ERROR
        assert not [result for result in results.values() if result.status is NodeStatus.ERROR]
        return {name: result.query_id for name, result in results.items()}

    assert built()["seen"]
    first = trino_pipeline.catalog.load_table("gold.most_free").properties[_POSITION]
    trino_pipeline.more()
    built()
    stepped = trino_pipeline.catalog.load_table("gold.most_free")
    assert stepped.properties[_POSITION] != first
    assert (
        stepped.properties[_POSITION]
        == trino_pipeline.catalog.load_table("silver.parking_readings").properties[_POSITION]
    )
    rows = read(settings, "gold.most_free")
    assert not trino_pipeline.catalog.table_exists("gold.kept")
    assert len(read(settings, "gold.seen")) == len(rows) > 0
    list(build(settings, full_refresh=True))
    assert read(settings, "gold.most_free") == rows
