"""`foss history`: list the readable states of a table. See `lake.snapshots.points` for which states are kept."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from foss_platform.cli.shared.lake_tables import TableArgument, find_named, moment_text, trouble
from foss_platform.cli.shared.terminal import messages, output, table_of

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from foss_platform.lake.snapshots.points import Point
    from foss_platform.lake.table.names import TableName

#: Keys of a snapshot's summary that give the reason for the commit, and the text shown for each.
_REASONS = {
    "foss.build": "{}",
    "foss.maintenance": "{}",
    "foss.rollback-to": "rollback to {}",
    "foss.replayed": "{} replayed",
    # written by Iceberg itself, in other engines
    "engine-name": "{}",
}


def history(
    table: TableArgument,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, help="Show at most this many states, newest first. 0 shows all.")
    ] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List every state of TABLE that can still be read, newest first."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.snapshots.points import all_points
    from foss_platform.lake.table.tables import load_table
    from foss_platform.settings import load_settings

    catalog = open_catalog(load_settings(), create=False)
    name = find_named(catalog, table)
    loaded = load_table(catalog, name)
    points = all_points(loaded)[::-1]
    # each pinned state costs the read of its own metadata file, so only the states shown are read
    states = [_state(name, loaded, point) for point in points[: limit or None]]
    if as_json:
        typer.echo(json.dumps(states, indent=2, default=datetime.isoformat))
    else:
        columns = ("committed at", "current until", "kind", "rows", "made by", "snapshot")
        rows = [_line(state) for state in states]
        output().print(table_of("", columns, rows, right=("rows", "snapshot")))
    hidden = len(points) - len(states)
    more = f", {hidden:,} not shown (use --limit 0)" if hidden else ""
    messages().print(f"{len(points):,} states of {table} can be read{more}", soft_wrap=True)


def _state(name: "TableName", table: "Table", point: "Point") -> dict[str, Any]:
    """Return a state's entry in the JSON output. If a pinned state's file is damaged, the entry gives the reason."""
    state = {
        "committed_at": point.committed_at,
        "held_until": point.until,
        "kind": "pinned" if point.is_pinned else "live",
        "rows": None,
        "operation": None,
        "made_by": "",
        "snapshot_id": point.snapshot_id,
        "metadata_location": point.metadata_location,
    }
    from foss_platform.lake.snapshots.points import point_table
    from foss_platform.lake.table.statistics import rows_by

    try:
        snapshot = point_table(table, point).snapshot_by_id(point.snapshot_id)
    except Exception as error:
        # a damaged file may raise any error, and must not hide the other states
        return {**state, "made_by": trouble(name, error).problem}
    if snapshot is None or snapshot.summary is None:
        return state
    noted = snapshot.summary.additional_properties
    reasons = [text.format(noted[name]) for name, text in _REASONS.items() if name in noted]
    return {
        **state,
        "rows": rows_by(noted),
        "operation": snapshot.summary.operation.value,
        "made_by": ", ".join(reasons),
    }


def _line(state: dict[str, Any]) -> tuple[str | None, ...]:
    made = ": ".join(part for part in (state["operation"], state["made_by"]) if part)
    return (
        moment_text(state["committed_at"]),
        moment_text(state["held_until"]) if state["held_until"] else "now",
        state["kind"],
        None if state["rows"] is None else f"{state['rows']:,}",
        escape(made),
        str(state["snapshot_id"]),
    )
