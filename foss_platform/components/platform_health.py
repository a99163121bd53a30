"""`PlatformHealth`: the checks of `foss validate` as checks of the asset `ops/platform_health`.

See `validation` for the checks.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import dagster as dg

from foss_platform.components.shared.failures import failure
from foss_platform.components.shared.loading import Platform, current_platform
from foss_platform.components.shared.run_executor import run_executor
from foss_platform.errors import FossError
from foss_platform.ingest.page.operations import PlatformHealthPage
from foss_platform.settings import Switch
from foss_platform.validation.results import Result, Status
from foss_platform.validation.suite import CHECKS, validate
from foss_platform.validation.trial import new_trial

PLATFORM_HEALTH_ASSET = dg.AssetKey(["ops", "platform_health"])
_JOB = "validate_platform"


class PlatformHealth(dg.Component):
    """The health of the services: an asset with its checks, its job and its schedule."""

    def __init__(self, page: PlatformHealthPage) -> None:
        self.page = page

    @classmethod
    def get_model_cls(cls) -> type[PlatformHealthPage]:
        """Return the model of the page's attributes."""
        return PlatformHealthPage

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> Self:
        """Create the component from the validated page."""
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the asset, its checks, its job and its schedule."""
        platform = current_platform()
        job = dg.define_asset_job(
            _JOB,
            selection=dg.AssetSelection.assets(PLATFORM_HEALTH_ASSET),
            description="Check once that every service does what the platform needs.",
            executor_def=run_executor,
        )
        automation = platform.settings.automation is Switch.ON
        schedule = dg.ScheduleDefinition(
            job=job,
            name=f"{_JOB}_schedule",
            cron_schedule=self.page.cadence,
            execution_timezone="UTC",
            description=f"Validates the services ({self.page.cadence}).",
            default_status=dg.DefaultScheduleStatus.RUNNING if automation else dg.DefaultScheduleStatus.STOPPED,
        )
        return dg.Definitions(
            assets=[platform_health_asset(platform, self.page.owners)], jobs=[job], schedules=[schedule]
        )


def platform_health_asset(platform: Platform, owners: Sequence[str]) -> dg.AssetsDefinition:
    """Return the asset. A run materializes it even if checks fail."""
    spec = dg.AssetSpec(
        PLATFORM_HEALTH_ASSET,
        description=(
            "Whether each service does what the platform needs, with the checks of `foss validate`: "
            "catalog, store, engine, Dagster and clocks. The checks commit, read and drop a probe table."
        ),
        group_name="ops",
        owners=list(owners),
        kinds={"iceberg", "python"},
    )
    checks = [
        dg.AssetCheckSpec(check.name, asset=PLATFORM_HEALTH_ASSET, description=check.description) for check in CHECKS
    ]

    @dg.multi_asset(name="validate_services", specs=[spec], check_specs=checks, pool="platform_health")
    def asset(context: dg.AssetExecutionContext) -> Any:
        yield from _validate(context, platform)

    return asset


def _validate(
    context: dg.AssetExecutionContext, platform: Platform
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    try:
        trial = new_trial(platform.settings, lambda: context.instance)
        results = list(validate(trial, begins=lambda check: context.log.debug("%s …", check.name)))
    except FossError as error:
        raise failure(context, error) from error
    counts = {status: sum(result.status is status for result in results) for status in Status}
    context.log.info(", ".join(f"{count} {status}" for status, count in counts.items()))
    yield dg.MaterializeResult(
        asset_key=PLATFORM_HEALTH_ASSET,
        metadata={
            "results": _table(results),
            "seconds": round(sum(result.seconds for result in results), 3),
            **{str(status): count for status, count in counts.items()},
        },
    )
    yield from map(verdict, results)


def verdict(result: Result) -> dg.AssetCheckResult:
    """Return Dagster's form of a result. A check that could not run is a warning. A check that is not needed passes."""
    failed = result.status is Status.FAILED
    skipped = result.status is Status.SKIPPED
    description = f"{'skipped: ' if skipped else ''}{result.detail}"
    return dg.AssetCheckResult(
        asset_key=PLATFORM_HEALTH_ASSET,
        check_name=result.name,
        passed=result.status is Status.PASSED or (skipped and not result.blocks),
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description=f"{description}. {result.remedy}" if result.remedy else description,
        metadata={"status": str(result.status), "service": str(result.service), "seconds": result.seconds},
    )


def _table(results: Sequence[Result]) -> dg.MetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "service": str(result.service),
                    "check": result.name,
                    "result": str(result.status),
                    "seconds": result.seconds,
                    "finding": result.detail,
                    "remedy": result.remedy,
                }
            )
            for result in results
        ]
    )
