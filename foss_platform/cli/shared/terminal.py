"""Prints errors, verdicts and tables on a terminal."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from foss_platform.errors import FossError

_UNBOUNDED, _UNFOLDED = 240, 10_000

VERDICTS = {
    "passed": "[green]✓ passed[/]",
    "warning": "[yellow]! warning[/]",
    "failed": "[red]✗ failed[/]",
    "not run": "[dim]- not run[/]",
}


def output() -> Console:
    """Standard output, for results. It is as wide as needed if no terminal sets a width."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=_UNBOUNDED if wide else None)


def messages() -> Console:
    """Standard error, for progress and errors."""
    return Console(stderr=True, highlight=False)


def show_error(error: FossError) -> None:
    """Print an error as one paragraph: the problem, then the remedy."""
    remedy = f" {escape(error.remedy)}" if error.remedy else ""
    messages().print(f"[bold red]error:[/] {escape(error.problem)}{remedy}", soft_wrap=True)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Print a table. If cells would not fit, print each row as a paragraph with its first cell as the heading."""
    if not rows:
        return
    console, table = output(), table_of("", columns, rows, right=right)
    unbounded = console.options.update(max_width=_UNFOLDED)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table)
        return
    for heading, *cells in rows:
        console.print(f"[bold]{heading}[/]")
        named = zip(columns[1:], cells, strict=True)
        line = ""
        for part in (f"{column} {cell}" for column, cell in named if cell not in (None, "")):
            longer = f"{line} · {part}" if line else f"  {part}"
            if line and Text.from_markup(longer).cell_len > console.width:
                console.print(line)
                longer = f"  {part}"
            line = longer
        console.print(line)


def table_of(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> Table:
    """Return a table. The columns named in `right` contain numbers and are right-aligned."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", show_edge=False)
    for column in columns:
        # half a name may look like another name, so wrap cells and never cut them
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    return table
