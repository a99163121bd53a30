"""Maintenance in the graph: the asset `ops/maintenance_log`, the job that makes it, its schedule.

What belongs here: the Dagster objects. What does not: the round over the tables (`components.maintenance.materialize`), or what asks
for it out of turn (`components.maintenance.maintenance_sensor`).
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
# not the job's name, which Dagster gives to the job's graph
_STEP = "maintain_tables"


class MaintenanceConfig(dg.Config):
    """What a run of the job can be asked for."""

    tables: list[str] = Field(default=[], description="Such as bronze.stavanger_parking; all where none is named.")
    dry_run: bool = Field(default=False, description="Change nothing; tell what would go.")
    spare_hours: float | None = Field(
        default=None, ge=0, description="Instead of each table's policy: how long an unreferenced file is spared."
    )


def maintenance_asset(platform: Platform, feeds: Sequence[Feed], owners: Sequence[str]) -> dg.AssetsDefinition:
    """The log of maintenance, made by doing it. A pool of its own: two rounds at once would only be in each other's way."""
    log = asset_key(MAINTENANCE_LOG)
    spec = dg.AssetSpec(
        log,
        description="What maintenance did to which table, how long it took and what it freed. Making it does the maintenance.",
        group_name=MAINTENANCE_LOG.namespace,
        owners=list(owners),
        kinds={"iceberg", "python"},
        # a dry run leaves the log as it is
        skippable=True,
    )

    @dg.multi_asset(name=_STEP, specs=[spec], check_specs=[health_check_spec(log)], pool=MAINTENANCE)
    def maintenance(context: dg.AssetExecutionContext, config: MaintenanceConfig) -> Any:
        spare = None if config.spare_hours is None else timedelta(hours=config.spare_hours)
        yield from maintain_lake(context, platform, feeds, Round(config.tables, config.dry_run, spare))

    return maintenance


def maintenance_config(tables: Sequence[str]) -> dict[str, Any]:
    """The run configuration that asks for these tables only."""
    return {"ops": {_STEP: {"config": {"tables": list(tables)}}}}


def maintenance_job() -> Any:
    """One run for a round over the tables."""
    return dg.define_asset_job(
        MAINTENANCE,
        selection=dg.AssetSelection.assets(asset_key(MAINTENANCE_LOG)),
        description="Merge small files, let go of what no promise needs, remove what nothing refers to.",
        executor_def=run_executor,
    )


def every(cadence: str, job: Any, settings: Settings) -> dg.ScheduleDefinition:
    """The job at a cadence of the page, by itself where automation is on."""
    on = settings.automation is Switch.ON
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cadence,
        execution_timezone="UTC",
        description=f"Runs {job.name} ({cadence}).",
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
    )
