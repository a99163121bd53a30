"""Times of commits, read from the tables themselves."""

from pathlib import Path

from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.tables import list_tables
from foss_platform_tests.benchmarks.measure import settings_of


def last_commit(home: Path, table: str | None = None) -> float:
    """Return the time of the newest snapshot of a table, or of all of gold, in seconds since the epoch."""
    catalog = open_catalog(settings_of(home), create=False)
    names = [table] if table else [str(name) for name in list_tables(catalog) if name.namespace == "gold"]
    snapshots = [snapshot for name in names for snapshot in catalog.load_table(name).snapshots()]
    return max(snapshot.timestamp_ms for snapshot in snapshots) / 1000


def committed_between(home: Path, table: str, since: float, until: float) -> list[float]:
    """Return the times of a table's commits in an interval, in seconds since the epoch."""
    catalog = open_catalog(settings_of(home), create=False)
    moments = [snapshot.timestamp_ms / 1000 for snapshot in catalog.load_table(table).snapshots()]
    return sorted(moment for moment in moments if since <= moment <= until)
