"""A table's health in Dagster: numbers that are plotted over time, and a check that warns early.

See `lake.maintenance.health` for judging a table, and `components.maintenance.maintenance_asset` for maintaining it.
"""

import dagster as dg
from pyiceberg.table import Table

from foss_platform.components.shared.check_evaluations import evaluation_of
from foss_platform.lake.maintenance.health import TableHealth, table_health
from foss_platform.lake.store.failures import lake_failures

TABLE_HEALTHY = "table_is_healthy"


def look_at(table: Table) -> TableHealth:
    """Return the table's health. This reads its manifests.

    Raises
    ------
    TransientError
        If the store does not answer, or a manifest is missing.
    """
    with lake_failures():
        return table_health(table)


def health_metadata(health: TableHealth) -> dict[str, int | float]:
    """Return the health as plain numbers, which Dagster plots."""
    return {
        "data_files": health.data_files,
        "average_file_bytes": health.average_file_bytes,
        "small_file_share": round(health.small_share, 4),
        "live_snapshots": health.live_snapshots,
        "manifests": health.manifests,
        "metadata_bytes": health.metadata_bytes,
        "delete_files": health.delete_files,
    }


def health_check_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the spec of the check that every asset with an Iceberg table has. It never blocks."""
    return dg.AssetCheckSpec(
        TABLE_HEALTHY,
        asset=asset,
        description="The table's files and history need no additional maintenance.",
    )


def health_verdict(asset: dg.AssetKey, health: TableHealth) -> dg.AssetCheckResult:
    """Return the verdict: passed, or a warning that names the needed maintenance."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=TABLE_HEALTHY,
        passed=not health.needs,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(health.needs) or "no maintenance needed",
        metadata={**health_metadata(health), "tags": health.tags, "needs": len(health.needs)},
    )


def health_evaluation(asset: dg.AssetKey, health: TableHealth) -> dg.AssetCheckEvaluation:
    """Return the verdict as an evaluation, for a step that writes a table of another asset."""
    return evaluation_of(health_verdict(asset, health))
