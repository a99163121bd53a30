"""Opening DuckDB with a session that is the same on every host. No other module opens DuckDB.

By default, DuckDB reads its time zone from the host, its calendar from the locale, and secrets from the home folder.
See `lake.query.duckdb_views` for extensions, stores and views.
"""

from collections.abc import Mapping
from types import MappingProxyType

import duckdb

#: A value in DuckDB's configuration.
Setting = str | bool | int | float | list[str]

#: Nothing is downloaded, and no secret is read from the folder .duckdb in the user's home.
ISOLATED: Mapping[str, Setting] = MappingProxyType(
    {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_persistent_secrets": False,
    }
)


def open_duckdb(config: Mapping[str, Setting] = MappingProxyType({})) -> duckdb.DuckDBPyConnection:
    """Open DuckDB in memory.

    Raises
    ------
    duckdb.Error
        If a setting is refused.
    """
    connection = duckdb.connect(":memory:", config={**ISOLATED, **config})
    use_same_session(connection)
    return connection


def use_same_session(connection: duckdb.DuckDBPyConnection) -> None:
    """Set the time zone to UTC and the calendar to Gregorian, for every cursor of the database.

    The settings must be global. A setting of one connection would be missing on the cursor that returns rows to dbt,
    and no model could then be built on a host outside UTC.
    """
    connection.execute("set global TimeZone = 'UTC'")
    # With the locale th_TH, DuckDB would count Buddhist years.
    connection.execute("set global Calendar = 'gregorian'")
