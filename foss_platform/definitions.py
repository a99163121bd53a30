"""The code location: put together in `build_defs`, which tests and production both call."""

from pathlib import Path

import dagster as dg

from foss_platform.components.shared.load_errors import plain_error
from foss_platform.components.shared.loading import Platform, loading_with
from foss_platform.components.shared.run_executor import run_executor
from foss_platform.process_marks import end_with_parent, marks_of
from foss_platform.proxies import keep_loopback_direct
from foss_platform.settings import load_settings


def build_defs(platform: Platform) -> dg.Definitions:
    """All that the pages in `defs/` describe, made with these settings, this clock and this HTTP.

    Raises
    ------
    FossError
        When a page or the dbt project cannot be read.
    """
    try:
        with loading_with(platform):
            pages = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    except Exception as error:
        # Dagster's server shows what is raised here: one line and its remedy, not the frames of three frameworks
        if (plain := plain_error(error)) is None:
            raise
        raise plain.with_traceback(None) from None
    return dg.Definitions.merge(pages, dg.Definitions(executor=run_executor))


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` loads: code servers and the processes of runs call it, before they do anything else."""
    keep_loopback_direct()
    settings = load_settings()
    end_with_parent()
    marks_of(settings).own()
    return build_defs(Platform(settings))
