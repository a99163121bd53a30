"""`foss status`: one line a pipeline. Not here: the numbers' meaning (`ingest.poll_log`)."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from foss_platform.cli.pages import feeds
from foss_platform.cli.terminal import output, table_of
from foss_platform.settings import Feed, Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def status() -> None:
    """One line a pipeline: last poll, last reading, age, rejected, checks."""
    from foss_platform.lake.catalog import open_catalog
    from foss_platform.settings import load_settings

    settings = load_settings()
    catalog = open_catalog(settings, create=False)
    rows = [_line(settings, catalog, name) for name in sorted(feeds())]
    columns = ("pipeline", "last poll", "ended", "last reading", "age", "rejected", "checks of the last run")
    output().print(table_of("", columns, rows))


def _line(settings: Settings, catalog: "Catalog", name: str) -> tuple[Any, ...]:
    from foss_platform.ingest.poll_log import last_poll

    poll = last_poll(catalog, name)
    if poll is None:
        return (name, "never", "", "", "", "", "")
    newest = poll.newest_data_time
    now = poll.polled_at if settings.feed is Feed.RECORDED else datetime.now(UTC)
    age = _age(now - newest) if newest else ""
    rejected = f"{poll.records_rejected} of the last poll"
    return (name, _time(poll.polled_at), poll.status, _time(newest), age, rejected, _checks(settings, name))


def _age(age: timedelta) -> str:
    minutes = age.total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{age.days:,} days"


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if moment else ""


def _checks(settings: Settings, name: str) -> str:
    """The verdicts of the pipeline's last run, as Dagster has recorded them."""
    from dagster import DagsterEventType, RunsFilter

    from foss_platform.cli.instance import open_instance

    with open_instance(settings) as instance:
        runs = instance.get_runs(RunsFilter(job_name=name), limit=1)
        if not runs:
            return "no run yet"
        records = instance.get_records_for_run(runs[0].run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION).records
    found = [
        r.event_log_entry.dagster_event.asset_check_evaluation_data for r in records if r.event_log_entry.dagster_event
    ]
    passed = sum(evaluation.passed for evaluation in found)
    return f"{passed} of {len(found)} passed"
