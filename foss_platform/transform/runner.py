"""Runs dbt in this process and yields the result of each node. See `results` for the meaning of dbt's events.

A build of six models takes 2.4 s in this process, but 12.8 s as a subprocess through `DbtCliResource`. The difference
is dbt's start-up, its version check and a second parse.
"""

import queue
import threading
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foss_platform.engine import Engine
from foss_platform.errors import FossError, PermanentError, own_error
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.settings import Settings
from foss_platform.transform.handover import RunInput
from foss_platform.transform.plan.changed_models import with_advice
from foss_platform.transform.plan.missing_sources import create_missing_sources
from foss_platform.transform.plan.selection import divide, dragged_along
from foss_platform.transform.project.invoke import DbtFolders, first_lines, invoke
from foss_platform.transform.project.manifest import manifest_of, read_subset
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.project.run_folder import run_folder
from foss_platform.transform.results import NodeResult, failure_of_engine
from foss_platform.transform.run_positions import tables_of_run

if TYPE_CHECKING:
    from foss_platform.transform.trino.run import TrinoRun


def build(
    settings: Settings,
    selection: Sequence[str] = (),
    *,
    full_refresh: bool = False,
    stop_at: Mapping[str, int] | None = None,
) -> Generator[NodeResult]:
    """Run `dbt build` on nodes and yield the result of each node when it ends.

    Parameters
    ----------
    selection
        Fully qualified names of the nodes to build, without any others. Empty: all nodes.
    stop_at
        For each source: the highest sequence number to read on Trino. DuckDB reads everything.

    Yields
    ------
    First the nodes that are left out because they are not supported or held back, then each other node when it ends.
    If the caller stops iterating, dbt is stopped first: a process that exits while DuckDB works in another thread is
    aborted.

    Raises
    ------
    ForeignLakeError
        If the lake belongs to another catalog.
    PermanentError
        If dbt itself failed, rather than one of its nodes.
    """
    # Trino's commits do not check the lake's owner, so check it before dbt starts
    catalog = open_catalog(settings)
    require_own(catalog)
    project = prepare_project(settings)
    manifest = manifest_of(project)
    names, left_out = divide(manifest, read_subset(project, manifest), selection)
    refused_ids = {result.unique_id for result in left_out}
    chosen = {unique_id: name for unique_id, name in names.items() if unique_id not in refused_ids}
    yield from left_out
    if left_out and not chosen:
        return
    tables = tables_of_run(manifest, chosen)
    create_missing_sources(settings, catalog, tables)
    # unit tests do not read tables of the lake, so a run cannot change their outcome. Leave them to `make test`
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    if selection:
        arguments += ["--select", *chosen.values(), "--indirect-selection", "empty"]
        if others := dragged_along(manifest, chosen):
            arguments += ["--exclude", *others]
    elif left_out:
        arguments += ["--exclude", *(names[result.unique_id] for result in left_out)]
    if full_refresh:
        arguments.append("--full-refresh")
    if settings.engine is Engine.TRINO:
        # skip 0.5 s of catalog queries, because no macro of the platform uses their result
        arguments.append("--no-populate-cache")
    results: queue.SimpleQueue[NodeResult | None] = queue.SimpleQueue()
    outcome: list[Any] = []
    refused: list[FossError] = []
    runs: list[TrinoRun] = []
    run = RunInput(settings, project.manifest_file, tables)

    def begin() -> Mapping[str, str]:
        from foss_platform.transform.trino.run import TrinoRun

        runs.append(TrinoRun(settings, manifest, chosen, stop_at or {}))
        return runs[0].variables()

    def work() -> None:
        try:
            with run_folder(project.folder) as target:
                folders = DbtFolders(project.files, target)
                outcome.append(invoke(run, folders, arguments, results.put, begin))
        except FossError as error:
            refused.append(error)
        finally:
            results.put(None)

    worker = threading.Thread(target=work, name="dbt")
    worker.start()
    try:
        while (result := results.get()) is not None:
            result = runs[0].finished(result) if runs else result
            yield result if full_refresh else with_advice(manifest, catalog, result)
    except BaseException:
        run.stop.set()
        raise
    finally:
        worker.join()
    if refused:
        raise refused[0]
    error = outcome[0].exception if outcome else None
    if error is not None or not outcome:
        own = own_error(error) if error is not None else None
        raise (
            own
            or failure_of_engine(settings, str(error))
            or PermanentError(f"dbt could not run: {first_lines(error)}", "See <home>/dbt/logs/dbt.log.")
        )
