"""`foss replay`: recorded polls into bronze, then silver and gold."""

from pathlib import Path
from typing import Annotated

import typer

from foss_platform.cli.shared.pages import complete_pipeline, find_feed
from foss_platform.cli.shared.terminal import messages, output


def replay(
    pipeline: Annotated[str, typer.Argument(autocompletion=complete_pipeline, metavar="PIPELINE")],
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    bronze_only: Annotated[bool, typer.Option("--bronze-only", help="Stop before silver and gold.")] = False,
) -> None:
    """Take in the polls of FILE (.jsonl, .jsonl.gz or .csv) as if polled then; the same again changes nothing."""
    from foss_platform.cli.shared.graph import run_job
    from foss_platform.cli.shared.recorded import take_in
    from foss_platform.cli.shared.summary import show_verdicts
    from foss_platform.settings import load_settings

    settings = load_settings()
    totals = take_in(settings, find_feed(pipeline), file)
    console = output()
    console.print(
        f"[bold]{pipeline}[/]: {totals.polls:,} polls: {totals.new_polls:,} new with {totals.rows:,} rows, "
        f"{totals.known_polls:,} were in already, {totals.failed_polls:,} failed; "
        f"{totals.rejected_records:,} records rejected"
    )
    if bronze_only:
        return
    with messages().status("building silver and gold …"):
        run = run_job(settings, "build")
    show_verdicts(run.checks)
    for error in run.errors:
        messages().print(f"[bold red]error:[/] {error}", soft_wrap=True)
    raise typer.Exit(0 if run.works else 1)
