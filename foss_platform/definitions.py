"""The code location: put together in `build_defs`, which tests and production both call."""

import dagster as dg

import foss_platform.defs as pages_package
from foss_platform.components.load_pages import load_pages
from foss_platform.components.shared.loading import Platform, loading_with
from foss_platform.components.shared.run_executor import run_executor
from foss_platform.errors import own_error
from foss_platform.process_marks import end_with_parent, marks_of
from foss_platform.proxies import keep_loopback_direct
from foss_platform.settings import load_settings


def build_defs(platform: Platform) -> dg.Definitions:
    """All that the pages in `defs/` describe, made with these settings, this clock and this HTTP.

    Raises
    ------
    FossError
        If the dbt project cannot be read. A broken page disables its own assets only.
    """
    try:
        with loading_with(platform):
            pages = load_pages(pages_package)
    except Exception as error:
        # Dagster's server shows what is raised here: one line and its remedy, not the frames of three frameworks
        if (own := own_error(error)) is None:
            raise
        raise own.with_traceback(None) from None
    return dg.Definitions.merge(*pages, dg.Definitions(executor=run_executor))


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` loads: code servers and the processes of runs call it, before they do anything else."""
    keep_loopback_direct()
    settings = load_settings()
    end_with_parent()
    marks_of(settings).own()
    return build_defs(Platform(settings))
