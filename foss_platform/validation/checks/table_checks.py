"""Checks of the real tables: which catalog owns them, and whether each can be read. See `lake_checks` for the probe."""

from typing import IO, TYPE_CHECKING, cast

from foss_platform.errors import FossError
from foss_platform.validation.deadline import TooLate, within
from foss_platform.validation.results import Check, Finding, Service, failed, passed, skipped
from foss_platform.validation.trial import Trial

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from foss_platform.lake.ownership.owner import Ownership

# less than the 8 s of the store's own check, so that this check ends first if the catalog or store is frozen
_OWNER_SECONDS = 5.0
_REMEDY = "Restore the missing files from a backup, together with the catalog of the same time."


def standing_in(trial: Trial) -> "Ownership | None":
    """Return whether the configured catalog owns the files of its tables. None if the owner is not known now."""
    from foss_platform.lake.ownership.mark import ForeignLakeError, NewerLakeError
    from foss_platform.lake.ownership.owner import ownership_of

    try:
        return within(_OWNER_SECONDS, lambda: ownership_of(_opened(trial)))
    except (ForeignLakeError, NewerLakeError):
        raise
    except (FossError, TooLate):
        return None


def lake_owned(trial: Trial) -> Finding:
    """No other catalog uses the files of the tables."""
    ownership = standing_in(trial)
    if ownership is None:
        return skipped("the owner is not known now, because the store or the catalog does not answer")
    if not ownership.is_own:
        return failed(ownership.problem, ownership.remedy)
    if ownership.warehouse is None or ownership.identity is None:
        return passed("the catalog does not report its warehouse, and no mark names another owner")
    marked = "it is marked" if ownership.is_marked else "the next write marks it"
    return passed(f"{ownership.warehouse.location} belongs to {ownership.identity}: {marked}")


def tables_can_be_read(trial: Trial) -> Finding:
    """The newest metadata, a manifest list and a data file of each table can be read."""
    from foss_platform.lake.table.tables import list_tables

    catalog = _opened(trial)
    names = list_tables(catalog)
    broken = {}
    for name in names:
        try:
            _read_a_little(catalog.load_table(name.identifier))
        except Exception as error:
            # a library may raise any error for a damaged or missing file, and the other tables must still be checked
            broken[str(name)] = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if broken:
        first, why = next(iter(broken.items()))
        return failed(
            f"{len(broken)} of {len(names)} tables cannot be read: {', '.join(broken)}. {first}: {why}", _REMEDY
        )
    return passed(f"{len(names)} tables: newest metadata, manifests and a data file of each can be read")


def _read_a_little(table: "Table") -> None:
    import pyarrow.parquet as pq
    from pyiceberg.manifest import ManifestContent

    snapshot = table.current_snapshot()
    if snapshot is None:
        return
    for manifest in snapshot.manifests(table.io):
        if manifest.content != ManifestContent.DATA:
            continue
        for entry in manifest.fetch_manifest_entry(table.io)[:1]:
            file = entry.data_file
            with table.io.new_input(file.file_path).open() as stream:
                if file.file_format.value.lower() == "parquet":
                    pq.read_metadata(cast(IO[bytes], stream))
            return


def _opened(trial: Trial) -> "Catalog":
    from foss_platform.lake.connect.catalog import open_catalog

    return open_catalog(trial.settings, create=False, judge=False)


CHECKS = (
    Check(
        "lake_owned",
        Service.LAKE,
        "The files of the tables belong only to this catalog: the lake is not a copy, and was not moved.",
        lake_owned,
        "Check that the catalog and the store answer.",
        needs=("catalog_answers",),
    ),
    Check(
        "tables_can_be_read",
        Service.LAKE,
        "The newest metadata, the manifests and a data file of each table can be read.",
        tables_can_be_read,
        _REMEDY,
        needs=("catalog_answers",),
    ),
)
