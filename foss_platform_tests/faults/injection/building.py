"""Builds silver and gold in a separate process that can be killed at a point of a model's commit."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from pyiceberg.table import Table

from foss_platform.lake.build.derived import commit_derived, create_derived
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec
from foss_platform.settings import Settings
from foss_platform.transform import plugin
from foss_platform.transform.runner import build
from foss_platform_tests.faults.injection.kill_points import Points
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import NODES

FINISHED = "dbt has finished the model"


def build_models(settings: Settings, kill_at: str | None = None, full_refresh: bool = False) -> list[str]:
    """Build the parking models and return the points that were passed. Runs in a separate process."""
    points = Points(kill_at)

    def committed(name: TableName, commit: Callable[[], Table]) -> Table:
        points.at(name)
        points.reach("before the commit")
        table = commit()
        points.reach("after the commit")
        return table

    def commits(catalog: Any, name: TableName, *arguments: Any) -> Table:
        return committed(name, lambda: commit_derived(catalog, name, *arguments))

    def creates(catalog: Any, spec: TableSpec, *arguments: Any) -> Table:
        return committed(spec.name, lambda: create_derived(catalog, spec, *arguments))

    with patch.object(plugin, "commit_derived", commits), patch.object(plugin, "create_derived", creates):
        for result in build(settings, NODES, full_refresh=full_refresh):
            assert not result.status.is_failure, result
            if result.unique_id.startswith("model."):
                name = result.unique_id.rpartition(".")[2]
                points.at(TableName("silver" if name == "parking_readings" else "gold", name))
                points.reach(FINISHED)
    return points.reached
