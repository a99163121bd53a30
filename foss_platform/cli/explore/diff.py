"""`foss diff`: show how a table's rows differ between two moments. See `lake.compare.diff` for the comparison."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.differences import counts, print_differences
from foss_platform.cli.shared.formats import Format, write_rows
from foss_platform.cli.shared.lake_tables import TableArgument, find_named, moment_text
from foss_platform.cli.shared.terminal import messages
from foss_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from foss_platform.lake.compare.diff import Difference
    from foss_platform.lake.snapshots.points import Point

_SHOWN_ROWS = 20


def diff(
    table: TableArgument,
    since: Annotated[
        str, typer.Option("--from", metavar="MOMENT", help="The earlier moment: an ISO time, or '2 hours ago'.")
    ],
    until: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="MOMENT", help="The later moment, in the same forms.", show_default="the current state"
        ),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="Output format of the rows.")] = Format.TABLE,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the rows to this file instead of the terminal.")
    ] = None,
) -> None:
    """Show the rows of TABLE that were added, removed or changed between two moments, matched by its key."""
    from foss_platform.ingest.bronze.schemas import SEQUENCE_NUMBER
    from foss_platform.lake.compare.diff import compared
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.query.duckdb_views import pin
    from foss_platform.lake.snapshots.points import point_table
    from foss_platform.lake.table.moments import parse_moment
    from foss_platform.lake.table.tables import key_of, load_table
    from foss_platform.settings import load_settings

    settings = load_settings()
    catalog = open_catalog(settings, create=False)
    name = find_named(catalog, table)
    now = datetime.now(UTC)
    first, last = parse_moment(since, now), parse_moment(until, now) if until is not None else None
    if last is not None and first > last:
        raise ConfigurationError(f"--from {since} is later than --to {until}.", "Swap the two options.")
    loaded = load_table(catalog, name)
    points = _state(loaded, first), _state(loaded, last)
    for word, point in zip(("from", "to"), points, strict=True):
        kind = "pinned" if point.is_pinned else "live"
        messages().print(f"{word} the state committed at {moment_text(point.committed_at)} ({kind})", soft_wrap=True)
    earlier, later = (pin(name, point_table(loaded, point), point.snapshot_id) for point in points)
    # the commit that wrote a row is not compared: a replay writes the same row in another commit
    with compared(settings, earlier, later, key_of(loaded), {SEQUENCE_NUMBER}) as found:
        _explain(found, key_of(loaded))
        if format_ is Format.TABLE and out is None:
            print_differences(found, _SHOWN_ROWS)
        else:
            write_rows(found.stream(), format_, out)
        messages().print(counts(found))


def _state(table: "Table", moment: datetime | None) -> "Point":
    from foss_platform.lake.snapshots.points import live_points, point_at

    live = live_points(table)
    if moment is None and live:
        # the newest state is found without this machine's clock, because the writer's clock may be ahead of it
        return live[-1]
    return point_at(table, moment or datetime.now(UTC))


def _explain(found: "Difference", key: tuple[str, ...]) -> None:
    """Print which columns were not compared. If whole rows were compared instead of keys, print why."""
    console = messages()
    for word, columns in (("--from", found.only_earlier), ("--to", found.only_later)):
        if columns:
            console.print(f"columns only at {word}, not compared: {escape(', '.join(columns))}", soft_wrap=True)
    if found.key:
        return
    why = "the table has no key"
    if key:
        why = f"the key ({', '.join(key)}) {'repeats' if found.repeated_key else 'is not in both states'}"
    console.print(f"whole rows are compared, because {escape(why)}", soft_wrap=True)
