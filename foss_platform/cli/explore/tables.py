"""`foss tables`: show the state of every table. See `lake.maintenance.health` for when a table needs maintenance."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.lake_tables import oldest_text, size_text, trouble
from foss_platform.cli.shared.pages import feeds
from foss_platform.cli.shared.terminal import messages, show_error, show_table
from foss_platform.errors import FossError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from foss_platform.lake.table.names import TableName
    from foss_platform.settings import Settings


_LEFT_OVER = "[yellow]its model or page is gone: keep the table, or `foss drop` it[/]"


@dataclass(frozen=True)
class TableLine:
    """The report on one table.

    Attributes
    ----------
    oldest_readable
        The first moment whose state can be read, live or pinned. None if the table never had a row.
    live_bytes
        Size of the current state's data files.
    reclaimable_bytes
        Size of the unreferenced files, retained or not. None if the files were not listed.
    made_by
        The model, seed or page that makes the table. None if nothing makes the table, or if its producer is unknown.
    is_left_over
        True if no model, seed or page makes the table any longer. None if the project could not be read.
    """

    table: str
    rows: int
    data_files: int
    average_file_bytes: int
    small_files: int
    live_snapshots: int
    oldest_readable: datetime | None
    live_bytes: int
    reclaimable_bytes: int | None
    needs: tuple[str, ...]
    made_by: str | None = None
    is_left_over: bool | None = None


def tables(
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not list the storage, so reclaimable bytes are not shown.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show one line per table: size, files, oldest readable state, reclaimable bytes, needed maintenance."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.table.tables import list_tables
    from foss_platform.settings import load_settings

    settings = load_settings()
    catalog = open_catalog(settings, create=False)
    known = _producers(settings, quick=quick)
    failures: list[FossError] = []
    lines: list[TableLine] = []
    for name in _watched(list_tables(catalog)):
        try:
            lines.append(_made(_look(catalog, name, quick=quick), name, known))
        except Exception as error:
            # a table with damaged files may raise any error, and must not hide the other tables
            failures.append(trouble(name, error))
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], indent=2, default=datetime.isoformat))
    else:
        _print(lines, quick=quick)
    for failure in failures:
        show_error(failure)
    raise typer.Exit(1 if failures else 0)


def _producers(settings: "Settings", *, quick: bool) -> "Mapping[TableName, str] | None":
    """For each table, return its producer. None if the producers are unknown, e.g. without permission to parse."""
    from foss_platform.transform.producers import producers
    from foss_platform.transform.project.parsed import is_prepared

    try:
        if quick and not is_prepared(settings):
            # parsing would take seconds, so do without producers
            return None
        return producers(settings, feeds().values())
    except (FossError, OSError) as error:
        messages().print(f"Tables without a model or page are not marked: {escape(str(error))}", soft_wrap=True)
        return None


def _made(line: TableLine, name: "TableName", known: "Mapping[TableName, str] | None") -> TableLine:
    from foss_platform.transform.producers import producer_of

    if known is None:
        return line
    maker = producer_of(name, known)
    return replace(line, made_by=maker, is_left_over=maker is None)


def _watched(names: "Iterable[TableName]") -> "Iterator[TableName]":
    """Yield the names one by one, with a progress bar that shows the current name."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    chosen = list(names)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=messages(), transient=True) as bar:
        task = bar.add_task("", total=len(chosen))
        for name in chosen:
            bar.update(task, description=str(name))
            yield name
            bar.advance(task)


def _look(catalog: "Catalog", name: "TableName", *, quick: bool) -> TableLine:
    from foss_platform.lake.maintenance.health import table_health
    from foss_platform.lake.maintenance.unreferenced_files import plan_removal
    from foss_platform.lake.snapshots.points import all_points
    from foss_platform.lake.table.policy import policy_of
    from foss_platform.lake.table.tables import load_table

    table = load_table(catalog, name)
    health = table_health(table)
    points = all_points(table)
    reclaimable = None
    if not quick:
        removal = plan_removal(catalog, name, policy_of(table.properties, str(name)), datetime.now(UTC))
        reclaimable = removal.bytes + removal.kept_bytes
    return TableLine(
        table=str(name),
        rows=health.rows,
        data_files=health.data_files,
        average_file_bytes=health.average_file_bytes,
        small_files=health.small_files,
        live_snapshots=health.live_snapshots,
        oldest_readable=points[0].committed_at if points else None,
        live_bytes=health.data_bytes,
        reclaimable_bytes=reclaimable,
        needs=health.needs,
    )


def _print(lines: list[TableLine], *, quick: bool) -> None:
    numbers = ("rows", "files", "average", "small", "snapshots", "live", "reclaimable")
    columns = ["table", "rows", "files", "average", "small", "snapshots", "readable from", "live"]
    columns += [] if quick else ["reclaimable"]
    rows = [
        [
            escape(line.table),
            f"{line.rows:,}",
            f"{line.data_files:,}",
            size_text(line.average_file_bytes),
            f"{line.small_files:,}",
            f"{line.live_snapshots:,}",
            oldest_text(line.oldest_readable),
            size_text(line.live_bytes),
            *([] if line.reclaimable_bytes is None else [size_text(line.reclaimable_bytes)]),
            "; ".join([*([_LEFT_OVER] if line.is_left_over else []), *map(escape, line.needs)]) or "[green]none[/]",
        ]
        for line in lines
    ]
    show_table([*columns, "needs"], rows, right=numbers)
