"""`foss status`: one line per pipeline. See `ingest.bronze.poll_log` for the meaning of the numbers."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.pages import all_pages
from foss_platform.cli.shared.terminal import messages, show_table
from foss_platform.settings import FeedMode, Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

#: For each of Dagster's statuses of an ended run: the text that is added.
_ENDS = {"SUCCESS": "", "FAILURE": "; the run failed", "CANCELED": "; the run was canceled"}
_UNDER_WAY = "; the run is in progress"


@dataclass(frozen=True)
class PipelineStatus:
    """The state of one pipeline. Times are in UTC.

    Attributes
    ----------
    last_poll, ended
        When the newest attempt was made and how it ended. None if there was no attempt.
    age_seconds
        Age of the newest reading, by the clock of the feed.
    problem
        Why the pipeline's page cannot be used. Empty if the page can be used.
    """

    pipeline: str
    last_poll: datetime | None = None
    ended: str | None = None
    last_reading: datetime | None = None
    age_seconds: float | None = None
    rejected: int | None = None
    checks: str = ""
    problem: str = ""


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show one line per pipeline: last poll, last reading, age, rejected records, checks."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.settings import load_settings
    from foss_platform.transform.project.parsed import known_problem

    settings = load_settings()
    catalog = open_catalog(settings, create=False)
    pages = all_pages()
    names = sorted(feed.name for page in pages for feed in page.feeds)
    broken = [PipelineStatus(page.folder, problem=str(page.problems[0])) for page in pages if page.problems]
    found = [*broken, *(_status_of(settings, catalog, name) for name in names)]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, default=datetime.isoformat))
        return
    columns = ("pipeline", "last poll", "ended", "last reading", "age", "rejected", "last run's checks")
    show_table(columns, [_line(one) for one in found])
    if (problem := known_problem(settings)) is not None:
        messages().print(f"[yellow]warning:[/] {escape(str(problem))}", soft_wrap=True)


def _status_of(settings: Settings, catalog: "Catalog", name: str) -> PipelineStatus:
    from foss_platform.ingest.bronze.poll_log import last_poll

    poll = last_poll(catalog, name)
    if poll is None:
        return PipelineStatus(name)
    newest = poll.newest_data_time
    now = poll.polled_at if settings.feed is FeedMode.RECORDED else datetime.now(UTC)
    age = (now - newest).total_seconds() if newest else None
    checks = _checks(settings, name)
    return PipelineStatus(name, poll.polled_at, poll.status, newest, age, poll.records_rejected, checks)


def _line(one: PipelineStatus) -> tuple[str, ...]:
    if one.problem:
        return (escape(one.pipeline), "[red]broken page[/]", "", "", "", "", escape(one.problem))
    if one.last_poll is None:
        return (one.pipeline, "never", "", "", "", "", "")
    age = _age(timedelta(seconds=one.age_seconds)) if one.age_seconds is not None else ""
    rejected = f"{one.rejected} in the last poll"
    return (one.pipeline, _time(one.last_poll), one.ended or "", _time(one.last_reading), age, rejected, one.checks)


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
    # a failed poll runs only the checks of the log, so also count the planned checks that could not run
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
