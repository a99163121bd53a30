"""How a table is doing, as Dagster shows it: numbers that plot over time, and a check that warns before it hurts.

What belongs here: turning `lake.maintenance.health` into metadata and verdicts. What does not: judging a table's state
(`lake.maintenance.health`), or acting on it (`components.maintenance.maintenance_asset`).
"""

import dagster as dg
from pyiceberg.table import Table

from foss_platform.lake.maintenance.health import TableHealth, table_health
from foss_platform.lake.store.failures import lake_failures

TABLE_HEALTHY = "table_is_healthy"


def look_at(table: Table) -> TableHealth:
    """The table's health; reads its manifests.

    Raises
    ------
    PassingError
        When the store does not answer or a manifest is missing.
    """
    with lake_failures():
        return table_health(table)


def health_metadata(health: TableHealth) -> dict[str, int | float]:
    """Plain numbers, since those are what Dagster plots."""
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
    """The check that every asset with an Iceberg table has; it never blocks."""
    return dg.AssetCheckSpec(
        TABLE_HEALTHY,
        asset=asset,
        description="The table's files and history need no care beyond what it gives itself.",
    )


def health_verdict(asset: dg.AssetKey, health: TableHealth) -> dg.AssetCheckResult:
    """A warning that names what care the table needs."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=TABLE_HEALTHY,
        passed=not health.needs,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(health.needs) or "well",
        metadata={**health_metadata(health), "tags": health.tags, "needs": len(health.needs)},
    )


def health_evaluation(asset: dg.AssetKey, health: TableHealth) -> dg.AssetCheckEvaluation:
    """The same for a step that writes a table whose asset is not its own."""
    verdict = health_verdict(asset, health)
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=TABLE_HEALTHY,
        passed=verdict.passed,
        severity=verdict.severity,
        description=verdict.description,
        metadata=verdict.metadata,
    )
