"""Prints the results of a run: rows, rejected records, verdicts."""

from collections.abc import Sequence

from foss_platform.cli.shared.graph import CheckVerdict, GraphRun
from foss_platform.cli.shared.models import Models
from foss_platform.cli.shared.terminal import VERDICTS, messages, output, table_of


def show_run(pipelines: Sequence[str], run: GraphRun) -> None:
    """Print the loaded rows, the verdicts of the checks, and the errors."""
    console = output()
    for pipeline in pipelines:
        if bronze := run.metadata.get(f"bronze/{pipeline}", {}):
            console.print(
                f"[bold]{pipeline}[/]: {bronze.get('rows_added', 0)} rows added, "
                f"{bronze.get('records_rejected', 0)} records rejected, batch {bronze.get('batch', '')}"
            )
    console.print(_tables(run))
    show_verdicts(run.checks)
    for error in run.errors:
        messages().print(f"[bold red]error:[/] {error}", markup=True, soft_wrap=True)
    verdict = "[green]all steps and checks succeeded[/]" if run.works else "[red]some steps or checks failed[/]"
    console.print(f"{verdict} in {run.seconds:.1f} s (run {run.run_id[:8]})")


def show_verdicts(checks: list[CheckVerdict]) -> None:
    """Print every check that did not pass, and the number that passed."""
    console = output()
    passed = [check for check in checks if check.verdict == "passed"]
    rest = [check for check in checks if check.verdict != "passed"]
    rows = [(check.asset, check.check, VERDICTS[check.verdict], check.description) for check in rest]
    if rows:
        console.print(table_of("Checks that did not pass", ("asset", "check", "verdict", "why"), rows))
    console.print(f"{len(passed)} of {len(checks)} checks passed")


def show_waiting(models: Models) -> None:
    """Print which models were left out because a table that they read does not exist yet."""
    for table, lacking in models.waiting.items():
        messages().print(
            f"[yellow]warning:[/] {table} was not built: it reads {lacking}, which does not exist yet. "
            "The first run of that table's pipeline creates it. "
            "If no pipeline does, correct the name of the source, or the page.",
            soft_wrap=True,
        )


def _tables(run: GraphRun) -> object:
    rows = [
        (asset, f"{values.get('dagster/row_count', 0):,}", values.get("data_files"))
        for asset, values in run.metadata.items()
        if "dagster/row_count" in values
    ]
    return table_of("Tables", ("table", "rows", "files"), rows, right=("rows", "files"))
