"""`foss rebuild`: build silver and gold from scratch from bronze."""

from typing import Annotated

import typer

from foss_platform.cli.shared.pages import complete_pipeline
from foss_platform.cli.shared.terminal import messages, output


def rebuild(
    name: Annotated[
        str | None,
        typer.Argument(
            autocompletion=complete_pipeline,
            metavar="[NAME]",
            help="A pipeline, or a model. A model is built with all models that read it. Default: everything.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Build silver and gold from scratch from bronze, with the current models and seeds."""
    from foss_platform.cli.shared.graph import run_job
    from foss_platform.cli.shared.models import named_models
    from foss_platform.cli.shared.summary import show_run, show_waiting
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.ownership.require_own import require_own
    from foss_platform.settings import load_settings

    settings = load_settings()
    # a rebuild without a lake would create an empty lake, so require that the lake exists
    require_own(open_catalog(settings, create=False, judge=False))
    models = named_models(settings, name)
    if not models.tables:
        output().print("There are no models to build.")
    else:
        with messages().status("building silver and gold from scratch …"):
            run = run_job(settings, "rebuild", models.tables, models.notices, models.problem)
        show_run([], run)
        if not run.works:
            raise typer.Exit(1)
    show_waiting(models)
