"""`foss status`: one line per pipeline. See `ingest.bronze.poll_log` for the meaning of the numbers."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from foss_platform.cli.shared.pages import feeds
from foss_platform.cli.shared.terminal import show_table
from foss_platform.settings import FeedMode, Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

#: The text added for the end of a run, by Dagster's name of the run's status.
_ENDS = {"SUCCESS": "", "FAILURE": "; the run failed", "CANCELED": "; the run was canceled"}
_UNDER_WAY = "; the run is in progress"


def status() -> None:
    """Show one line per pipeline: last poll, last reading, age, rejected records, checks."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.settings import load_settings

    settings = load_settings()
    catalog = open_catalog(settings, create=False)
    rows = [_line(settings, catalog, name) for name in sorted(feeds())]
    columns = ("pipeline", "last poll", "ended", "last reading", "age", "rejected", "last run's checks")
    show_table(columns, rows)


def _line(settings: Settings, catalog: "Catalog", name: str) -> tuple[Any, ...]:
    from foss_platform.ingest.bronze.poll_log import last_poll

    poll = last_poll(catalog, name)
    if poll is None:
        return (name, "never", "", "", "", "", "")
    newest = poll.newest_data_time
    now = poll.polled_at if settings.feed is FeedMode.RECORDED else datetime.now(UTC)
    age = _age(now - newest) if newest else ""
    rejected = f"{poll.records_rejected} in the last poll"
    return (name, _time(poll.polled_at), poll.status, _time(newest), age, rejected, _checks(settings, name))


def _age(age: timedelta) -> str:
    minutes = age.total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{age.days:,} days"


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if moment else ""


def _checks(settings: Settings, name: str) -> str:
    """Return the verdicts of the checks in the pipeline's last run, and how that run ended, as recorded by Dagster."""
    from dagster import DagsterEventType, RunsFilter

    from foss_platform.cli.shared.instance_reading import open_for_reading

    evaluated, planned = DagsterEventType.ASSET_CHECK_EVALUATION, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    with open_for_reading(settings) as reading:
        runs = reading.instance.get_runs(RunsFilter(job_name=name), limit=1) if reading is not None else []
        if reading is None or not runs:
            return "no run yet"
        reading.fetch_events(runs[0].run_id)
        instance = reading.instance
        records = instance.get_records_for_run(runs[0].run_id, of_type={evaluated, planned}).records
    # a failed poll runs only the checks of the log: the checks that could not run are counted as well
    passed: dict[tuple[str, str], bool | None] = {}
    for event in (record.event_log_entry.dagster_event for record in records):
        if event is None:
            continue
        if event.event_type is planned:
            data = event.asset_check_planned_data
            passed.setdefault((data.asset_key.to_user_string(), data.check_name), None)
        else:
            verdict = event.asset_check_evaluation_data
            passed[verdict.asset_key.to_user_string(), verdict.check_name] = verdict.passed
    verdicts = list(passed.values())
    missing = f", {verdicts.count(None)} not judged" if None in verdicts else ""
    return f"{verdicts.count(True)} of {len(verdicts)} passed{missing}{_ENDS.get(runs[0].status.value, _UNDER_WAY)}"
