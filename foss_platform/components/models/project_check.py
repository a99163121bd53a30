"""The check `project_parses` of the asset `ops/dbt_project`: whether dbt can parse the project's current files.

A sensor evaluates the check, because a run would have to parse the project first. See `transform.project.parsed` for
runs while the project does not parse.
"""

import json
from collections.abc import Sequence

import dagster as dg

from foss_platform.components.shared.failures import failure
from foss_platform.components.shared.loading import Platform
from foss_platform.errors import ConfigurationError, FossError
from foss_platform.settings import Settings
from foss_platform.transform.project.files import fingerprint
from foss_platform.transform.project.parsed import prepare_project

PROJECT_ASSET = dg.AssetKey(["ops", "dbt_project"])
PROJECT_PARSES = "project_parses"

_INTERVAL_SECONDS = 30


def project_check(platform: Platform, owners: Sequence[str]) -> dg.Definitions:
    """Return the asset, its check and the sensor that evaluates it."""
    spec = dg.AssetSpec(
        PROJECT_ASSET,
        description="The files of the dbt project. While they do not parse, runs build the version that parsed last.",
        group_name="ops",
        owners=list(owners),
        kinds={"dbt"},
    )
    check_spec = dg.AssetCheckSpec(PROJECT_PARSES, asset=PROJECT_ASSET, description="dbt can parse the project.")

    @dg.multi_asset_check(name=PROJECT_PARSES, specs=[check_spec])
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        try:
            passed, text = _judge(platform.settings)
        except FossError as error:
            raise failure(context, error) from error
        return dg.AssetCheckResult(asset_key=PROJECT_ASSET, check_name=PROJECT_PARSES, passed=passed, description=text)

    @dg.sensor(
        name="dbt_project_parses",
        target=None,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Parses the dbt project when its files have changed, and reports the check {PROJECT_PARSES}.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            files = fingerprint(platform.settings.dbt_project)
        except ConfigurationError as error:
            files = str(error)
        known = json.loads(context.cursor or "{}")
        if known.get("files") == files:
            return dg.SkipReason("The files have not changed.")
        passed, text = _judge(platform.settings)
        cursor = json.dumps({"files": files, "passed": passed})
        if passed and known.get("passed"):
            context.update_cursor(cursor)
            return dg.SkipReason("The files have changed, and they parse. Restart the code server to see new models.")
        evaluation = dg.AssetCheckEvaluation(
            asset_key=PROJECT_ASSET, check_name=PROJECT_PARSES, passed=passed, description=text
        )
        return dg.SensorResult(asset_events=[evaluation], cursor=cursor)

    return dg.Definitions(assets=[spec], asset_checks=[check], sensors=[sensor])


def _judge(settings: Settings) -> tuple[bool, str]:
    """Return whether the project's files parse, and a sentence about the result, with file and line."""
    try:
        project = prepare_project(settings)
    except ConfigurationError as error:
        return False, str(error)
    if project.problem is None:
        return True, "The project parses."
    return False, f"{project.problem} Runs build the version that parsed last."
