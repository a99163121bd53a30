"""The job that prunes Dagster's run history. See `components.runs.run_history` for which runs are deleted.

The job is separate from maintenance, because it does not concern the lake. Each of the two jobs continues if the other
fails.
"""

from typing import Any

import dagster as dg

from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.run_executor import run_executor

PRUNE_HISTORY = "prune_history"


def history_job(platform: Platform, keep_successful_days: int, keep_failed_days: int) -> Any:
    """Return the job that deletes old runs. Its pool keeps two runs of the job from deleting the same old runs."""

    @dg.op(name="delete_old_runs", pool=PRUNE_HISTORY)
    def prune(context: dg.OpExecutionContext) -> None:
        from foss_platform.components.runs.run_history import HistoryPolicy, prune_history

        policy = HistoryPolicy(keep_successful_days, keep_failed_days)
        pruned = prune_history(context.instance, policy, platform.clock())
        context.log.info(
            "%s successful and %s failed runs deleted. %s retained, as the latest runs of an asset.%s",
            pruned.successful,
            pruned.failed,
            pruned.kept,
            " The next run deletes more." if pruned.more else "",
        )

    @dg.job(
        name=PRUNE_HISTORY,
        description=(
            f"Delete successful runs after {keep_successful_days} days, and failed runs after {keep_failed_days} days."
        ),
        executor_def=run_executor,
    )
    def prune_history_job() -> None:
        prune()

    return prune_history_job
