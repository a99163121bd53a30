"""The probe: a table in its own namespace that is created, filled, read and dropped.

The namespace is not one of the platform's, so that maintenance never meets a table that is about to be dropped.
"""

import threading
from typing import TYPE_CHECKING

from foss_platform.lake.table.names import TableName
from foss_platform.settings import Settings
from foss_platform.validation.probe_files import ProbeFiles, is_left_behind, new_probe_name, only_probes

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_TABLE = "probe"


class Probe:
    """The objects that one validation writes.

    Attributes
    ----------
    files
        The files in the warehouse. None if its location is not known before a table is created.
    """

    def __init__(self, settings: Settings, files: ProbeFiles | None) -> None:
        self.name = new_probe_name()
        self.files = files
        self.table: Table | None = None
        self._settings = settings
        self._closed = threading.Event()
        self._written = threading.Event()
        self._in_catalog = threading.Event()

    @property
    def table_name(self) -> TableName:
        """The name of the probe's table."""
        return TableName(self.name, _TABLE)

    def touch(self) -> None:
        """Record that objects of the probe may be in the store from now on."""
        self._written.set()

    def make(self) -> "Table":
        """Create the table with its rows in one commit."""
        from foss_platform.lake.commit.commit_with_retry import Change, apply_change
        from foss_platform.lake.connect.catalog import open_catalog
        from foss_platform.lake.store.failures import lake_failures
        from foss_platform.lake.table.tables import DEFAULT_PROPERTIES

        catalog = open_catalog(self._settings, create=False)
        rows = probe_rows()
        self.touch()
        self._in_catalog.set()
        try:
            with lake_failures():
                catalog.create_namespace(self.name)
                made = catalog.create_table(
                    self.table_name.identifier, schema=rows.schema, properties=DEFAULT_PROPERTIES
                )
            self.table = made
            self.table = apply_change(catalog, self.table_name, lambda _: Change(rows), tries=1)
        finally:
            if self._closed.is_set():
                # the validation did not wait for the end of this commit before it cleaned up, so clean up again
                self._remove(catalog)
        return self.table

    def close(self) -> None:
        """Remove everything of the probe. Further calls change nothing."""
        self._closed.set()
        if not self._written.is_set():
            return
        from foss_platform.lake.connect.catalog import open_catalog

        # parts that do not need the catalog are removed even if the catalog does not answer
        try:
            if self._in_catalog.is_set():
                self._remove(open_catalog(self._settings, create=False))
        finally:
            if self.files is not None:
                self.files.remove(self.name)
        self._written.clear()

    def remains(self) -> list[str]:
        """Return what remains after `close`."""
        from foss_platform.lake.connect.catalog import open_catalog

        catalog = open_catalog(self._settings, create=False)
        left = ["the namespace"] if catalog.namespace_exists(self.name) else []
        return left + (self.files.names(self.name) if self.files is not None else [])

    def sweep(self) -> int:
        """Remove the remains of interrupted validations. Returns their number."""
        from foss_platform.lake.connect.catalog import open_catalog

        catalog = open_catalog(self._settings, create=False)
        left = {namespace[0] for namespace in catalog.list_namespaces() if is_left_behind(namespace[0])}
        for name in left:
            _drop(catalog, name, self.files)
        if self.files is not None:
            for name in only_probes(self.files.names()):
                self.files.remove(name)
                left.add(name)
        return len(left)

    def _remove(self, catalog: "Catalog") -> None:
        _drop(catalog, self.name, self.files)


def probe_rows() -> "pa.Table":
    """Return the rows of the probe. The numbers add up to 6."""
    import pyarrow as pa

    moments = pa.array([0, 1, None], pa.timestamp("us", "UTC"))
    return pa.table({"number": pa.array([1, 2, 3], pa.int64()), "word": ["å", "ø", None], "moment": moments})


def _drop(catalog: "Catalog", name: str, files: ProbeFiles | None) -> None:
    from foss_platform.lake.store.failures import lake_failures

    with lake_failures():
        if catalog.namespace_exists(name):
            for identifier in catalog.list_tables(name):
                table = catalog.load_table(identifier) if files is None else None
                catalog.drop_table(identifier)
                if table is not None:
                    _remove_files(table, name)
            catalog.drop_namespace(name)
    if files is not None:
        files.remove(name)


def _remove_files(table: "Table", name: str) -> None:
    """Remove the files of a table whose location was chosen by the catalog."""
    from foss_platform.validation.probe_files import probe_files

    above, found, _ = table.location().partition(f"/{name}")
    files = probe_files(above, table.io.properties) if found else None
    if files is not None:
        files.remove(name)
