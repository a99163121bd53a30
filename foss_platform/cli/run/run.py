"""`foss run`: poll once, then build silver and gold, through the asset graph, in this process."""

from typing import Annotated

import typer

from foss_platform.cli.shared.pages import complete_pipeline, find_feed
from foss_platform.errors import ConfigurationError


def run(
    pipelines: Annotated[list[str], typer.Argument(autocompletion=complete_pipeline, metavar="PIPELINE...")],
    bronze_only: Annotated[bool, typer.Option("--bronze-only", help="Do not build silver and gold.")] = False,
) -> None:
    """Poll PIPELINE once, then build its silver and gold. Exit code 0 only if all steps and checks succeeded.

    With --bronze-only, several pipelines can be named. Their polls are committed together.
    """
    from foss_platform.cli.shared.graph import run_job, run_polls
    from foss_platform.cli.shared.instance import require_writable
    from foss_platform.cli.shared.summary import show_run
    from foss_platform.cli.shared.terminal import messages
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.ownership.require_own import require_own
    from foss_platform.settings import load_settings

    feeds, settings = [find_feed(pipeline) for pipeline in dict.fromkeys(pipelines)], load_settings()
    if len(feeds) > 1 and not bronze_only:
        raise ConfigurationError(
            "Silver and gold are built for one pipeline at a time, but several are named.",
            "Name one pipeline, or add --bronze-only to poll several together.",
        )
    feed = feeds[0]
    # loading Dagster and dbt takes many seconds, so first report problems that prevent the run
    require_writable(settings.home)
    require_own(open_catalog(settings, judge=False))
    if bronze_only:
        with messages().status("polling …"):
            result = run_polls(settings, feeds)
    else:
        from foss_platform.cli.shared.models import Models, fed_models

        with messages().status("polling, then building silver and gold …"):
            try:
                models = fed_models(settings, feed.name)
            except ConfigurationError as error:
                # a poll cannot be repeated later, so poll without models instead of waiting for the correction
                models = Models((), {}, (), str(error))
            result = run_job(settings, feed.name, notices=models.notices, problem=models.problem)
    show_run([feed.name for feed in feeds], result)
    raise typer.Exit(0 if result.works else 1)
