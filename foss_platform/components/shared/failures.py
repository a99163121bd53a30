"""Converts the platform's errors into Dagster failures, which are retried only if a retry can help."""

import dagster as dg

from foss_platform.errors import FossError, PermanentError


def failure(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, error: FossError) -> dg.Failure:
    """Return the failure that a step raises for one of the platform's errors."""
    lasting = isinstance(error, PermanentError)
    if lasting:
        forbid_retries(context)
    return dg.Failure(description=str(error), allow_retries=not lasting)


def forbid_retries(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> None:
    """Keep the daemon from retrying this run: a retry would fail in the same way."""
    context.instance.add_run_tags(context.run.run_id, {"dagster/max_retries": "0"})
