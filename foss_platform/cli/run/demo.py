"""`foss demo`: poll the recorded excerpt over local HTTP, run the whole graph, and show the results."""

import os
import shutil
import sys
import time
from shlex import quote
from typing import Any

import typer
from rich.markup import escape

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.cli.shared.pages import find_feed
from foss_platform.cli.shared.terminal import messages, output, table_of
from foss_platform.errors import ConfigurationError
from foss_platform.settings import FeedMode, Settings, load_settings

_PIPELINE = "stavanger_parking"
_MARK = "made-by-foss-demo"


def demo() -> None:
    """Poll a recorded excerpt of the parking feed into its own lake, build all tables, and show the results."""
    started = time.monotonic()
    # refuse a project without the example before anything is deleted
    find_feed(_PIPELINE)
    settings = _fresh_home(load_settings())
    works = _poll_everything(settings)
    _show_latest(settings)
    _show_rejected(settings)
    console = output()
    console.print(
        f"\nThe Iceberg tables are in [bold]{settings.home / 'warehouse'}[/]. Any Iceberg reader can open them.",
        soft_wrap=True,
    )
    console.print("Next: [bold]make dev FEED=recorded[/] shows the graph in Dagster's UI at http://127.0.0.1:3000")
    console.print(
        f"  or: [bold]FOSS_HOME={quote(str(settings.home))} {quote(os.path.relpath(sys.argv[0]))} sql "
        f"\"select * from gold.parking_feed_health\"[/]", soft_wrap=True
    )  # fmt: skip
    console.print(
        ("[green]All steps and checks succeeded[/]" if works else "[red]Some steps or checks failed[/]")
        + f", in {time.monotonic() - started:.0f} s."
    )
    raise typer.Exit(0 if works else 1)


def _fresh_home(settings: Settings) -> Settings:
    """Delete the previous demo. The demo starts from scratch each time, in its own marked folder."""
    home = settings.home / "demo"
    if home.exists():
        if not (home / _MARK).exists():
            raise ConfigurationError(
                f"{home} was not made by the demo.", "Move it, or set FOSS_HOME to another folder."
            )
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / _MARK).touch()
    os.environ["FOSS_HOME"] = str(home)
    os.environ["FOSS_FEED"] = FeedMode.RECORDED.value
    os.environ.pop("DAGSTER_HOME", None)
    return load_settings()


def _poll_everything(settings: Settings) -> bool:
    """Poll the whole excerpt over HTTP. The last poll goes through the asset graph, with models and checks."""
    from foss_platform.cli.shared.graph import run_job
    from foss_platform.cli.shared.polls import poll_many
    from foss_platform.cli.shared.summary import show_run
    from foss_platform.ingest.recording.feed_server import FeedServer
    from foss_platform.ingest.recording.recording import read_recording

    polls = list(read_recording(EXCERPT))
    with FeedServer(polls, pace="step") as server:
        os.environ["STAVANGER_PARKING_URL"] = server.url
        output().print(f"Serving {len(polls)} polls of October 2020 at {server.url}", soft_wrap=True)
        # each retry after a transient failure consumes a poll, so use the server's count of polls
        totals = poll_many(settings, _PIPELINE, lambda: server.served, wanted=len(polls) - 1)
        output().print(
            f"{totals.polls} polls over HTTP: {totals.rows:,} rows into bronze, "
            f"{totals.rejected_records} records rejected, {totals.failed_polls} polls failed"
        )
        with messages().status("running the last poll through the asset graph …"):
            run = run_job(settings, _PIPELINE)
    output().print()
    show_run([_PIPELINE], run)
    return run.works


def _show_latest(settings: Settings) -> None:
    rows = _ask(
        settings,
        "select site, strftime(observed_at at time zone 'Europe/Oslo', '%d.%m.%Y %H:%M'), status, free_spaces, "
        "case is_plausible when true then 'yes' when false then 'no' else '' end, round(age_minutes) "
        "from gold.parking_latest order by site",
    )
    columns = ("site", "read at (Oslo)", "status", "free", "plausible", "age, min")
    output().print()
    output().print(table_of("Free spaces, latest", columns, rows, right=("free", "age, min")))


def _show_rejected(settings: Settings) -> None:
    records = _ask(
        settings,
        "select strftime(_polled_at, '%d.%m. %H:%M') || ' UTC', 'record ' || _record_index, reason, record "
        "from bronze.stavanger_parking__rejected order by _polled_at",
    )
    polls = _ask(
        settings,
        "select strftime(polled_at, '%d.%m. %H:%M') || ' UTC', 'whole poll', error, '' "
        "from ops.polls where status = 'failed' order by polled_at",
    )
    rows = [(when, what, escape(why), escape(_cut(record))) for when, what, why, record in [*records, *polls]]
    output().print()
    output().print(table_of("Rejected records and polls", ("polled at", "what", "why", "record"), rows))


def _ask(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.query.query import ask

    rows = ask(settings, open_catalog(settings, create=False), query).reader.read_all().to_pylist()
    return [tuple(row.values()) for row in rows]


def _cut(text: str) -> str:
    return f"{text[:60]}…" if len(text) > 60 else text
