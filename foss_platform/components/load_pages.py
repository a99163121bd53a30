"""Loads the pages of `defs/` one by one, so that a broken page disables only its own assets.

Dagster's `load_from_defs_folder` loads all folders or none, so one misspelled key would leave no assets at all. A
component tree reads every page below its root, so each page gets its own tree.
"""

import importlib
import importlib.util
import logging
import sys
import warnings
from collections.abc import Iterator
from hashlib import sha256
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import dagster as dg

from foss_platform.components.shared.broken_page import broken_page
from foss_platform.errors import own_error
from foss_platform.ingest.page.read_pages import PAGE_FILE, read_pages

_logger = logging.getLogger(__name__)


def load_pages(defs: Path) -> list[dg.Definitions]:
    """Return the definitions of each page and of each Python module in a project's folder of pages.

    A page that cannot be read or built becomes an asset that names its problems (`broken_page`).
    """
    pages = read_pages(defs)
    found = [broken_page(page.folder, [str(problem) for problem in page.problems]) for page in pages if page.problems]
    usable = [page.folder for page in pages if not page.problems]
    package = _import_package(defs)
    return found + [_build(package, defs, folder) for folder in [*usable, *_python_modules(defs)]]


def _import_package(defs: Path) -> str:
    """Make the folder importable as a package, and return the package's name.

    Dagster reads pages as modules, but a project need not be installed. A name made from the path cannot collide with
    the pages of another project, nor with a module that happens to be called `defs`. An `__init__.py` is not run.
    """
    name = f"foss_pages_{sha256(str(defs.resolve()).encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(defs)]
        sys.modules[name] = importlib.util.module_from_spec(spec)
    # otherwise Python may not find a page that was added after the first loading
    importlib.invalidate_caches()
    return name


def _build(package: str, defs: Path, folder: str) -> dg.Definitions:
    name = ".".join([package, *Path(folder).with_suffix("").parts])
    try:
        with warnings.catch_warnings():
            # ignore Dagster's beta and preview warnings, as `load_from_defs_folder` does
            warnings.simplefilter("ignore", dg.BetaWarning)
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return _load(importlib.import_module(name), defs, folder)
    except Exception as error:
        if own_error(error) is not None:
            # the cause is not the page, but the dbt project or the settings, so a broken page would be wrong
            raise
        # a team's own component may raise any error, which must disable only its page
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        _logger.warning("The page %s cannot be loaded.", folder, exc_info=True)
        return broken_page(folder, [f"{defs.name}/{folder}: {type(error).__name__}: {' '.join(lines[:3])}"])


def _load(module: ModuleType, defs: Path, folder: str) -> dg.Definitions:
    if folder.endswith(".py"):
        return dg.load_definitions_from_module(module)
    return _without_tree(dg.ComponentTree.from_module(module, project_root=defs.parent).build_defs())


def _without_tree(found: dg.Definitions) -> dg.Definitions:
    """Return the same definitions without their component tree, because Dagster merges at most one tree."""
    return dg.Definitions(
        assets=found.assets,
        asset_checks=found.asset_checks,
        jobs=found.jobs,
        schedules=found.schedules,
        sensors=found.sensors,
        resources=found.resources,
        loggers=found.loggers,
        metadata=found.metadata,
    )


def _python_modules(defs: Path) -> Iterator[str]:
    """Yield the children of `defs` that contain Python definitions and no page."""
    for child in sorted(defs.iterdir()):
        if child.name.startswith((".", "__")):
            continue
        is_package = child.is_dir() and not next(child.rglob(PAGE_FILE), None) and next(child.rglob("*.py"), None)
        if is_package or child.suffix == ".py":
            yield child.name
