"""The job that prunes Dagster's history. Not here: which runs may go (`components.runs.run_history`).

A job of its own rather than a part of maintenance: it has nothing to do with the lake, and each goes on when the other
fails.
"""

from typing import Any

import dagster as dg

from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.run_executor import run_executor

PRUNE_HISTORY = "prune_history"


def history_job(platform: Platform, keep_successful_days: int, keep_failed_days: int) -> Any:
    """Deletes old runs. A pool of its own: two at once would look at the same runs."""

    @dg.op(name="delete_old_runs", pool=PRUNE_HISTORY)
    def prune(context: dg.OpExecutionContext) -> None:
        from foss_platform.components.runs.run_history import HistoryPolicy, prune_history

        policy = HistoryPolicy(keep_successful_days, keep_failed_days)
        pruned = prune_history(context.instance, policy, platform.clock())
        context.log.info(
            "%s successful and %s failed runs went; %s stay since they hold the latest of an asset.%s",
            pruned.successful,
            pruned.failed,
            pruned.spared,
            " More are left for the next time." if pruned.more else "",
        )

    @dg.job(
        name=PRUNE_HISTORY,
        description=f"Delete runs that ended well {keep_successful_days}, or badly {keep_failed_days} days ago.",
        executor_def=run_executor,
    )
    def prune_history_job() -> None:
        prune()

    return prune_history_job
