"""Checks of Trino as the engine: its version, workers and catalog, and a table that it reads and builds."""

import re
from typing import TYPE_CHECKING, Any

from foss_platform.validation.results import Finding, failed, passed, warning
from foss_platform.validation.trial import CatalogKind, Trial

if TYPE_CHECKING:
    from trino.dbapi import Connection

#: The first version with `extra_properties` for existing tables. They record how far a model has read its sources.
_OLDEST = 465
_TESTED = 476


class TrinoEngine:
    """Trino over the network, as the user that builds."""

    def starts(self, trial: Trial) -> Finding:
        """Query the version, the workers, and whether Trino has the lake's catalog."""
        from foss_platform.lake.trino.connection import connect_trino, trino_failures

        with trino_failures(trial.settings), connect_trino(trial.settings, catalog="system") as connection:
            nodes = _rows(connection, "select node_version, coordinator from runtime.nodes where state = 'active'")
            catalogs = {row[0] for row in _rows(connection, "show catalogs")}
        version, name = str(nodes[0][0]), trial.settings.trino_catalog
        number = re.match(r"\d+", version)
        detail = f"Trino {version}, {len(nodes)} node{'s' if len(nodes) > 1 else ''}, catalog {name}"
        if name not in catalogs:
            return failed(
                f"Trino {version} does not show catalog {name} to user {trial.settings.trino_user}, "
                f"only {', '.join(catalogs)}",
                "Check FOSS_TRINO_CATALOG, the catalog's file on every node, and the user's rights.",
            )
        if number is None or int(number[0]) < _OLDEST:
            return failed(detail, f"Upgrade Trino to {_OLDEST} or newer. The tests run Trino {_TESTED}.")
        if int(number[0]) < _TESTED:
            return warning(detail, f"The tests run Trino {_TESTED}.")
        return passed(detail)

    def reads_lake(self, trial: Trial) -> Finding:
        """Read the probe, and build a table beside it as models are built, with the platform's properties."""
        from foss_platform.lake.trino.connection import connect_trino, trino_failures

        namespace, catalog = trial.probe.table_name.namespace, trial.settings.trino_catalog
        probe = f'"{catalog}"."{namespace}"."{trial.probe.table_name.name}"'
        built = f'"{catalog}"."{namespace}"."built_by_trino"'
        with trino_failures(trial.settings), connect_trino(trial.settings) as connection:
            schemas = {row[0] for row in _rows(connection, f'show schemas from "{catalog}"')}
            if namespace not in schemas:
                return failed(
                    f"Trino's catalog {catalog} does not have the table that was just committed to catalog 'lake'",
                    "Check that the catalog's file on Trino names the same "
                    + (
                        "iceberg.rest-catalog.uri and warehouse."
                        if trial.kind is CatalogKind.REST
                        else "database, with iceberg.jdbc-catalog.catalog-name=lake."
                    ),
                )
            found = _rows(connection, f"select count(*), sum(number) from {probe}")
            properties = "extra_properties = map(array['foss.probe'], array['1'])"
            _rows(connection, f"create table {built} with ({properties}) as select number from {probe}")
            _rows(connection, f"drop table {built}")
        if [list(map(int, row)) for row in found] != [[3, 6]]:
            return failed(f"the rows that Trino reads are not the committed rows: {found}", "Do not use this store.")
        return passed("a query over the probe returned the committed rows, and a table was built and dropped")


def _rows(connection: "Connection", query: str) -> list[list[Any]]:
    rows: list[list[Any]] = connection.cursor().execute(query).fetchall()
    return rows
