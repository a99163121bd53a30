"""How a failure reaches Dagster: in the platform's words, and retried only where that can help."""

import dagster as dg

from foss_platform.errors import FossError, LastingError


def failure(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, error: FossError) -> dg.Failure:
    """What a step raises for an error of ours."""
    lasting = isinstance(error, LastingError)
    if lasting:
        forbid_retries(context)
    return dg.Failure(description=str(error), allow_retries=not lasting)


def forbid_retries(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> None:
    """Have the daemon leave this run as it ended: the next try would see the same."""
    context.instance.add_run_tags(context.run.run_id, {"dagster/max_retries": "0"})
