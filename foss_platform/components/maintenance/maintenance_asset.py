"""Maintenance in the graph: the asset `ops/maintenance_log`, its job and its schedule.

See `components.maintenance.materialize` for the maintenance of the tables, and
`components.maintenance.maintenance_sensor` for maintenance outside the schedule.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from foss_platform.components.maintenance.materialize import Round, maintain_lake
from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.run_executor import run_executor
from foss_platform.components.shared.table_health import health_check_spec
from foss_platform.components.shared.table_preview import asset_key
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.maintenance.log import MAINTENANCE_LOG
from foss_platform.settings import Settings, Switch

MAINTENANCE = "maintenance"
# not the job's name, because Dagster uses that for the job's graph
_STEP = "maintain_tables"


class MaintenanceConfig(dg.Config):
    """Run configuration of the job."""

    tables: list[str] = Field(
        default=[], description="Tables to maintain, such as bronze.stavanger_parking. Empty: all."
    )
    dry_run: bool = Field(default=False, description="Change nothing. Report what would be deleted.")
    keep_unreferenced_hours: float | None = Field(
        default=None, ge=0, description="How long an unreferenced file is retained, instead of each table's policy."
    )


def maintenance_asset(platform: Platform, feeds: Sequence[Feed], owners: Sequence[str]) -> dg.AssetsDefinition:
    """Return the asset of the maintenance log. Materializing the asset maintains the tables.

    The asset has its own pool, because two maintenance runs at once would only disturb each other.
    """
    log = asset_key(MAINTENANCE_LOG)
    spec = dg.AssetSpec(
        log,
        description="What maintenance did to each table, how long it took and what it freed. "
        "Materialize it to run the maintenance.",
        group_name=MAINTENANCE_LOG.namespace,
        owners=list(owners),
        kinds={"iceberg", "python"},
        # a dry run does not change the log
        skippable=True,
    )

    @dg.multi_asset(name=_STEP, specs=[spec], check_specs=[health_check_spec(log)], pool=MAINTENANCE)
    def maintenance(context: dg.AssetExecutionContext, config: MaintenanceConfig) -> Any:
        older_than = None if config.keep_unreferenced_hours is None else timedelta(hours=config.keep_unreferenced_hours)
        yield from maintain_lake(context, platform, feeds, Round(config.tables, config.dry_run, older_than))

    return maintenance


def maintenance_config(tables: Sequence[str]) -> dict[str, Any]:
    """Return the run configuration that selects only these tables."""
    return {"ops": {_STEP: {"config": {"tables": list(tables)}}}}


def maintenance_job() -> Any:
    """Return the job of one maintenance run over the tables."""
    return dg.define_asset_job(
        MAINTENANCE,
        selection=dg.AssetSelection.assets(asset_key(MAINTENANCE_LOG)),
        description="Compact small files, expire snapshots outside the retention policy, delete unreferenced files.",
        executor_def=run_executor,
    )


def every(cadence: str, job: Any, settings: Settings) -> dg.ScheduleDefinition:
    """Return the job's schedule at the page's cadence, running if automation is on."""
    on = settings.automation is Switch.ON
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cadence,
        execution_timezone="UTC",
        description=f"Runs {job.name} ({cadence}).",
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
    )
