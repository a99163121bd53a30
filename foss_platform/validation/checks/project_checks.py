"""Checks of the project: its pages and its dbt models can be read. These checks do not build a model."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from foss_platform.validation.results import Check, Finding, Service, failed, passed, warning
from foss_platform.validation.trial import Trial

if TYPE_CHECKING:
    from foss_platform.settings import Settings

# dbt parses in 3 to 5 s and the import of Dagster takes as long. Both take several times longer on a busy machine
_SECONDS = 90.0


def project_loads(trial: Trial) -> Finding:
    """The pages and the dbt project can be read as a run reads them, and use only supported features."""
    from foss_platform.ingest.page.read_pages import read_pages
    from foss_platform.transform.project.manifest import manifest_of, read_subset
    from foss_platform.transform.project.parsed import prepare_project

    broken = [str(problem) for page in read_pages(trial.settings.defs_folder) for problem in page.problems]
    with _unchanged_home(trial.settings) as settings:
        project = prepare_project(settings)
        manifest = manifest_of(project)
        subset = read_subset(project, manifest)
    if broken:
        return failed(" ".join(broken), "Correct the pages. `foss check` reads them again in a second.")
    if project.problem is not None:
        return failed(str(project.problem), f"Correct it in {trial.settings.dbt_project}.")
    if subset.refused:
        problems = [
            f"the {remark.what} ({remark.file}:{remark.line}) {remark.problem}" for remark in subset.refused.values()
        ]
        return failed("; ".join(problems), " ".join(dict.fromkeys(remark.remedy for remark in subset.refused.values())))
    if subset.notices:
        problems = [f"the {remark.what} ({remark.file}:{remark.line}) {remark.problem}" for remark in subset.notices]
        return warning("; ".join(problems), " ".join(dict.fromkeys(remark.remedy for remark in subset.notices)))
    models = sum(node["resource_type"] == "model" for node in manifest["nodes"].values())
    return passed(f"the pages and {models} models can be read")


@contextmanager
def _unchanged_home(settings: "Settings") -> "Iterator[Settings]":
    """Return settings with a folder that dbt may write to, because a validation must not leave files behind."""
    from foss_platform.transform.project.folders import target_folder
    from foss_platform.transform.project.parsed import is_prepared

    if is_prepared(settings):
        yield settings
        return
    with TemporaryDirectory(prefix="foss-validate-") as folder:
        elsewhere = settings.model_copy(update={"home": Path(folder)})
        if target_folder(settings).is_dir():
            # with the earlier results, dbt parses only changed files
            shutil.copytree(target_folder(settings), target_folder(elsewhere))
        yield elsewhere


CHECKS = (
    Check(
        "project_loads",
        Service.PROJECT,
        "The pages and the dbt project can be read, and use only what the platform supports.",
        project_loads,
        "Run `foss validate` again when the machine is less busy.",
        seconds=_SECONDS,
    ),
)
