"""Trino as the engine: its version, workers and catalog, and a table read and built by it. Not here: other engines."""

import re
from typing import TYPE_CHECKING, Any

from foss_platform.validation.results import Finding, failed, passed, warning
from foss_platform.validation.trial import CatalogKind, Trial

if TYPE_CHECKING:
    from trino.dbapi import Connection

#: The first with `extra_properties` for tables that stand, which hold how far a model has read.
_OLDEST = 465
_TESTED = 476


class TrinoEngine:
    """Over the network, as the user that builds."""

    def starts(self, trial: Trial) -> Finding:
        """Ask for the version, the workers, and whether the lake's catalog is one of its own."""
        from foss_platform.lake.trino.connection import connect_trino, trino_failures

        with trino_failures(trial.settings), connect_trino(trial.settings, catalog="system") as connection:
            nodes = _rows(connection, "select node_version, coordinator from runtime.nodes where state = 'active'")
            catalogs = {row[0] for row in _rows(connection, "show catalogs")}
        version, name = str(nodes[0][0]), trial.settings.trino_catalog
        number = re.match(r"\d+", version)
        detail = f"Trino {version}, {len(nodes)} node{'s' if len(nodes) > 1 else ''}, catalog {name}"
        if name not in catalogs:
            return failed(
                f"Trino {version} shows user {trial.settings.trino_user} no catalog {name}, only {', '.join(catalogs)}",
                "Check FOSS_TRINO_CATALOG, the catalog's file on every node, and the user's rights.",
            )
        if number is None or int(number[0]) < _OLDEST:
            return failed(detail, f"Upgrade Trino to {_OLDEST} or newer; {_TESTED} is what the tests run.")
        if int(number[0]) < _TESTED:
            return warning(detail, f"{_TESTED} is what the tests run.")
        return passed(detail)

    def reads_lake(self, trial: Trial) -> Finding:
        """Read the probe, and build a table beside it as models are built, properties of the platform's included."""
        from foss_platform.lake.trino.connection import connect_trino, trino_failures

        namespace, catalog = trial.probe.table_name.namespace, trial.settings.trino_catalog
        probe = f'"{catalog}"."{namespace}"."{trial.probe.table_name.name}"'
        built = f'"{catalog}"."{namespace}"."built_by_trino"'
        with trino_failures(trial.settings), connect_trino(trial.settings) as connection:
            schemas = {row[0] for row in _rows(connection, f'show schemas from "{catalog}"')}
            if namespace not in schemas:
                return failed(
                    f"Trino's catalog {catalog} does not hold what was just committed to catalog 'lake'",
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
            return failed(f"Trino reads other rows than were committed: {found}", "Do not use this store.")
        return passed("a query over the probe gave what was committed, and a table was built and dropped")


def _rows(connection: "Connection", query: str) -> list[list[Any]]:
    rows: list[list[Any]] = connection.cursor().execute(query).fetchall()
    return rows
