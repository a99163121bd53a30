"""The caching transaction has the same metadata as PyIceberg's own after every change."""

import pyarrow as pa

from foss_platform.lake.commit.cached_transaction import CachedTransaction
from foss_platform.lake.commit.commit_with_retry import Change, apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import write_data_files
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec, ensure_table
from foss_platform.settings import Settings

NAME = TableName("gold", "things")
SCHEMA = pa.schema([("id", pa.int64())])
ROWS = pa.table({"id": [1]}, schema=SCHEMA)


def test_each_change_is_visible_and_computed_once(settings: Settings) -> None:
    catalog = open_catalog(settings)
    ensure_table(catalog, TableSpec(NAME, SCHEMA))
    table = apply_change(catalog, NAME, lambda _: Change(ROWS))
    files = write_data_files(table, ROWS)
    with CachedTransaction(table) as transaction:
        known = transaction.table_metadata
        assert known == table.metadata
        assert transaction.table_metadata is known
        transaction.set_properties({"colour": "green"})
        assert transaction.table_metadata.properties["colour"] == "green"
        transaction.remove_properties("colour")
        assert "colour" not in transaction.table_metadata.properties
        update = transaction.update_snapshot().merge_append()
        update.append_data_file(files[0])
        update.commit()
        staged = transaction.table_metadata
        assert staged.current_snapshot_id != table.metadata.current_snapshot_id
        assert transaction.table_metadata is staged
    committed = catalog.load_table(NAME.identifier)
    assert committed.metadata.current_snapshot_id == staged.current_snapshot_id
    assert committed.scan().to_arrow().num_rows == 2
