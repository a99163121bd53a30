"""`Operations`: the platform's own assets: the poll log, maintenance, their schedules and sensors."""

from typing import Any, Self

import dagster as dg

from foss_platform.components.maintenance.maintenance_asset import every, maintenance_asset, maintenance_job
from foss_platform.components.maintenance.maintenance_sensor import maintenance_sensor
from foss_platform.components.rest_feed import POLL_LOG_ASSET
from foss_platform.components.runs.run_history_job import history_job
from foss_platform.components.runs.run_sensor import run_sensor
from foss_platform.components.shared.failures import failure
from foss_platform.components.shared.loading import Platform, current_platform
from foss_platform.components.shared.table_health import health_check_spec, health_verdict, look_at
from foss_platform.errors import FossError
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.operations import OperationsPage
from foss_platform.ingest.page.read_pages import read_pages
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.tables import load_table
from foss_platform.settings import Switch


class Operations(dg.Component):
    """The poll log, maintenance of the lake and of Dagster's history, and the automation sensor."""

    def __init__(self, page: OperationsPage) -> None:
        self.page = page

    @classmethod
    def get_model_cls(cls) -> type[OperationsPage]:
        """Return the model of the page's attributes."""
        return OperationsPage

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> Self:
        """Create the component from the validated page."""
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the `ops` assets, their jobs and schedules, and the sensors."""
        platform = current_platform()
        automation = platform.settings.automation is Switch.ON
        poll_log = dg.AssetSpec(
            POLL_LOG_ASSET,
            description="One row per attempt to poll a feed, also if it failed. Every pipeline's poll writes it.",
            group_name="ops",
            owners=list(self.page.owners),
            kinds={"iceberg"},
        )
        automatic = dg.AutomationConditionSensorDefinition(
            # with a sensor of this name, Dagster does not add its own
            "default_automation_condition_sensor",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING if automation else dg.DefaultSensorStatus.STOPPED,
            description="Builds models that several pipelines feed, and builds models that were missed after failures.",
        )
        feeds = [feed for page in read_pages(platform.settings.defs_folder) for feed in page.feeds]
        maintenance = maintenance_job()
        pruning = history_job(platform, self.page.keep_successful_runs_days, self.page.keep_failed_runs_days)
        return dg.Definitions(
            assets=[poll_log, maintenance_asset(platform, feeds, self.page.owners)],
            asset_checks=[poll_log_check(platform)],
            jobs=[maintenance, pruning],
            schedules=[
                every(self.page.maintenance_cadence, maintenance, platform.settings),
                every(self.page.history_cadence, pruning, platform.settings),
            ],
            sensors=[automatic, maintenance_sensor(platform, maintenance), run_sensor(platform)],
        )


def poll_log_check(platform: Platform) -> dg.AssetChecksDefinition:
    """Return the health check of the poll log's table.

    Polls report this check's result themselves. The step that evaluates it is only run by hand.
    """

    @dg.multi_asset_check(name="poll_log_health", specs=[health_check_spec(POLL_LOG_ASSET)])
    def check(context: dg.AssetCheckExecutionContext) -> Any:
        try:
            yield health_verdict(POLL_LOG_ASSET, look_at(load_table(open_catalog(platform.settings), POLLS)))
        except FossError as error:
            raise failure(context, error) from error

    return check
