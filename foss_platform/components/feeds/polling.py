"""Materializes feeds: polls, commits, runs the checks, and reports to Dagster. The shell over `ingest`."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import dagster as dg
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.components.feeds.feed_checks import PollFacts, check_results
from foss_platform.components.shared.failures import failure, forbid_retries
from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.table_health import health_evaluation, health_metadata, health_verdict, look_at
from foss_platform.components.shared.table_preview import asset_key, table_metadata
from foss_platform.errors import FossError, PermanentError, TransientError
from foss_platform.ingest.bronze.poll_log import standing_since
from foss_platform.ingest.bronze.poll_once import IngestedPoll, ingest_polls
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.bronze.unknown_fields import field_drift
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.poll.batch import Cause, requested, scheduled
from foss_platform.ingest.poll.poll import FeedPoller, Poll
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import load_tables
from foss_platform.settings import FeedMode


def poll_feeds(
    context: dg.AssetExecutionContext, feeds: Sequence[Feed], platform: Platform, tick: str | None
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Poll each feed once, commit all polls together, and yield the selected materializations and verdicts.

    A poll always writes all of its tables, whichever of the assets are selected.

    Parameters
    ----------
    tick
        The schedule's tick (ISO 8601), or None for a manual poll.

    Raises
    ------
    dagster.Failure
        If a poll failed. The run is not retried if a retry cannot help.
    """
    errors: list[FossError] = []
    try:
        catalog = open_catalog(platform.settings)
        summary = {"foss.run": context.run.run_id, "foss.version": version("foss-platform")}
        asked = [(feed, _cause(context, feed, tick)) for feed in feeds]
        taken = ingest_polls(catalog, asked, lambda feed, cause: _poll(platform, feed, cause), summary)
        for feed in feeds:
            try:
                yield from _report(context, feed, platform, catalog, taken[feed.name])
            except FossError as error:
                errors.append(error)
    except FossError as error:
        raise failure(context, error) from error
    if errors:
        raise _failure_of(context, errors)


def _failure_of(context: dg.AssetExecutionContext, errors: Sequence[FossError]) -> dg.Failure:
    """Return the failure of the step. It is retried if that can help at least one feed."""
    if len(errors) == 1:
        return failure(context, errors[0])
    text = " ".join(str(error) for error in errors)
    passing = any(isinstance(error, TransientError) for error in errors)
    return failure(context, TransientError(text) if passing else PermanentError(text))


def _report(
    context: dg.AssetExecutionContext,
    feed: Feed,
    platform: Platform,
    catalog: Catalog,
    taken: IngestedPoll | FossError,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Yield what one feed's poll has changed.

    Raises
    ------
    FossError
        If the poll failed.
    """
    if isinstance(taken, FossError):
        raise taken
    if taken.healed:
        context.log.warning(
            "An earlier run ended between its commits. %s missing polls were added to ops.polls.", taken.healed
        )
    metadata, rows = _poll_metadata(taken.log), 0
    if taken.written is None:
        context.log.info("Batch %s is already committed, by another attempt.", taken.log["batch_id"])
    # all events show the same state of the lake
    tables = load_tables(catalog, (feed.bronze, feed.rejected, POLLS))
    if taken.written is not None:
        _log_to_poll_log(context, tables[POLLS], metadata)
        if taken.error is not None:
            raise taken.error
        rows = taken.written.rows
        context.log.info("%s rows added, %s records rejected.", rows, taken.written.rejected)
    yield from _tables(context, tables, feed, platform, {**metadata, "rows_added": rows})
    facts = _facts(platform, catalog, feed, taken.log, taken.reasons)
    verdicts = list(check_results(feed, asset_key(feed.bronze), facts))
    if any(not verdict.passed and verdict.severity is dg.AssetCheckSeverity.ERROR for verdict in verdicts):
        # do not retry: the batch is committed and would fail the check again
        forbid_retries(context)
    yield from (verdict for verdict in verdicts if _is_selected(context, verdict))


def _is_selected(context: dg.AssetExecutionContext, verdict: dg.AssetCheckResult) -> bool:
    return any(
        (key.asset_key, key.name) == (verdict.asset_key, verdict.check_name)
        for key in context.selected_asset_check_keys
    )


def _cause(context: dg.AssetExecutionContext, feed: Feed, tick: str | None) -> Cause:
    if tick is not None:
        return scheduled(feed.name, datetime.fromisoformat(tick))
    # a retry has another run id, but is the same request, so the id of the first run identifies the batch
    return requested(feed.name, context.run.root_run_id or context.run.run_id)


def _poll(platform: Platform, feed: Feed, cause: Cause) -> Poll:
    with platform.session() as session:
        trust_date = platform.settings.feed is FeedMode.RECORDED
        return FeedPoller(feed, session, platform.clock, trust_date=trust_date).poll(cause)


def _log_to_poll_log(context: dg.AssetExecutionContext, table: Table, metadata: dict[str, Any]) -> None:
    """Report the poll log's events. Every pipeline's poll writes the log, so no single step can own the log's asset."""
    polls = asset_key(POLLS)
    health = look_at(table)
    shown = {**metadata, "dagster/row_count": health.rows, **health_metadata(health)}
    context.log_event(dg.AssetMaterialization(polls, metadata=shown))
    # Dagster's type of the parameter lists three other kinds of event, but its docs also allow this one
    context.log_event(health_evaluation(polls, health))


def _tables(
    context: dg.AssetExecutionContext,
    tables: Mapping[TableName, Table],
    feed: Feed,
    platform: Platform,
    metadata: dict[str, Any],
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    for name, extra in ((feed.bronze, metadata), (feed.rejected, {})):
        table, asset = tables[name], asset_key(name)
        health = look_at(table)
        shown = table_metadata(platform.settings, name, table, health, newest_by="_polled_at")
        if asset in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=asset, metadata={**shown, **extra})
        else:
            # a poll also writes tables that are not selected. Dagster accepts their results only as logged events
            context.log_event(dg.AssetMaterialization(asset, metadata={**shown, **extra}))
        verdict = health_verdict(asset, health)
        if _is_selected(context, verdict):
            yield verdict


def _poll_metadata(log: Mapping[str, Any]) -> dict[str, Any]:
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


def _facts(
    platform: Platform, catalog: Catalog, feed: Feed, log: Mapping[str, Any], reasons: Sequence[str]
) -> PollFacts:
    polled_at, newest = log["polled_at"], log["newest_data_time"]
    return PollFacts(
        polled_at=polled_at,
        accepted=log["records_accepted"],
        reasons=reasons,
        newest_data_time=newest,
        standing_since=standing_since(catalog, feed.name, polled_at, newest),
        drift=field_drift(platform.settings, catalog, feed, log["batch_id"]),
    )
