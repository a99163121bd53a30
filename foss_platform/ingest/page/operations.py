"""The pages of the platform itself: operations and platform health."""

from typing import Annotated

from pydantic import Field

from foss_platform.ingest.page.cadence import Cadence
from foss_platform.ingest.page.feed import PageModel
from foss_platform.ingest.page.owners import Owners


class OperationsPage(PageModel):
    """When tables are maintained, and how long Dagster's history is kept.

    Attributes
    ----------
    maintenance_cadence
        When every table is maintained (cron, UTC).
    history_cadence
        When old runs are deleted (cron, UTC), at most 2,000 each time.
    keep_successful_runs_days, keep_failed_runs_days
        How long Dagster keeps a run after it ended.
    """

    owners: Owners
    maintenance_cadence: Cadence = "17 */3 * * *"
    history_cadence: Cadence = "47 */6 * * *"
    keep_successful_runs_days: Annotated[int, Field(ge=1)] = 3
    keep_failed_runs_days: Annotated[int, Field(ge=1)] = 30


class PlatformHealthPage(PageModel):
    """When the checks of `foss validate` run (cron, UTC)."""

    owners: Owners
    cadence: Cadence = "7 * * * *"
