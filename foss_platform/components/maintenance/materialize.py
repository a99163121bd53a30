"""Materializes `ops/maintenance_log`: repairs the poll logs, maintains each table and reports the results.

See `lake.maintenance.maintain` for the maintenance of one table, and `components.maintenance.maintenance_asset` for the
Dagster objects.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg
from pyiceberg.catalog import Catalog

from foss_platform.components.shared.failures import failure
from foss_platform.components.shared.loading import Platform
from foss_platform.components.shared.table_health import TABLE_HEALTHY, health_verdict, look_at
from foss_platform.components.shared.table_preview import asset_key, table_metadata
from foss_platform.errors import ConfigurationError, FossError, PermanentError, TransientError
from foss_platform.ingest.bronze.commit_polls import complete_poll_log
from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.maintenance.dropped_files import remove_for_good
from foss_platform.lake.maintenance.log import MAINTENANCE_LOG, maintenance_log_spec
from foss_platform.lake.maintenance.maintain import TableMaintenance, maintain
from foss_platform.lake.ownership.require_own import require_own
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import ensure_table, find_table, list_tables


@dataclass(frozen=True)
class Round:
    """Tables to maintain (empty: all), whether this is a dry run, and how long unreferenced files are retained."""

    tables: Sequence[str] = ()
    dry_run: bool = False
    older_than: timedelta | None = None


@dataclass(frozen=True)
class TableOutcome:
    """The result of one table: its maintenance, or why it failed."""

    table: TableName
    seconds: float
    maintenance: TableMaintenance | None = None
    error: FossError | None = None


def maintain_lake(
    context: dg.AssetExecutionContext, platform: Platform, feeds: Sequence[Feed], asked: Round
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Maintain the tables one after the other. A failed table does not stop the others.

    Raises
    ------
    dagster.Failure
        At the end, if tables could not be maintained. The failure names the tables. The run is not retried if no retry
        can help.
    """
    try:
        catalog = open_catalog(platform.settings)
        if not asked.dry_run:
            require_own(catalog)
            ensure_table(catalog, maintenance_log_spec())
        names = _chosen(catalog, asked.tables)
        fed = {feed.bronze: feed for feed in feeds}
        done = [_maintain(context, platform, catalog, name, fed.get(name), asked) for name in names]
        if not asked.tables and (gone := remove_for_good(catalog, platform.clock(), dry_run=asked.dry_run)):
            verb = "would be deleted" if asked.dry_run else "deleted"
            context.log.info("%s files of tables that can no longer be restored %s.", len(gone), verb)
        yield from _shown(context, platform, catalog, done, asked)
        if failed := [one for one in done if one.error is not None]:
            raise _failure_of(failed, len(done))
    except FossError as error:
        raise failure(context, error) from error


def _chosen(catalog: Catalog, tables: Sequence[str]) -> list[TableName]:
    known = {str(name): name for name in list_tables(catalog)}
    if unknown := sorted(set(tables) - known.keys()):
        raise ConfigurationError(
            f"There is no table {', '.join(unknown)} to maintain.", f"Known tables: {', '.join(known) or 'none yet'}."
        )
    return [name for text, name in known.items() if text in tables or not tables]


def _maintain(
    context: dg.AssetExecutionContext,
    platform: Platform,
    catalog: Catalog,
    name: TableName,
    feed: Feed | None,
    asked: Round,
) -> TableOutcome:
    began = time.monotonic()
    try:
        # maintenance of bronze expires snapshots that may hold entries which the poll log lacks, so add them first
        if feed is not None and not asked.dry_run:
            healed = complete_poll_log(catalog, feed, {"foss.run": context.run.run_id})
            if healed:
                context.log.warning("%s polls of %s were missing in the poll log.", healed, feed.name)
        maintenance = maintain(
            catalog, name, platform.clock(), trigger="maintenance", older_than=asked.older_than, dry_run=asked.dry_run
        )
    except FossError as error:
        context.log.error("%s: %s", name, error)
        return TableOutcome(name, time.monotonic() - began, error=error)
    except Exception as error:
        # a library may raise any error for a damaged table, and the other tables must still be maintained
        context.log.exception("%s: unexpected error", name)
        unexpected = TransientError(f"{type(error).__name__}: {error}")
        return TableOutcome(name, time.monotonic() - began, error=unexpected)
    if maintenance.compaction.files_before or maintenance.removal.files:
        context.log.info("%s: %s", name, _in_words(maintenance, asked))
    return TableOutcome(name, time.monotonic() - began, maintenance)


def _in_words(maintenance: TableMaintenance, asked: Round) -> str:
    removal, compaction = maintenance.removal, maintenance.compaction
    gone = "would be deleted" if asked.dry_run else "deleted"
    return (
        f"{compaction.files_before} files compacted into {compaction.files_after}, "
        f"{len(removal.files)} files of {removal.bytes:,} bytes {gone}, "
        f"{len(removal.kept)} unreferenced files retained for now"
    )


def _shown(
    context: dg.AssetExecutionContext, platform: Platform, catalog: Catalog, done: Sequence[TableOutcome], asked: Round
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    asset, metadata = asset_key(MAINTENANCE_LOG), round_metadata(done, asked)
    table = find_table(catalog, MAINTENANCE_LOG)
    if asked.dry_run:
        # the log has not changed, so nothing is reported as materialized
        context.log_event(dg.AssetObservation(asset, metadata=metadata))
    if table is None:
        yield dg.AssetCheckResult(asset_key=asset, check_name=TABLE_HEALTHY, passed=True, description="not made yet")
        return
    health = look_at(table)
    if not asked.dry_run:
        shown = table_metadata(platform.settings, MAINTENANCE_LOG, table, health, newest_by="started_at")
        yield dg.MaterializeResult(asset_key=asset, metadata={**shown, **metadata})
    yield health_verdict(asset, health)


def round_metadata(done: Sequence[TableOutcome], asked: Round) -> dict[str, Any]:
    """Return one row per table, and totals as plain numbers, which Dagster plots over the runs."""
    removals = [one.maintenance.removal for one in done if one.maintenance is not None]
    due, kept = sum(removal.bytes for removal in removals), sum(removal.kept_bytes for removal in removals)
    return {
        "maintenance": dg.MetadataValue.table([dg.TableRecord(_line(one)) for one in done], schema=_LINES),
        "dry_run": asked.dry_run,
        "tables": len(done),
        "tables_failed": sum(one.error is not None for one in done),
        "bytes_freed": 0 if asked.dry_run else due,
        "bytes_reclaimable": kept + due if asked.dry_run else kept,
        "bytes_referenced": sum(removal.referenced_bytes for removal in removals),
        "maintenance_seconds": round(sum(one.seconds for one in done), 3),
    }


_LINES = dg.TableSchema(
    columns=[
        dg.TableColumn("table", "string"),
        dg.TableColumn("compacted", "int", description="small files that were compacted"),
        dg.TableColumn("into", "int", description="files that replaced them"),
        dg.TableColumn("deleted", "int", description="deleted files; in a dry run, files that would be deleted"),
        dg.TableColumn("bytes_freed", "int", description="size of the deleted files"),
        dg.TableColumn("kept", "int", description="unreferenced files that a later run deletes"),
        dg.TableColumn("seconds", "float"),
        dg.TableColumn("problem", "string", description="why the table could not be maintained"),
    ]
)


def _line(one: TableOutcome) -> dict[str, str | int | float | bool | None]:
    line: dict[str, str | int | float | bool | None] = {"table": str(one.table), "seconds": round(one.seconds, 3)}
    if one.maintenance is None:
        return {**line, "compacted": 0, "into": 0, "deleted": 0, "bytes_freed": 0, "kept": 0, "problem": str(one.error)}
    removal, compaction = one.maintenance.removal, one.maintenance.compaction
    compacted = {"compacted": compaction.files_before, "into": compaction.files_after}
    freed = {"deleted": len(removal.files), "bytes_freed": removal.bytes, "kept": len(removal.kept)}
    return {**line, **compacted, **freed, "problem": ""}


def _failure_of(failed: Sequence[TableOutcome], maintained: int) -> FossError:
    """Return one error for the run.

    The error is permanent only if every table's error is. Otherwise a retry can help at least one table.
    """
    lasting = all(isinstance(one.error, PermanentError) for one in failed)
    kind = PermanentError if lasting else TransientError
    reasons = " ".join(f"{one.table}: {one.error}" for one in failed)
    return kind(f"{len(failed)} of {maintained} tables could not be maintained. {reasons}")
