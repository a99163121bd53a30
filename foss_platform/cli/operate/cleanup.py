"""`foss cleanup`: all maintenance from the command line. See `lake.maintenance.maintain` for what maintenance does."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.durations import parse_duration
from foss_platform.cli.shared.lake_tables import complete_table, confirm, find_named, minute_text, size_text, trouble
from foss_platform.cli.shared.pages import feeds
from foss_platform.cli.shared.terminal import messages, output, show_error, show_table
from foss_platform.errors import FossError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from foss_platform.lake.files.table_files import StoredFile
    from foss_platform.lake.maintenance.maintain import TableMaintenance
    from foss_platform.lake.table.names import TableName

_RISKY = timedelta(hours=1)


def cleanup(
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table", "-t", metavar="NAME", help="Only this table. Repeatable.", autocompletion=complete_table
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="DURATION",
            help="Delete files known to be unreferenced for at least this long: 6h, 30m, '2 days', or 0 for all.",
            show_default="the table's retention policy",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the files that would be deleted. Change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Compact small files, expire snapshots outside the retention policy, and delete unreferenced files."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.ownership.require_own import require_own
    from foss_platform.lake.table.tables import list_tables
    from foss_platform.settings import load_settings

    keep = parse_duration(older_than) if older_than is not None else None
    catalog = open_catalog(load_settings(), create=False, judge=dry_run)
    if not dry_run:
        require_own(catalog)
    names = list(dict.fromkeys(find_named(catalog, name) for name in table)) if table else list_tables(catalog)
    if keep is not None and keep < _RISKY and not dry_run:
        messages().print(
            f"[bold yellow]warning:[/] --older-than {escape(str(older_than))} retains unreferenced files for less than "
            "an hour: running readers and writers may still need them, and would fail.",
            soft_wrap=True,
        )
        confirm("Delete them?", yes=yes)
    done, failures = _maintain(catalog, names, keep, dry_run=dry_run)
    if dry_run:
        _list_files(done)
    _summarize(catalog, done, keep, dry_run=dry_run)
    if not table:
        _remove_dropped(catalog, dry_run=dry_run)
    for failure in failures:
        show_error(failure)
    raise typer.Exit(1 if failures else 0)


def _maintain(
    catalog: "Catalog", names: "Sequence[TableName]", keep: timedelta | None, *, dry_run: bool
) -> "tuple[list[TableMaintenance], list[FossError]]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from foss_platform.lake.maintenance.maintain import maintain

    done: list[TableMaintenance] = []
    failures: list[FossError] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[gone]}"))
    with Progress(*columns, console=messages(), transient=True) as bar:
        task = bar.add_task("", total=len(names), gone="")
        files = size = 0

        def count(file: "StoredFile") -> None:
            nonlocal files, size
            files, size = files + 1, size + file.size
            bar.update(task, gone=f"{files:,} files deleted, {size_text(size)}")

        for name in names:
            bar.update(task, description=str(name))
            try:
                if not dry_run:
                    _heal(catalog, name)
                now = datetime.now(UTC)
                done.append(
                    maintain(catalog, name, now, trigger="command", older_than=keep, dry_run=dry_run, progress=count)
                )
            except Exception as error:
                # a table with damaged files may raise any error, and must not stop the maintenance of the other tables
                failures.append(trouble(name, error))
            bar.advance(task)
    return done, failures


def _remove_dropped(catalog: "Catalog", *, dry_run: bool) -> None:
    """Delete the files of dropped tables that can no longer be restored."""
    from foss_platform.lake.maintenance.dropped_files import remove_for_good

    if gone := remove_for_good(catalog, datetime.now(UTC), dry_run=dry_run):
        would = "would be deleted" if dry_run else "deleted"
        size = size_text(sum(file.size for file in gone))
        messages().print(f"{len(gone):,} files of dropped tables {would}, {size} freed")


def _heal(catalog: "Catalog", name: "TableName") -> None:
    """Complete the poll log before bronze is maintained: expired snapshots may hold rows that the log still lacks."""
    from importlib.metadata import version

    from foss_platform.ingest.bronze.commit_polls import complete_poll_log

    for feed in feeds().values():
        if feed.bronze == name:
            complete_poll_log(catalog, feed, {"foss.version": version("foss-platform")})


def _list_files(done: "Sequence[TableMaintenance]") -> None:
    console = output()
    for maintenance in done:
        for file in maintenance.removal.files:
            line = f"{size_text(file.size):>10}  {file.path}"
            console.print(escape(line), soft_wrap=True)


def _summarize(
    catalog: "Catalog", done: "Sequence[TableMaintenance]", keep: timedelta | None, *, dry_run: bool
) -> None:
    columns = ["table", "points", "deleted", "freed", "retained", "until"]
    columns[1:1] = [] if dry_run else ["compacted"]
    rows = [_line(catalog, maintenance, keep, dry_run=dry_run) for maintenance in done]
    show_table(columns, rows, right=columns[1:-1])
    freed = sum(maintenance.removal.bytes for maintenance in done)
    files = sum(len(maintenance.removal.files) for maintenance in done)
    if dry_run:
        messages().print(f"{files:,} files would be deleted, {size_text(freed)} freed. Nothing was changed.")
    else:
        messages().print(f"{files:,} files deleted, {size_text(freed)} freed")


def _line(catalog: "Catalog", maintenance: "TableMaintenance", keep: timedelta | None, *, dry_run: bool) -> list[str]:
    from foss_platform.lake.snapshots.points import PINNED_PREFIX

    removal, merged = maintenance.removal, maintenance.compaction
    points = sum(file.name.startswith(PINNED_PREFIX) for file in removal.files)
    return [
        escape(str(maintenance.name)),
        *([] if dry_run else [f"{merged.files_before:,} → {merged.files_after:,}" if merged.files_before else ""]),
        f"{points:,}",
        f"{len(removal.files):,}",
        size_text(removal.bytes),
        f"{len(removal.kept):,}, {size_text(removal.kept_bytes)}" if removal.kept else "",
        minute_text(removal.next_at),
    ]
