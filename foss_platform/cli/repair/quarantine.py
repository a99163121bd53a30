"""`foss quarantine`: list rejected records, and replay them after the contract or the page has been corrected."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.lake_tables import minute_text
from foss_platform.cli.shared.pages import complete_pipeline, find_feed
from foss_platform.cli.shared.terminal import messages, output, table_of

if TYPE_CHECKING:
    from foss_platform.ingest.quarantine.quarantine import QuarantinedRecord

app = typer.Typer(no_args_is_help=True, help="Records that broke their contract: list, show, replay.")

_Pipeline = Annotated[str, typer.Argument(autocompletion=complete_pipeline, metavar="PIPELINE")]
_Since = Annotated[str | None, typer.Option(help="Only polls since this moment: an ISO time, or '2 days ago'.")]
_Reason = Annotated[str | None, typer.Option(help="Only records whose reason for rejection contains this text.")]


@app.command("list")
def list_(pipeline: _Pipeline, since: _Since = None, reason: _Reason = None) -> None:
    """Count rejected records by reason and by state."""
    groups: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], datetime] = {}
    last: dict[tuple[str, str], datetime] = {}
    for record in _records(pipeline, since, reason):
        key = (record.reason, record.state.value)
        groups[key] += 1
        first[key] = min(first.get(key, record.polled_at), record.polled_at)
        last[key] = max(last.get(key, record.polled_at), record.polled_at)
    rows = [
        (escape(key[0]), key[1], f"{count:,}", minute_text(first[key]), minute_text(last[key]))
        for key, count in groups.most_common()
    ]
    output().print(table_of("", ("reason", "state", "records", "first", "last"), rows, right=("records",)))
    messages().print(f"{sum(groups.values()):,} records")


@app.command()
def show(
    pipeline: _Pipeline,
    since: _Since = None,
    reason: _Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many records.")] = 50,
) -> None:
    """Show the rejected records in full."""
    for place, record in enumerate(_records(pipeline, since, reason)):
        if place == limit:
            messages().print(f"more than {limit} records: raise --limit, or use `foss sql`")
            break
        output().print(
            f"[bold]{record.polled_at:%Y-%m-%d %H:%M:%S}Z[/] {escape(record.batch_id)} record {record.record_index} "
            f"[yellow]{escape(record.reason)}[/] ({record.state})\n  {escape(record.record)}",
            soft_wrap=True,
        )


@app.command()
def replay(
    pipeline: _Pipeline,
    since: _Since = None,
    reason: _Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be loaded. Write nothing.")] = False,
) -> None:
    """Load the records that the contract accepts now. They keep their original batch, index and poll time."""
    from foss_platform.ingest.quarantine.replay import replay_quarantine
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.settings import load_settings

    catalog = open_catalog(load_settings(), create=False)
    result = replay_quarantine(
        catalog,
        find_feed(pipeline),
        {"foss.version": version("foss-platform")},
        since=_moment(since),
        reason=reason,
        dry_run=dry_run,
    )
    would = "would be loaded" if dry_run else "loaded"
    console = output()
    console.print(f"{result.records:,} quarantined records {would}")
    console.print(f"{result.bodies:,} formerly unreadable bodies {would}, with {result.rows_of_bodies:,} rows")
    for why, count in sorted(result.still_refused.items(), key=lambda item: -item[1]):
        console.print(f"{count:,} still rejected: {escape(why)}", soft_wrap=True)
    if not dry_run and (result.records or result.rows_of_bodies):
        console.print("Next: the pipeline's next run adds them to silver and gold. `foss run` does so now.")


def _records(pipeline: str, since: str | None, reason: str | None) -> "Iterator[QuarantinedRecord]":
    from foss_platform.ingest.quarantine.quarantine import quarantined
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.settings import load_settings

    catalog = open_catalog(load_settings(), create=False)
    return quarantined(catalog, find_feed(pipeline), _moment(since), reason)


def _moment(text: str | None) -> datetime | None:
    from foss_platform.lake.table.moments import parse_moment

    return parse_moment(text, datetime.now(UTC)) if text else None
