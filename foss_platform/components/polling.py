"""What happens when a feed's asset is materialized: poll, commit, judge, show. The shell over `ingest`."""

from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Any

import dagster as dg
from pyiceberg.catalog import Catalog

from foss_platform.components.feed_checks import PollFacts, check_results
from foss_platform.components.loading import Platform
from foss_platform.components.table_metadata import asset_key, table_metadata
from foss_platform.errors import FossError, LastingError
from foss_platform.ingest.batch import Cause, requested, scheduled
from foss_platform.ingest.bronze import commit_polls, ensure_feed_tables, heal_poll_log, is_in_bronze
from foss_platform.ingest.feed import Feed
from foss_platform.ingest.poll import FeedPoller, Poll
from foss_platform.ingest.poll_log import standing_since
from foss_platform.ingest.schemas import POLLS
from foss_platform.lake.catalog import open_catalog
from foss_platform.lake.tables import load_table
from foss_platform.settings import Feed as FeedSetting

_NO_MORE_RETRIES = {"dagster/max_retries": "0"}


def poll_feed(
    context: dg.AssetExecutionContext, feed: Feed, platform: Platform, tick: str | None
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Poll once and yield the materializations and verdicts.

    Parameters
    ----------
    tick
        The schedule's tick (ISO 8601), or None for a poll by hand.

    Raises
    ------
    dagster.Failure
        When the poll failed; without further retries where trying again cannot help.
    """
    try:
        yield from _poll_feed(context, feed, platform, tick)
    except FossError as error:
        raise _failure(context, error) from error


def _poll_feed(
    context: dg.AssetExecutionContext, feed: Feed, platform: Platform, tick: str | None
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    catalog = open_catalog(platform.settings)
    ensure_feed_tables(catalog, feed)
    summary = {"foss.run": context.run_id, "foss.version": version("foss-platform")}
    if healed := heal_poll_log(catalog, feed, summary):
        context.log.warning("An earlier run ended between its commits; %s polls were added to ops.polls.", healed)
    cause = _cause(context, feed, tick)
    if is_in_bronze(catalog, feed, cause.batch_id):
        context.log.info("Batch %s is in already; nothing is polled again.", cause.batch_id)
        yield from _materializations(context, catalog, feed, platform, {"batch": cause.batch_id, "rows_added": 0})
        return
    poll = _poll(platform, feed, cause)
    written = commit_polls(catalog, feed, [poll], summary)
    context.log_event(dg.AssetMaterialization(asset_key(POLLS), metadata=_poll_metadata(poll)))
    if poll.error is not None:
        raise poll.error
    context.log.info("%s rows added, %s records rejected.", written.rows, written.rejected)
    metadata = {**_poll_metadata(poll), "rows_added": written.rows}
    yield from _materializations(context, catalog, feed, platform, metadata)
    yield from check_results(feed, asset_key(feed.bronze), _facts(catalog, feed, poll))


def _cause(context: dg.AssetExecutionContext, feed: Feed, tick: str | None) -> Cause:
    if tick is not None:
        return scheduled(feed.name, datetime.fromisoformat(tick))
    # a retried run is the same request
    return requested(feed.name, context.run.root_run_id or context.run_id)


def _poll(platform: Platform, feed: Feed, cause: Cause) -> Poll:
    with platform.session() as session:
        trust_date = platform.settings.feed is FeedSetting.RECORDED
        return FeedPoller(feed, session, platform.clock, trust_date=trust_date).poll(cause)


def _materializations(
    context: dg.AssetExecutionContext, catalog: Catalog, feed: Feed, platform: Platform, metadata: dict[str, Any]
) -> Iterator[dg.MaterializeResult[Any]]:
    for name, extra in ((feed.bronze, metadata), (feed.rejected, {})):
        table = load_table(catalog, name)
        shown = table_metadata(platform.settings, name, table, newest_by="_polled_at")
        yield dg.MaterializeResult(asset_key=asset_key(name), metadata={**shown, **extra})


def _poll_metadata(poll: Poll) -> dict[str, Any]:
    log = poll.log
    shown = {
        "batch": log["batch_id"],
        "source": dg.MetadataValue.url(log["source"]),
        "polled_at": dg.MetadataValue.timestamp(log["polled_at"]),
        "newest_data_time": dg.MetadataValue.timestamp(log["newest_data_time"]) if log["newest_data_time"] else None,
        "http_status": log["http_status"],
        "poll_seconds": log["duration_seconds"],
        "body_bytes": log["body_bytes"],
        "records_accepted": log["records_accepted"],
        "records_rejected": log["records_rejected"],
        "error": log["error"],
    }
    return {key: value for key, value in shown.items() if value is not None}


def _facts(catalog: Catalog, feed: Feed, poll: Poll) -> PollFacts:
    newest = poll.log["newest_data_time"]
    return PollFacts(
        polled_at=poll.polled_at,
        accepted=len(poll.accepted),
        reasons=[verdict.reason for _, verdict in poll.rejected],
        newest_data_time=newest,
        standing_since=standing_since(catalog, feed.name, poll.polled_at, newest),
    )


def _failure(context: dg.AssetExecutionContext, error: FossError) -> dg.Failure:
    lasting = isinstance(error, LastingError)
    if lasting:
        context.instance.add_run_tags(context.run_id, _NO_MORE_RETRIES)
    return dg.Failure(description=str(error), allow_retries=not lasting)
