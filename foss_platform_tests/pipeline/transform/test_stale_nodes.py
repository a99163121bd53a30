"""Seeds and models that no pipeline feeds: a run builds those that it reads and that are missing or changed."""

from typing import Any

import pyarrow as pa

from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import LOGIC_PROPERTY
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform.settings import Settings
from foss_platform.transform.logic import logic_hash
from foss_platform.transform.plan.pipelines import divide_by_pipeline
from foss_platform.transform.plan.stale_nodes import attached_tests, stale_nodes


def _node(kind: str, name: str, *upstream: str, **more: Any) -> dict[str, Any]:
    return {
        "resource_type": kind,
        "schema": "silver",
        "alias": name,
        "checksum": {"checksum": f"rows of {name}"},
        "depends_on": {"nodes": list(upstream)},
        **more,
    }


_NODES = [
    _node("seed", "sites"),
    _node("seed", "unread"),
    _node("model", "calendar", "seed.days"),
    _node("seed", "days"),
    _node("model", "readings", "bronze.feed", "seed.sites", "model.calendar"),
    _node("model", "latest", "model.readings"),
    _node("test", "of_sites", "seed.sites", attached_node="seed.sites"),
    _node("test", "of_readings", "model.readings", "seed.sites", attached_node="model.readings"),
]
MANIFEST: dict[str, Any] = {
    "nodes": {f"{node['resource_type']}.{node['alias']}": node for node in _NODES},
    "sources": {"bronze.feed": {"resource_type": "source", "schema": "bronze", "identifier": "feed", "name": "feed"}},
    "macros": {},
}
DIVISION = divide_by_pipeline(MANIFEST)


def test_only_missing_and_changed_nodes_are_stale(settings: Settings) -> None:
    catalog = open_catalog(settings)

    def stale(*chosen: str) -> list[str]:
        return stale_nodes(MANIFEST, DIVISION, catalog, chosen)

    def build(unique_id: str, logic: str) -> None:
        name = TableName("silver", MANIFEST["nodes"][unique_id]["alias"])
        spec = TableSpec(name, pa.schema([("one", pa.string())]), properties={LOGIC_PROPERTY: logic})
        ensure_table(catalog, spec)

    assert stale("model.readings") == ["model.calendar", "seed.days", "seed.sites"]
    assert stale("model.readings", "seed.sites") == ["model.calendar", "seed.days"]
    assert stale("model.latest") == []

    build("seed.sites", logic_hash(MANIFEST, "seed.sites"))
    build("seed.days", "of other rows")
    # automation keeps a model that no pipeline feeds up to date
    build("model.calendar", "of other code")
    assert stale("model.readings") == ["seed.days"]


def test_tests_belong_to_the_node_that_dbt_attaches_them_to() -> None:
    assert attached_tests(MANIFEST, ["seed.sites"]) == ["test.of_sites"]
