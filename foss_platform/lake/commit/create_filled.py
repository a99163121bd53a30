"""Creating a table and its first rows in one commit, so that no table exists before its first successful build."""

from collections.abc import Callable
from contextlib import suppress

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from foss_platform.errors import TransientError
from foss_platform.lake.commit.change import Change
from foss_platform.lake.commit.stage_change import full_rows_property
from foss_platform.lake.files.data_files import written_files
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.positions import build_properties
from foss_platform.lake.table.tables import TableSpec, ensure_namespace, load_table


def create_filled(catalog: Catalog, spec: TableSpec, change: Callable[[], Change]) -> Table:
    """Create the table with its rows and properties in one commit. If there are no rows, the table has no snapshot.

    If the rows cannot be computed or written, nothing remains.

    Parameters
    ----------
    change
        Called once. Returns a change whose rows are the whole content of the table.

    Raises
    ------
    TransientError
        If another run created the table meanwhile, or the store or catalog failed.
    """
    written: list[DataFile] = []
    with lake_failures():
        ensure_namespace(catalog, spec.name.namespace)
        transaction = catalog.create_table_transaction(
            spec.name.identifier, schema=spec.schema, properties=spec.all_properties()
        )
        # PyIceberg 0.12 does not expose the staged table before the commit. `test_create_filled.py` fails if this
        # name disappears.
        staged: Table = transaction._table
        try:
            planned = change()
            for data_file in written_files(staged, planned.rows) if planned.rows is not None else ():
                written.append(data_file)
            if properties := {**full_rows_property(written, planned), **planned.properties}:
                transaction.set_properties(properties)
            if written:
                summary = {**build_properties(planned.properties), **planned.summary}
                producer = transaction.update_snapshot(snapshot_properties=summary).merge_append()
                for data_file in written:
                    producer.append_data_file(data_file)
                producer.commit()
            transaction.commit_transaction()
        except (CommitFailedException, TableAlreadyExistsError) as error:
            _delete(staged, written)
            raise TransientError(
                f"Another run created {spec.name} while this run was building it. The rows of this run were dropped.",
                "Run again. Only one run at a time should build a table.",
            ) from error
        except BaseException:
            # No table refers to these files, so maintenance would never find them.
            _delete(staged, written)
            raise
    return load_table(catalog, spec.name)


def _delete(staged: Table, written: list[DataFile]) -> None:
    for data_file in written:
        with suppress(OSError):
            staged.io.delete(data_file.file_path)
