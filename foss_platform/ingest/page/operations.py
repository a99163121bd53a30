"""The models of the platform's own pages: dbt's models, operations and platform health."""

from typing import Annotated

from pydantic import Field

from foss_platform.ingest.page.cadence import Cadence
from foss_platform.ingest.page.feed import PageModel
from foss_platform.ingest.page.owners import Owners


class DbtModelsPage(PageModel):
    """The owners of the dbt project. The owners of a model are in its YAML file."""

    owners: Owners


class OperationsPage(PageModel):
    """The schedule of table maintenance, and the retention of Dagster's history.

    Attributes
    ----------
    maintenance_cadence
        Schedule of the maintenance of all tables (cron, UTC).
    history_cadence
        Schedule of the deletion of old runs (cron, UTC). Each time, at most 2,000 runs are deleted.
    keep_successful_runs_days, keep_failed_runs_days
        How many days Dagster keeps a run after the run's end.
    """

    owners: Owners
    maintenance_cadence: Cadence = "17 */3 * * *"
    history_cadence: Cadence = "47 */6 * * *"
    keep_successful_runs_days: Annotated[int, Field(ge=1)] = 3
    keep_failed_runs_days: Annotated[int, Field(ge=1)] = 30


class PlatformHealthPage(PageModel):
    """The schedule of the checks of `foss validate` (cron, UTC)."""

    owners: Owners
    cadence: Cadence = "7 * * * *"
