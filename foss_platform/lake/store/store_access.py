"""Access to the lake's object store for DuckDB, which reads files by path.

PyIceberg reaches the store with the `s3.…` properties of catalog `lake`. DuckDB gets the same properties as a secret.
The values are parameters of the SQL statement and never part of its text, because errors quote the text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import duckdb
from pyarrow.fs import AwsStandardS3RetryStrategy
from pyiceberg.table import Table

from foss_platform.errors import ConfigurationError

_SCHEMES = ("s3", "s3a", "s3n")

# With DuckDB's defaults of 30 s and three retries, a query on a frozen store took two minutes to fail.
_TIME_OUTS = ("set global http_timeout = 8", "set global http_retries = 1")


class NoRetries(AwsStandardS3RetryStrategy):
    """A strategy for `s3.retry-strategy-impl` that makes one try, so a store that never answers costs one timeout.

    The platform retries each operation as a whole, in code that can tell whether the operation has already succeeded.
    """

    def __init__(self) -> None:
        super().__init__(max_attempts=1)


@dataclass(frozen=True)
class Store:
    """The settings that DuckDB needs to read a bucket.

    Attributes
    ----------
    scope
        The bucket's address with its scheme. DuckDB's secret applies only to this bucket.
    options
        The options of DuckDB's secret. Never shown.
    """

    scope: str
    options: Mapping[str, str | bool] = field(repr=False, hash=False)


def is_object_store_location(address: str) -> bool:
    """Whether a text is an address in an object store."""
    return address.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def store_of(table: Table) -> Store | None:
    """Return the store that holds a table's current metadata, or None for a folder."""
    return (
        store_at(table.metadata_location, table.io.properties)
        if is_object_store_location(table.metadata_location)
        else None
    )


def store_at(address: str, properties: Mapping[str, str]) -> Store:
    """Return the settings for reading the store of an address with the credentials of the lake's own store. The store
    decides what these credentials may read.

    Parameters
    ----------
    properties
        The properties of the catalog or of one of its tables.
    """
    location = urlsplit(address)
    return Store(f"{location.scheme}://{location.netloc}/", _secret_options(properties))


def open_store(connection: duckdb.DuckDBPyConnection, store: Store, extension: str) -> None:
    """Let a connection and all cursors of its database read from the store.

    Parameters
    ----------
    extension
        The file of DuckDB's extension httpfs.

    Raises
    ------
    ConfigurationError
        If DuckDB refuses the store's settings.
    """
    names = "".join(f", {option} ?" for option in store.options)
    try:
        connection.load_extension(extension)
        for setting in _TIME_OUTS:
            connection.execute(setting)
        connection.execute(
            f'create or replace temporary secret "{_secret_name(store)}" (type s3, scope ?{names})',
            [store.scope, *store.options.values()],
        )
    except duckdb.Error as error:
        raise ConfigurationError(
            f"DuckDB refused the settings of the store {store.scope}: {str(error).splitlines()[0]}",
            "Check the s3.… properties of catalog 'lake'.",
        ) from None


def _secret_name(store: Store) -> str:
    # bytes.hex: SQL and DuckDB's secret manager interpret some characters of bucket names.
    return f"store_{store.scope.encode().hex()}"


def _secret_options(properties: Mapping[str, str]) -> dict[str, str | bool]:
    options: dict[str, str | bool] = {}
    for option, name in (
        ("key_id", "s3.access-key-id"),
        ("secret", "s3.secret-access-key"),
        ("session_token", "s3.session-token"),
        ("region", "s3.region"),
    ):
        if value := properties.get(name):
            options[option] = str(value)
    if endpoint := properties.get("s3.endpoint"):
        address = urlsplit(endpoint)
        options["endpoint"] = f"{address.netloc}{address.path}".rstrip("/")
        options["use_ssl"] = address.scheme != "http"
        virtual = str(properties.get("s3.force-virtual-addressing", "false")).lower() == "true"
        options["url_style"] = "vhost" if virtual else "path"
    return options
