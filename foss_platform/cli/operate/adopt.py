"""`foss adopt`: make a copied or moved lake this home's own. See `lake.adopt.adopt` for how."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from foss_platform.cli.shared.lake_tables import confirm
from foss_platform.cli.shared.terminal import messages, output, show_table

if TYPE_CHECKING:
    from foss_platform.lake.adopt.adopt import Adoption


def adopt(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done. Write nothing.")] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="Use the files where they are, because no other catalog uses them any longer."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Make a copied or moved lake this home's own. After an interruption, run it again to resume."""
    from foss_platform.lake.adopt.adopt import adopt as carry_out
    from foss_platform.lake.adopt.adopt import plan_adoption
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.settings import load_settings

    catalog = open_catalog(load_settings(), create=False, judge=False)
    plan = plan_adoption(catalog, take_over=take_over)
    if plan.owner is None:
        output().print("The lake is already this home's own. There is nothing to adopt.")
        return
    output().print(escape(plan.ownership.problem), soft_wrap=True)
    _show(plan)
    if dry_run:
        messages().print("nothing was written")
        return
    confirm("Make the lake this home's own?", yes=yes)
    with _bar(plan) as progress:
        carry_out(catalog, plan, progress)
    output().print("The lake is this home's own now.")
    if not plan.takes_over and not plan.ownership.is_gone:
        output().print("The original lake was not changed. From now on, each lake contains only its own new polls.")


def _show(plan: "Adoption") -> None:
    from foss_platform.lake.adopt.relocation import Relocation
    from foss_platform.lake.ownership.locations import table_location

    rows = []
    for table in plan.tables:
        target = Relocation(table.name, table.metadata, table.places, {}).moved(table.metadata)
        what = "paths are rewritten, missing files are copied" if table.places else "stays in place"
        rows.append((escape(table.name), what, escape(table_location(target))))
    show_table(("table", "action", "location"), rows)


@contextmanager
def _bar(plan: "Adoption") -> Iterator[Callable[[str, int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[doing]}"))
    with Progress(*columns, console=messages(), transient=True) as bar:
        task = bar.add_task("", total=len(plan.tables), doing="")
        names = [table.name for table in plan.tables]

        def show(name: str, files: int) -> None:
            doing = f"{files:,} files copied" if files else ""
            bar.update(task, description=escape(name), completed=names.index(name), doing=doing)

        yield show
