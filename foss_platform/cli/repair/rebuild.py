"""`foss rebuild`: build silver and gold from scratch from bronze."""

import typer

from foss_platform.cli.shared.terminal import messages


def rebuild() -> None:
    """Build silver and gold from scratch from bronze, with the current models and seeds."""
    from foss_platform.cli.shared.graph import run_job
    from foss_platform.cli.shared.summary import show_run
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.ownership.require_own import require_own
    from foss_platform.settings import load_settings

    # refused without a lake: a rebuild would create an empty one
    require_own(open_catalog(load_settings(), create=False, judge=False))
    with messages().status("building silver and gold from scratch …"):
        run = run_job(load_settings(), "rebuild")
    show_run("rebuild", run)
    raise typer.Exit(0 if run.works else 1)
