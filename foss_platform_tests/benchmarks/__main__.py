"""The command: choose benchmarks, run them, show and if asked write what came out."""

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

from foss_platform.settings import PROJECT_ROOT
from foss_platform_tests.benchmarks.measure import Bench, BenchmarkError, environment
from foss_platform_tests.benchmarks.report import Report, machine, markdown, table

BENCHMARKS = {
    "rebuild": "silver and gold from ten million rows, against bare DuckDB with the same SQL",
    "latency": "from a poll to gold: foss run, dbt in a warm process, the daemon's schedule",
    "stock": "poll to gold, against Dagster and dbt put together the stock way",
    "dlt": "writing polls into Iceberg, against dlt",
    "store": "append, replay, rebuild and clean-up on Postgres + MinIO, against SQLite + folder (after make services)",
    "trino": "silver and gold of a million rows on Trino, against its SQL by hand and DuckDB (after make services)",
    "trino_20m": "the same with 20 million rows (some twenty minutes)",
    "trino_100m": "the same with 100 million rows on two workers (an hour, 20 GB)",
    "append": "whether the three hundredth poll costs what the first ones do",
    "maintenance": "20,000 polls with maintenance: what a poll and the lake cost in the end (an hour or two)",
    "history": "a step of silver and gold with 1 million and with 100 million rows of history (15 GB)",
    "scan": "a group-by over 20,000 tiny commits, against one (makes the lake of maintenance if need be)",
}
_PAGE = PROJECT_ROOT / "docs" / "BENCHMARKS.md"


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which ones; all unless given.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: shows that they run, not what is true.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write what was measured into docs/BENCHMARKS.md.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Name the benchmarks and end.")] = False,
    work_dir: Annotated[
        Path | None, typer.Option(help="Where temporary folders go (some 20 GB); the system's unless given.")
    ] = None,
    lakes: Annotated[
        Path | None,
        typer.Option(
            help="Keep the lakes that take long to make here, and use those that lie here; else they are temporary."
        ),
    ] = None,
) -> None:
    """Measure the platform; exit 0 when all benchmarks ran, whatever the verdicts."""
    console = Console(highlight=False)
    if listed:
        for name, summary in BENCHMARKS.items():
            console.print(f"{name:11} {summary}", soft_wrap=True)
        return
    if unknown := sorted(set(names or ()) - BENCHMARKS.keys()):
        console.print(f"There is no benchmark {', '.join(unknown)}. There is: {', '.join(BENCHMARKS)}.")
        raise typer.Exit(2)
    if quick and write:
        console.print("--quick measures nothing that could be written: leave out one of --quick and --write.")
        raise typer.Exit(2)
    # what runs in this process shall see no more of the developer's shell than the measured ones do
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
        # a folder is this machine's alone
        said = ["DIR" if argument.startswith("/") else argument for argument in sys.argv[1:]]
        command = shlex.join(["python", "-m", "foss_platform_tests.benchmarks", *said])
        _PAGE.parent.mkdir(exist_ok=True)
        before = _PAGE.read_text() if _PAGE.exists() else ""
        _PAGE.write_text(markdown(reports, measured_on, command, before, BENCHMARKS))
        console.print(f"Written: {_PAGE}", soft_wrap=True)
    raise typer.Exit(0 if len(reports) == len(names or BENCHMARKS) else 1)


def _run(console: Console, name: str, quick: bool, work_dir: Path | None, lakes: Path) -> Report | None:
    module = importlib.import_module(f"foss_platform_tests.benchmarks.{name}_benchmark")
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
