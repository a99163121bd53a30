"""`foss replay`: load recorded polls into bronze, then build the models that the pipeline feeds."""

from pathlib import Path
from typing import Annotated

import typer

from foss_platform.cli.shared.pages import complete_pipeline, find_feed
from foss_platform.cli.shared.terminal import messages, output


def replay(
    pipeline: Annotated[str, typer.Argument(autocompletion=complete_pipeline, metavar="PIPELINE")],
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    bronze_only: Annotated[bool, typer.Option("--bronze-only", help="Do not build silver and gold.")] = False,
) -> None:
    """Load the polls of FILE (.jsonl, .jsonl.gz or .csv) as if polled then. Polls loaded before are skipped."""
    from foss_platform.cli.shared.graph import run_job
    from foss_platform.cli.shared.models import fed_models
    from foss_platform.cli.shared.recorded import ingest
    from foss_platform.cli.shared.summary import show_verdicts, show_waiting
    from foss_platform.settings import load_settings

    settings = load_settings()
    totals = ingest(settings, find_feed(pipeline), file)
    console = output()
    console.print(
        f"[bold]{pipeline}[/]: {totals.polls:,} polls: {totals.new_polls:,} new with {totals.rows:,} rows, "
        f"{totals.known_polls:,} already loaded, {totals.failed_polls:,} failed; "
        f"{totals.rejected_records:,} records rejected"
    )
    models = None if bronze_only else fed_models(settings, pipeline)
    if models is None or not models.tables:
        return
    with messages().status("building silver and gold …"):
        run = run_job(settings, "build", models.tables, models.notices, models.problem)
    show_verdicts(run.checks)
    for error in run.errors:
        messages().print(f"[bold red]error:[/] {error}", soft_wrap=True)
    show_waiting(models)
    raise typer.Exit(0 if run.works else 1)
