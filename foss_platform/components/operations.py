"""`Operations`: what the platform as a whole has in the graph: the poll log, and what runs by itself."""

import dagster as dg

from foss_platform.components.loading import current_platform
from foss_platform.components.rest_feed import POLL_LOG_ASSET
from foss_platform.settings import Switch


class Operations(dg.Component, dg.Model, dg.Resolvable):
    """The poll log and the automation sensor."""

    owners: list[str]

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The `ops` assets and the sensor that evaluates automation conditions."""
        automation = current_platform().settings.automation is Switch.ON
        poll_log = dg.AssetSpec(
            POLL_LOG_ASSET,
            description="One row per attempt to poll a feed, failed ones too. Every pipeline's poll writes it.",
            group_name="ops",
            owners=self.owners,
            kinds={"iceberg"},
        )
        sensor = dg.AutomationConditionSensorDefinition(
            # the name by which Dagster knows that no sensor of its own is wanted
            "default_automation_condition_sensor",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING if automation else dg.DefaultSensorStatus.STOPPED,
            description="Builds models that several pipelines feed, and catches up after failures.",
        )
        return dg.Definitions(assets=[poll_log], sensors=[sensor])
