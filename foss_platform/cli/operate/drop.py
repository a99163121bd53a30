"""`foss drop`: drop tables without a model or page. See `lake.maintenance.dropped_tables` for how."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.lake_tables import complete_table, confirm, find_named, minute_text
from foss_platform.cli.shared.pages import feeds
from foss_platform.cli.shared.terminal import messages, output, show_table
from foss_platform.errors import ConfigurationError, FossError
from foss_platform.lake.table.names import TableName
from foss_platform.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def complete_dropped(incomplete: str) -> list[str]:
    """Return the tables that can be restored, for the shell's completion."""
    try:
        from foss_platform.lake.connect.catalog import open_catalog
        from foss_platform.lake.maintenance.dropped_tables import dropped_tables
        from foss_platform.settings import load_settings

        found = dropped_tables(open_catalog(load_settings(), create=False, judge=False))
    except Exception:
        # a shell would print any error in the middle of the line that the user is typing
        return []
    return [dropped.table for dropped in found if dropped.table.startswith(incomplete)]


def drop(
    table: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TABLE...", help="Tables to drop, such as gold.old_model.", autocompletion=complete_table
        ),
    ] = None,
    restore: Annotated[
        list[str] | None,
        typer.Option("--restore", metavar="TABLE", help="Restore a dropped table.", autocompletion=complete_dropped),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be dropped. Change nothing.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also drop tables that a model or page makes. The next run makes them again."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Drop tables that no model or page makes any longer. Without TABLE, list dropped tables that can be restored."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.ownership.require_own import require_own
    from foss_platform.settings import load_settings

    settings = load_settings()
    catalog = open_catalog(settings, create=False)
    if restore:
        if table:
            raise ConfigurationError("--restore cannot be combined with tables to drop.", "Run the command twice.")
        for text in restore:
            _restore(catalog, text)
        return
    if not table:
        _list(catalog, as_json=as_json)
        return
    names = list(dict.fromkeys(find_named(catalog, text) for text in table))
    if not force:
        _refuse_made(settings, names)
    _show(catalog, names)
    if dry_run:
        messages().print("nothing was changed")
        return
    require_own(catalog)
    confirm("Drop them?" if len(names) > 1 else "Drop it?", yes=yes)
    _drop(catalog, names)


def _drop(catalog: "Catalog", names: list[TableName]) -> None:
    from foss_platform.lake.maintenance.dropped_tables import drop_table

    for name in names:
        dropped = drop_table(catalog, name, datetime.now(UTC))
        output().print(
            f"{escape(str(name))} was dropped. Until {minute_text(dropped.keep_until)} "
            f"`foss drop --restore {escape(str(name))}` restores it. After that, `foss cleanup` deletes its files.",
            soft_wrap=True,
        )


def _restore(catalog: "Catalog", text: str) -> None:
    from foss_platform.lake.maintenance.dropped_tables import restore_table

    namespace, dot, name = text.partition(".")
    if not dot:
        raise ConfigurationError(f"{text} is not the name of a table.", "Use a name such as gold.old_model.")
    dropped = restore_table(catalog, TableName(namespace, name))
    output().print(f"{escape(text)} was restored to its state of {minute_text(dropped.dropped_at)}.", soft_wrap=True)


def _list(catalog: "Catalog", *, as_json: bool) -> None:
    from foss_platform.lake.maintenance.dropped_tables import dropped_tables

    found = dropped_tables(catalog)
    if as_json:
        typer.echo(json.dumps([asdict(dropped) for dropped in found], indent=2, default=datetime.isoformat))
        return
    if not found:
        output().print("No dropped table can be restored.")
    rows = [
        (escape(dropped.table), minute_text(dropped.dropped_at), minute_text(dropped.keep_until)) for dropped in found
    ]
    show_table(("table", "dropped", "can be restored until"), rows)


def _refuse_made(settings: Settings, names: list[TableName]) -> None:
    from foss_platform.transform.producers import producer_of, producers

    try:
        known = producers(settings, feeds().values())
    except (FossError, OSError) as error:
        raise ConfigurationError(
            f"It is not known whether a model or page makes {', '.join(map(str, names))}: {error}",
            "Correct that first, or add --force.",
        ) from None
    made = {name: maker for name in names if (maker := producer_of(name, known)) is not None}
    if made:
        said = "; ".join(f"{name} is made by {maker}" for name, maker in made.items())
        raise ConfigurationError(
            f"{said}. The next run would make it again.",
            "Remove the model or page first, or add --force.",
        )


def _show(catalog: "Catalog", names: list[TableName]) -> None:
    from foss_platform.cli.shared.lake_tables import size_text
    from foss_platform.lake.maintenance.dropped_tables import keep_for
    from foss_platform.lake.maintenance.health import table_health
    from foss_platform.lake.table.tables import load_table

    rows = []
    for name in names:
        table = load_table(catalog, name)
        health, until = table_health(table), datetime.now(UTC) + keep_for(table)
        rows.append((escape(str(name)), f"{health.rows:,}", size_text(health.data_bytes), minute_text(until)))
    show_table(("table", "rows", "live", "can be restored until"), rows, right=("rows", "live"))
