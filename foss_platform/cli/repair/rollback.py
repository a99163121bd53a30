"""`foss rollback`: set a derived table back to an earlier state. See `lake.build.rollback` for how."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from foss_platform.cli.shared.lake_tables import TableArgument, confirm, find_named, moment_text
from foss_platform.cli.shared.terminal import messages, output, table_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from foss_platform.lake.build.rollback import Rollback
    from foss_platform.settings import Settings


def rollback(
    table: TableArgument,
    moment: Annotated[
        str, typer.Option("--to", metavar="MOMENT", help="The moment to go back to: an ISO time, or '2 hours ago'.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change. Change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Set TABLE of silver or gold back to its state at a moment, in one commit. The next run builds on that state."""
    from foss_platform.lake.build.rollback import plan_rollback, roll_back
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.table.moments import parse_moment
    from foss_platform.lake.table.tables import load_table
    from foss_platform.settings import load_settings

    settings = load_settings()
    catalog = open_catalog(settings, create=False)
    planned = plan_rollback(catalog, find_named(catalog, table), parse_moment(moment, datetime.now(UTC)))
    _show(settings, catalog, planned)
    if dry_run:
        messages().print("nothing was changed")
        return
    confirm(f"Roll {planned.name} back to this state?", yes=yes)
    before = load_table(catalog, planned.name).metadata.current_snapshot_id
    done = roll_back(catalog, planned)
    snapshot = done.current_snapshot()
    if done.metadata.current_snapshot_id == before:
        output().print(f"{planned.name} already has this state. Nothing was changed.", soft_wrap=True)
        return
    output().print(
        f"{planned.name} was rolled back to its state at {moment_text(planned.point.committed_at)}"
        + (f", as snapshot {snapshot.snapshot_id}" if snapshot is not None else ""),
        soft_wrap=True,
    )
    messages().print(
        "Next: the pipeline's next run builds on this state. `foss run` with the pipeline's name does so now.",
        soft_wrap=True,
    )


def _show(settings: "Settings", catalog: "Catalog", planned: "Rollback") -> None:
    from foss_platform.lake.compare.diff import Kind, compared
    from foss_platform.lake.query.duckdb_views import pin
    from foss_platform.lake.snapshots.points import point_table
    from foss_platform.lake.table.tables import key_of, load_table

    name, point = planned.name, planned.point
    messages().print(
        f"{name} to the state committed at {moment_text(point.committed_at)} "
        f"({'pinned' if point.is_pinned else 'live'}, snapshot {point.snapshot_id})",
        soft_wrap=True,
    )
    lines = [
        ("rows", f"{planned.rows_now:,} → {planned.rows_then:,}"),
        ("data files", f"{planned.files_added:,} restored, {planned.files_removed:,} removed"),
    ]
    table = load_table(catalog, name)
    if (key := key_of(table)) and table.current_snapshot() is not None:
        now, then = pin(name, table), pin(name, point_table(table, point), point.snapshot_id)
        with messages().status("comparing rows …"), compared(settings, now, then, key) as found:
            counts = found.counts
        differ = f"{counts[Kind.ADDED]:,} added, {counts[Kind.REMOVED]:,} removed, {counts[Kind.CHANGED]:,} changed"
        lines.append(("rows by key", differ))
    output().print(table_of("", ("what", "now → then"), lines))
