"""`Operations`: what the platform as a whole has in the graph: the poll log, maintenance, and what runs by itself."""

from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from foss_platform.components.maintenance.maintenance_asset import every, maintenance_asset, maintenance_job
from foss_platform.components.maintenance.maintenance_sensor import maintenance_sensor
from foss_platform.components.rest_feed import POLL_LOG_ASSET, RestFeed
from foss_platform.components.runs.run_history_job import history_job
from foss_platform.components.runs.run_sensor import run_sensor
from foss_platform.components.shared.failures import failure
from foss_platform.components.shared.loading import Platform, current_platform
from foss_platform.components.shared.table_health import health_check_spec, health_verdict, look_at
from foss_platform.errors import FossError
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Switch


class Operations(dg.Component, dg.Model, dg.Resolvable):
    """The poll log, maintenance of the lake and of Dagster's history, and the automation sensor.

    Attributes
    ----------
    maintenance_cadence
        When every table is cared for (cron, UTC).
    history_cadence
        When old runs are deleted (cron, UTC), 2,000 at most each time.
    keep_successful_runs_days, keep_failed_runs_days
        How long Dagster keeps a run after it ended.
    """

    owners: list[str]
    maintenance_cadence: str = "17 */3 * * *"
    history_cadence: str = "47 */6 * * *"
    keep_successful_runs_days: Annotated[int, Field(ge=1)] = 3
    keep_failed_runs_days: Annotated[int, Field(ge=1)] = 30

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The `ops` assets, their jobs and schedules, and the sensors."""
        platform = current_platform()
        automation = platform.settings.automation is Switch.ON
        poll_log = dg.AssetSpec(
            POLL_LOG_ASSET,
            description="One row per attempt to poll a feed, failed ones too. Every pipeline's poll writes it.",
            group_name="ops",
            owners=self.owners,
            kinds={"iceberg"},
        )
        automatic = dg.AutomationConditionSensorDefinition(
            # the name by which Dagster knows that no sensor of its own is wanted
            "default_automation_condition_sensor",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING if automation else dg.DefaultSensorStatus.STOPPED,
            description="Builds models that several pipelines feed, and catches up after failures.",
        )
        feeds = [page.feed for page in context.component_tree.get_all_components(of_type=RestFeed)]
        maintenance = maintenance_job()
        pruning = history_job(platform, self.keep_successful_runs_days, self.keep_failed_runs_days)
        return dg.Definitions(
            assets=[poll_log, maintenance_asset(platform, feeds, self.owners)],
            asset_checks=[poll_log_check(platform)],
            jobs=[maintenance, pruning],
            schedules=[
                every(self.maintenance_cadence, maintenance, platform.settings),
                every(self.history_cadence, pruning, platform.settings),
            ],
            sensors=[automatic, maintenance_sensor(platform, maintenance), run_sensor(platform)],
        )


def poll_log_check(platform: Platform) -> dg.AssetChecksDefinition:
    """The check of the poll log's table. Each poll gives its verdict; by itself it runs only when asked for by hand."""

    @dg.multi_asset_check(name="poll_log_health", specs=[health_check_spec(POLL_LOG_ASSET)])
    def check(context: dg.AssetCheckExecutionContext) -> Any:
        try:
            yield health_verdict(POLL_LOG_ASSET, look_at(load_table(open_catalog(platform.settings), POLLS)))
        except FossError as error:
            raise failure(context, error) from error

    return check
