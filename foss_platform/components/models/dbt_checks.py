"""Checks of dbt's tables that dbt itself does not have: the logic a table was built with, and the table's health.

One step runs the checks of a build, so that each table is loaded once. See `components.dbt_models` for dbt's own tests.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from foss_platform.components.models.dbt_builds import Project
from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.table_health import TABLE_HEALTHY, health_check_spec, health_verdict, look_at
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.positions import LOGIC_PROPERTY
from foss_platform.lake.table.tables import load_table
from foss_platform.transform.logic import logic_hash
from foss_platform.transform.run_positions import table_of

CURRENT_LOGIC = "built_with_current_logic"


def model_checks(platform: Platform, project: Project) -> list[dg.AssetChecksDefinition]:
    """Return one step of checks for each build: of its tables' health, and of each model's logic and seed rows."""
    found = []
    for build in project.builds:
        if nodes := {key: unique_id for unique_id, key in build.keys.items() if not project.subset.reason(unique_id)}:
            found.append(_checks(platform, project.manifest, f"{build.name}__checks", nodes))
    return found


def _checks(
    platform: Platform, manifest: Mapping[str, Any], name: str, nodes: Mapping[dg.AssetKey, str]
) -> dg.AssetChecksDefinition:
    specs = [health_check_spec(key) for key in nodes] + [
        dg.AssetCheckSpec(CURRENT_LOGIC, asset=key, description="The table was built with the current logic and seeds.")
        for key, unique_id in nodes.items()
        if unique_id.startswith("model.")
    ]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True)
    def check(context: dg.AssetCheckExecutionContext) -> Any:
        catalog = open_catalog(platform.settings)
        for asset, unique_id in nodes.items():
            selected = {key.name for key in context.selected_asset_check_keys if key.asset_key == asset}
            if not selected:
                continue
            table = load_table(catalog, table_of(manifest["nodes"][unique_id]))
            if TABLE_HEALTHY in selected:
                yield health_verdict(asset, look_at(table))
            if CURRENT_LOGIC in selected:
                built_with = table.properties.get(LOGIC_PROPERTY)
                yield _logic_verdict(asset, same=built_with == logic_hash(manifest, unique_id))

    return check


def _logic_verdict(asset: dg.AssetKey, *, same: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=CURRENT_LOGIC,
        passed=same,
        severity=dg.AssetCheckSeverity.WARN,
        description="current"
        if same
        else f"The model's logic or seeds have changed since the table was built: run `foss rebuild {asset.path[-1]}`",
    )
