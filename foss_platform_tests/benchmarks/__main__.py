"""Command line of the benchmarks: selects them, runs them, and prints or writes the results."""

import importlib
import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from foss_platform_tests.benchmarks.measure import Bench, BenchmarkError, environment
from foss_platform_tests.benchmarks.report import Report, machine, markdown, table
from foss_platform_tests.repository import PROJECT_ROOT

BENCHMARKS = {
    "rebuild": "rebuild of silver and gold from ten million rows, against bare DuckDB with the same SQL",
    "latency": "seconds from a poll to gold: foss run, dbt in a warm process, the daemon's schedule",
    "run": "seconds and memory of foss run, to bronze and to gold, and of the imports alone",
    "stock": "poll to gold, against the standard combination of Dagster and dbt",
    "dlt": "writing of polls to Iceberg, against dlt",
    "poll": "a poll and a large transaction on three kinds of lake, processor and waiting time apart (make services)",
    "store": "append, replay, rebuild and maintenance on Postgres + MinIO, against SQLite + folder (make services)",
    "trino": "silver and gold from a million rows on Trino, against hand-run SQL and DuckDB (needs make services)",
    "trino_20m": "the same with 20 million rows (about twenty minutes)",
    "trino_100m": "the same with 100 million rows on two workers (an hour, 20 GB)",
    "append": "cost of the three hundredth poll, against the first polls",
    "maintenance": "20,000 polls with maintenance: final cost of a poll and size of the lake (one to two hours)",
    "history": "incremental build of silver and gold with 1 million and 100 million rows of history (15 GB)",
    "scan": "group-by over 20,000 tiny commits, against one commit (creates the lake of maintenance if missing)",
}
#: The package of each benchmark's module.
PACKAGES = {
    "rebuild": "models",
    "latency": "dagster",
    "run": "dagster",
    "stock": "dagster",
    "dlt": "ingest",
    "poll": "store",
    "store": "store",
    "trino": "trino",
    "trino_20m": "trino",
    "trino_100m": "trino",
    "append": "ingest",
    "maintenance": "maintenance",
    "history": "models",
    "scan": "maintenance",
}
_PAGE = PROJECT_ROOT / "docs" / "BENCHMARKS.md"


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks to run (default: all).")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Use small sizes. The figures are not meaningful.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the results to docs/BENCHMARKS.md.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the benchmarks and exit.")] = False,
    work_dir: Annotated[
        Path | None, typer.Option(help="Folder for temporary data (about 20 GB, default: the system's).")
    ] = None,
    lakes: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the lakes that take long to create. They are kept and reused (default: temporary lakes)."
        ),
    ] = None,
) -> None:
    """Measure the platform. Exit with 0 if all benchmarks ran, whatever the verdicts."""
    console = Console(highlight=False)
    if listed:
        for name, summary in BENCHMARKS.items():
            console.print(f"{name:11} {summary}", soft_wrap=True)
        return
    if unknown := sorted(set(names or ()) - BENCHMARKS.keys()):
        console.print(f"Unknown benchmark: {', '.join(unknown)}. Known benchmarks: {', '.join(BENCHMARKS)}.")
        raise typer.Exit(2)
    if quick and write:
        console.print("The figures of a quick run are never written. Leave out --quick or --write.")
        raise typer.Exit(2)
    # code in this process must not see more of the developer's shell than the measured processes do
    cleaned = environment()
    os.environ.clear()
    os.environ.update(cleaned)
    measured_on = machine()
    for key, value in measured_on.items():
        console.print(f"{key:12} {value}", soft_wrap=True)
    if work_dir is not None:
        work_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="foss-lakes-", dir=work_dir, ignore_cleanup_errors=True) as temporary:
        place = (lakes or Path(temporary)).absolute()
        found = [_run(console, name, quick, work_dir, place) for name in names or BENCHMARKS]
    reports = [report for report in found if report is not None]
    if write:
        # an absolute path exists on this machine only
        said = ["DIR" if argument.startswith("/") else argument for argument in sys.argv[1:]]
        command = shlex.join(["python", "-m", "foss_platform_tests.benchmarks", *said])
        _PAGE.parent.mkdir(exist_ok=True)
        before = _PAGE.read_text() if _PAGE.exists() else ""
        _PAGE.write_text(markdown(reports, measured_on, command, before, BENCHMARKS))
        console.print(f"Written: {_PAGE}", soft_wrap=True)
    raise typer.Exit(0 if len(reports) == len(names or BENCHMARKS) else 1)


def _run(console: Console, name: str, quick: bool, work_dir: Path | None, lakes: Path) -> Report | None:
    module = importlib.import_module(f"foss_platform_tests.benchmarks.{PACKAGES[name]}.{name}_benchmark")
    folder = Path(tempfile.mkdtemp(prefix=f"foss-{name}-", dir=work_dir and work_dir.absolute()))
    try:
        with console.status(f"{name}: {BENCHMARKS[name]} …"):
            report: Report = replace(module.run(Bench(folder, quick, lakes)), is_quick=quick)
    except BenchmarkError as error:
        console.print(f"\n[red]{name} could not be measured:[/] {escape(str(error))}", soft_wrap=True)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print()
    console.print(table(report))
    for note in report.notes:
        console.print(f"  {escape(note)}")
    return report


if __name__ == "__main__":
    typer.run(main)
