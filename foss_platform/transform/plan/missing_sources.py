"""Creates the sources of a run that do not exist yet, so that a pipeline that was never polled counts as empty."""

from collections.abc import Collection

from pyiceberg.catalog import Catalog

from foss_platform.ingest.bronze.schemas import POLLS, bronze_spec, polls_spec, rejected_spec
from foss_platform.ingest.page.read_pages import read_pages
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.positions import SOURCE_NAMESPACES
from foss_platform.lake.table.tables import TableSpec, ensure_table, find_tables
from foss_platform.settings import Settings


def create_missing_sources(settings: Settings, catalog: Catalog, tables: Collection[TableName]) -> None:
    """Create the tables that polls will fill, with the columns of their page, as the first poll would.

    A bronze table that no usable page describes is not created, so its readers fail with the engine's error.

    Parameters
    ----------
    tables
        The tables that a run opens. Only bronze tables, quarantines and `ops.polls` are created.
    """
    missing = _missing(catalog, tables)
    if not missing:
        return
    specs = _specs(settings)
    for name in missing:
        if name in specs:
            ensure_table(catalog, specs[name])


def unavailable_sources(settings: Settings, catalog: Catalog, tables: Collection[TableName]) -> set[TableName]:
    """Return the tables that polls should fill, that do not exist yet, and that no usable page describes."""
    missing = _missing(catalog, tables)
    return missing - _specs(settings).keys() if missing else missing


def _missing(catalog: Catalog, tables: Collection[TableName]) -> set[TableName]:
    sources = {name for name in tables if name.namespace in SOURCE_NAMESPACES}
    return sources - find_tables(catalog, sources).keys()


def _specs(settings: Settings) -> dict[TableName, TableSpec]:
    specs = {POLLS: polls_spec()}
    for feed in (feed for page in read_pages(settings.defs_folder) for feed in page.feeds):
        specs |= {feed.bronze: bronze_spec(feed), feed.rejected: rejected_spec(feed)}
    return specs
