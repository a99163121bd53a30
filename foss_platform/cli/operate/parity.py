"""`foss parity`: check that both engines build the same silver and gold. See `transform` for the builds."""

import typer
from rich.markup import escape

from foss_platform.cli.shared.differences import counts, print_differences
from foss_platform.cli.shared.terminal import messages, output

_SHOWN_ROWS = 10


def parity() -> None:
    """Build silver and gold on DuckDB and on Trino from the same bronze, and compare the results.

    Values and types of all rows are compared. Exit code 1 if anything differs. The tables built for this are removed.
    """
    from foss_platform.engine import Engine
    from foss_platform.lake.compare.parity import parity_of
    from foss_platform.settings import load_settings
    from foss_platform.transform.parity import built_by_both

    settings = load_settings()
    console, alike = output(), True
    with messages().status("building on both engines …") as status, built_by_both(settings) as tables:
        for built in tables:
            status.update(f"comparing {built.name} …")
            one, other = built.tables[Engine.DUCKDB], built.tables[Engine.TRINO]
            with parity_of(settings, built.name, one, other, built.tolerances) as found:
                alike = alike and found.holds
                verdict = "[green]the same[/]" if found.holds else f"[red]different[/]: {counts(found.difference)}"
                took = ", ".join(f"{engine} {built.seconds[engine]:.1f} s" for engine in Engine)
                console.print(f"{built.name}  {found.rows:,} rows  {verdict}  ({took})", soft_wrap=True)
                for line in found.types:
                    console.print(f"  types on DuckDB and Trino: {escape(line)}", soft_wrap=True)
                if any(found.difference.counts.values()):
                    console.print("  from DuckDB's rows to Trino's:")
                    print_differences(found.difference, _SHOWN_ROWS)
    raise typer.Exit(0 if alike else 1)
