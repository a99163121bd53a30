"""`RestFeed`: the bronze assets, checks, job and schedule of a page that describes a REST feed.

See `ingest` for fetching, validating and committing, and `components.feeds.polling` for the body of the asset.
"""

from collections.abc import Sequence
from typing import Any, Self

import dagster as dg

from foss_platform.components.feeds.feed_checks import check_specs
from foss_platform.components.feeds.polling import poll_feeds
from foss_platform.components.shared.loading import Platform, current_platform
from foss_platform.components.shared.run_executor import run_executor
from foss_platform.components.shared.table_health import health_check_spec
from foss_platform.components.shared.table_preview import asset_key
from foss_platform.ingest.bronze.schemas import POLLS
from foss_platform.ingest.page.feed import Feed
from foss_platform.settings import Settings, Switch

#: The tag that passes a schedule's tick to the poll, as the identity of the batch.
TICK_TAG = "foss/tick"
#: Tag of dbt models that several pipelines feed. Automation builds them instead of one pipeline's schedule.
SHARED_TAG = "foss/shared"

# a poll and its incremental build take seconds, but the first build of 100 million rows takes 20 minutes
_MAX_RUNTIME_SECONDS = 1800


class RestFeed(dg.Component):
    """A REST feed polled into Iceberg bronze, with its quarantine, checks, job and schedule.

    Its page is a `Feed`, validated without templates, because a `{{ cursor }}` in a URL belongs to the feed.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    @classmethod
    def get_model_cls(cls) -> type[Feed]:
        """Return the model of the page's attributes. Dagster reports validation errors with file and line."""
        return Feed

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> Self:
        """Create the component from the validated page."""
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return all Dagster objects of the feed."""
        platform = current_platform()
        job = feed_job(self.feed)
        return dg.Definitions(
            assets=[feed_asset(self.feed, platform)],
            jobs=[job],
            schedules=[feed_schedule(self.feed, job, platform.settings)],
        )


def feed_asset(feed: Feed, platform: Platform) -> dg.AssetsDefinition:
    """Return the asset of one poll: bronze, its quarantine, and their checks."""
    return _polled_together(f"poll_{feed.name}", [feed], platform, pool=f"bronze_{feed.name}")


def polls_job(feeds: Sequence[Feed], platform: Platform) -> dg.JobDefinition:
    """Return a job that polls the feeds in one step and commits their polls together. It builds no models."""
    name = feeds[0].name if len(feeds) == 1 else "polls"
    assets = [_polled_together(f"poll_{name}", feeds, platform, pool=None)]
    job = dg.define_asset_job(name, selection=dg.AssetSelection.all(), executor_def=run_executor)
    return dg.Definitions(assets=assets, jobs=[job]).resolve_job_def(name)


def _polled_together(name: str, feeds: Sequence[Feed], platform: Platform, pool: str | None) -> dg.AssetsDefinition:
    # without `can_subset`, Dagster refuses to materialize only one of the two assets
    @dg.multi_asset(
        name=name,
        specs=[spec for feed in feeds for spec in _asset_specs(feed)],
        check_specs=[spec for feed in feeds for spec in _check_specs(feed)],
        pool=pool,
        can_subset=True,
    )
    def poll(context: dg.AssetExecutionContext) -> Any:
        yield from poll_feeds(context, feeds, platform, context.run.tags.get(TICK_TAG))

    return poll


def _asset_specs(feed: Feed) -> list[dg.AssetSpec]:
    bronze, rejected = asset_key(feed.bronze), asset_key(feed.rejected)
    shared: dict[str, Any] = {
        "group_name": feed.name,
        "owners": list(feed.owners),
        "kinds": {"iceberg", "python", feed.bronze.namespace},
    }
    return [
        dg.AssetSpec(bronze, description=feed.description.strip(), tags=feed.tags, **shared),
        dg.AssetSpec(
            rejected,
            description=f"Quarantine: complete records of {feed.bronze} that broke its contract, with the reason.",
            tags=feed.tags,
            **shared,
        ),
    ]


def _check_specs(feed: Feed) -> list[dg.AssetCheckSpec]:
    bronze, rejected = asset_key(feed.bronze), asset_key(feed.rejected)
    return [*check_specs(feed, bronze), health_check_spec(bronze), health_check_spec(rejected)]


def feed_job(feed: Feed) -> Any:
    """Return the job of a poll and everything downstream.

    Poll and models are one job: from tick to gold it takes 10 s, while a poll run followed by a model run took 20 s.

    The job contains the models that only this pipeline feeds, and models that no pipeline feeds if only these models
    read them. The job does not contain seeds, because the step of the models builds a seed that has changed.
    """
    shared = dg.AssetSelection.tag(SHARED_TAG, "true").downstream()
    own = dg.AssetSelection.assets(asset_key(feed.bronze), asset_key(feed.rejected)).downstream() - shared
    read = (own.upstream() & dg.AssetSelection.groups(feed.name)) - dg.AssetSelection.kind("seed")
    return dg.define_asset_job(
        feed.name,
        selection=own | read,
        description=f"Poll {feed.title or feed.name} once and build the models that depend on it.",
        tags={"dagster/max_runtime": str(_MAX_RUNTIME_SECONDS)},
        executor_def=run_executor,
    )


def feed_schedule(feed: Feed, job: Any, settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule with the page's cadence. The tick identifies the batch, so a retry has the same batch."""

    @dg.schedule(
        job=job,
        name=f"{feed.name}_schedule",
        cron_schedule=feed.cadence,
        execution_timezone="UTC",
        description=f"Polls {feed.title or feed.name} ({feed.cadence}).",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if settings.automation is Switch.ON else dg.DefaultScheduleStatus.STOPPED
        ),
    )
    def every_tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        tick = context.scheduled_execution_time.isoformat()
        return dg.RunRequest(run_key=tick, tags={TICK_TAG: tick})

    return every_tick


#: Every pipeline's poll writes the poll log, so no single asset function can own it.
POLL_LOG_ASSET = asset_key(POLLS)
