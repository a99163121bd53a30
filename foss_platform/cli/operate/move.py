"""`foss move`: copy a lake into another catalog and store. See `lake.move.move_lake` for how."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.lake_tables import complete_table, confirm, find_named, oldest_text, size_text
from foss_platform.cli.shared.terminal import messages, output, table_of

if TYPE_CHECKING:
    from foss_platform.lake.move.copy import Progress
    from foss_platform.lake.move.plan import MovePlan
    from foss_platform.lake.move.target import MoveTarget
    from foss_platform.lake.table.names import TableName


def move(
    to: Annotated[
        Path,
        typer.Option(
            "--to",
            metavar="FILE",
            help="File that describes the target, in the format of .pyiceberg.yaml. It may contain ${NAME}.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be copied. Write nothing.")] = False,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table", "-t", metavar="NAME", help="Only this table. Repeatable.", autocompletion=complete_table
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Copy the lake's current state into another catalog and store, to continue polling there. Run again to resume."""
    from foss_platform.ingest.bronze.one_by_one import tables_with_unlogged_polls
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.move.move_lake import move_tables
    from foss_platform.lake.move.plan import plan_move
    from foss_platform.lake.move.target import open_target, read_target
    from foss_platform.lake.ownership.require_own import require_own
    from foss_platform.settings import load_settings

    target = read_target(to, os.environ)
    source = open_catalog(load_settings(), create=False)
    only = {find_named(source, name) for name in table or ()}
    plan = plan_move(source, open_target(target, create=False), only)
    _show_plan(plan, target)
    if dry_run:
        _show_left_behind(plan)
        messages().print("nothing was written")
        return
    # refuse a lake that is a copy: moved, it would become a second lake that polls the feeds under the original's name
    require_own(source)
    _refuse_incomplete_log(tables_with_unlogged_polls(plan.sources))
    confirm("Copy these tables? The lake here is not changed.", yes=yes)
    destination = open_target(target)
    assert destination is not None
    with _bar(plan) as progress:
        verified = move_tables(plan, source, destination, progress)
    rows = [(escape(str(name)), f"{found.rows:,}", found.hash) for name, found in verified.items()]
    if rows:
        title = "Copied: row count and hash are the same on both sides"
        output().print(table_of(title, ("table", "rows", "hash"), rows, right=("rows",)))
    else:
        output().print("All of these tables were already complete at the target.")
    _show_left_behind(plan)
    _show_next_steps(plan, target)


def _refuse_incomplete_log(tables: "Sequence[TableName]") -> None:
    from foss_platform.errors import ConfigurationError

    if tables:
        names = ", ".join(map(str, tables))
        raise ConfigurationError(
            f"The log ops.polls lacks polls of {names}, because a run ended before it was written.",
            "Run `foss cleanup` here, which adds them. Then run the move again.",
        )


def _show_plan(plan: "MovePlan", target: "MoveTarget") -> None:
    rows = [
        (
            escape(str(move.name)),
            f"{move.size.rows:,}",
            f"{move.size.data_files:,}",
            size_text(move.size.data_bytes),
            move.status,
        )
        for move in plan.tables
    ]
    columns = ("table", "rows", "files", "bytes", "at the target")
    output().print(table_of("", columns, rows, right=columns[1:4]))
    output().print(f"to: {escape(str(target))}", soft_wrap=True)


@contextmanager
def _bar(plan: "MovePlan") -> "Iterator[Progress]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from foss_platform.lake.move.copy import Phase, Step

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    with Progress(*columns, TextColumn("{task.fields[doing]}"), console=messages(), transient=True) as bar:
        task = bar.add_task("", total=sum(move.size.data_files for move in plan.tables), doing="")
        before = 0

        def show(step: Step) -> None:
            nonlocal before
            doing = "comparing both sides …" if step.phase is Phase.COPIED else f"{step.rows:,} rows"
            bar.update(task, description=str(step.name), completed=before + step.files, doing=doing)
            if step.phase is Phase.VERIFIED:
                before += step.files

        yield show


def _show_left_behind(plan: "MovePlan") -> None:
    from foss_platform.lake.move.move_lake import history_left_behind

    rows = [
        (escape(str(left.name)), f"{left.live:,}", f"{left.pinned:,}", oldest_text(left.oldest))
        for left in history_left_behind(plan)
        if left.oldest is not None
    ]
    columns = ("table", "live states", "pinned", "oldest")
    output().print(table_of("History that stays here", columns, rows, right=columns[1:3]))


def _show_next_steps(plan: "MovePlan", target: "MoveTarget") -> None:
    console = output()
    moved = {move.name for move in plan.tables}
    if rest := [str(name) for name in plan.sources if name not in moved]:
        console.print(
            f"Not copied: {escape(', '.join(rest))}. Move all tables before you poll there: run again without --table.",
            soft_wrap=True,
        )
        return
    variables = "\n".join(f"     {name}" for name in target.variables())
    console.print(
        "Next:\n"
        "  1. Stop polling here. If two lakes poll the same feeds, their contents diverge.\n"
        f"  2. On the machine that continues polling, set FOSS_ENVIRONMENT=production and, from the target's file,\n"
        f"{escape(variables)}\n"
        "  3. There, `foss status` shows the last poll made here, and `foss run` continues from it.\n"
        f"Keep the lake here until its history is no longer needed.",
        soft_wrap=True,
    )
