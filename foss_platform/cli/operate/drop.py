"""`foss drop`: tables that nothing makes any longer. Not here: how they go and come back (`lake.maintenance.dropped_tables`)."""

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
    """For the shell's completion: the tables that can be restored."""
    try:
        from foss_platform.lake.connect.catalog import open_catalog
        from foss_platform.lake.maintenance.dropped_tables import dropped_tables
        from foss_platform.settings import load_settings

        found = dropped_tables(open_catalog(load_settings(), create=False, judge=False))
    except Exception:
        # as `complete_table`: a shell would show it in the middle of a line
        return []
    return [dropped.table for dropped in found if dropped.table.startswith(incomplete)]


def drop(
    table: Annotated[
        list[str] | None,
        typer.Argument(metavar="TABLE...", help="Such as gold.old_model.", autocompletion=complete_table),
    ] = None,
    restore: Annotated[
        list[str] | None,
        typer.Option("--restore", metavar="TABLE", help="Bring a dropped one back.", autocompletion=complete_dropped),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be dropped; change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also a table that a model or page makes, which the next run makes anew.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Drop tables that no model or page makes any longer; without TABLE, list the dropped ones that can be restored."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.ownership.ownership import require_own
    from foss_platform.settings import load_settings

    settings = load_settings()
    catalog = open_catalog(settings, create=False)
    if restore:
        if table:
            raise ConfigurationError("--restore and a table to drop exclude each other.", "Run one after the other.")
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
            f"`foss drop --restore {escape(str(name))}` brings it back; after that `foss cleanup` removes its files.",
            soft_wrap=True,
        )


def _restore(catalog: "Catalog", text: str) -> None:
    from foss_platform.lake.maintenance.dropped_tables import restore_table

    namespace, dot, name = text.partition(".")
    if not dot:
        raise ConfigurationError(f"{text} is not the name of a table.", "Name it such as gold.old_model.")
    dropped = restore_table(catalog, TableName(namespace, name))
    output().print(f"{escape(text)} is back as it was at {minute_text(dropped.dropped_at)}.", soft_wrap=True)


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
    from foss_platform.transform.makers import maker_of, makers

    try:
        known = makers(settings, feeds().values())
    except (FossError, OSError) as error:
        raise ConfigurationError(
            f"Whether a model or page makes {', '.join(map(str, names))} cannot be told: {error}",
            "Mend that first, or add --force.",
        ) from None
    made = {name: maker for name in names if (maker := maker_of(name, known)) is not None}
    if made:
        said = "; ".join(f"{name} is made by {maker}" for name, maker in made.items())
        raise ConfigurationError(
            f"{said}. The next run would make it anew.",
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
