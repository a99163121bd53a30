"""The code location. Tests and production both build it with `build_defs`."""

import dagster as dg

from foss_platform.components.load_pages import load_pages
from foss_platform.components.shared.loading import Platform, loading_with
from foss_platform.components.shared.run_executor import run_executor
from foss_platform.errors import own_error
from foss_platform.process_marks import end_with_parent, marks_of
from foss_platform.proxies import keep_loopback_direct
from foss_platform.settings import load_settings


def build_defs(platform: Platform) -> dg.Definitions:
    """Build the definitions of all pages of the project with this platform's settings, clock and HTTP session.

    Raises
    ------
    FossError
        If the project or its dbt project cannot be read. A broken page disables only its own assets.
    """
    try:
        with loading_with(platform):
            pages = load_pages(platform.settings.defs_folder)
    except Exception as error:
        # Dagster's server shows this error: one line and its remedy, without the frames of three frameworks
        if (own := own_error(error)) is None:
            raise
        raise own.with_traceback(None) from None
    return dg.Definitions.merge(*pages, dg.Definitions(executor=run_executor))


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that `workspace.yaml` loads. Code servers and the processes of runs call this first."""
    keep_loopback_direct()
    settings = load_settings()
    end_with_parent()
    marks_of(settings).own()
    return build_defs(Platform(settings))
