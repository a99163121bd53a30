"""The configuration of catalog `lake`: PyIceberg's own, with secrets from files and our defaults, and its problems.

Nothing here opens a connection. See `lake.connect.catalog` for opening the catalog, and `foss validate` for a test of
its connection.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from foss_platform.errors import ConfigurationError
from foss_platform.secrets import FILE_SUFFIX, read_secret

CATALOG_NAME = "lake"

_PREFIX = f"PYICEBERG_CATALOG__{CATALOG_NAME.upper()}__"

# PyArrow's file IO fails within seconds if a store accepts connections but never answers; s3fs hung for minutes
_DEFAULTS = {
    "py-io-impl": "foss_platform.lake.store.file_io.OneRequestFileIO",
    "s3.connect-timeout": "3",
    "s3.request-timeout": "8",
    "s3.retry-strategy-impl": "foss_platform.lake.store.store_access.NoRetries",
}
# the same tables as schema V1 of the Java catalog, so that Trino can share the catalog
_SQL_DEFAULTS = {"schema_version": "v1"}
# replaces a pooled connection from before a server restart, which would fail
_POSTGRES_DEFAULTS = {"pool_pre_ping": "true"}
# libpq's options: a slow or locked catalog soon causes an error, and the next run tries again
_POSTGRES_QUERY = {"connect_timeout": "5", "options": "-c statement_timeout=15000 -c lock_timeout=10000"}
_SUPPORTED = ("sql", "rest")
_NEEDED = f"{_PREFIX}URI and {_PREFIX}WAREHOUSE"


def catalog_properties(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the properties for opening catalog `lake`. None if it is not configured.

    Parameters
    ----------
    environment
        The environment of the process. `PYICEBERG_CATALOG__LAKE__<NAME>_FILE` names a file that contains the value.

    Raises
    ------
    ConfigurationError
        If the file of a secret cannot be read.
    """
    from pyiceberg.utils.config import Config

    configured: dict[str, Any] = dict(Config().get_catalog_config(CATALOG_NAME) or {})
    for variable in sorted(environment):
        if variable.startswith(_PREFIX) and variable.endswith(FILE_SUFFIX):
            name = variable.removesuffix(FILE_SUFFIX)
            configured.pop(_property(variable), None)
            configured[_property(name)] = read_secret(name, environment)
    return with_defaults(configured) if configured else None


def with_defaults(configured: Mapping[str, Any]) -> dict[str, Any]:
    """Return a catalog's properties with the platform's defaults, mainly time-outs, for properties that are not set."""
    configured = dict(configured)
    kind = catalog_kind(configured)
    defaults = dict(_DEFAULTS)
    if kind == "sql":
        defaults |= _SQL_DEFAULTS
    if str(configured.get("uri", "")).startswith("postgresql"):
        defaults |= _POSTGRES_DEFAULTS
        configured["uri"] = _with_time_outs(str(configured["uri"]))
    # PyIceberg turns every _ in the name of a variable into -, but some of the properties that it reads contain _
    for name in ("schema_version", "pool_pre_ping", "init_catalog_tables"):
        if (dashed := name.replace("_", "-")) in configured:
            configured.setdefault(name, configured.pop(dashed))
    return {**defaults, **configured}


def _with_time_outs(uri: str) -> str:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except ArgumentError:
        return uri
    missing = {name: value for name, value in _POSTGRES_QUERY.items() if name not in url.query}
    return url.update_query_dict(missing).render_as_string(hide_password=False)


def catalog_kind(properties: Mapping[str, Any]) -> str | None:
    """Return `sql` or `rest`, from the stated type or else from the URI. None if neither decides it."""
    if stated := properties.get("type"):
        return str(stated)
    scheme = urlsplit(str(properties.get("uri", ""))).scheme
    if scheme in ("http", "https"):
        return "rest"
    return "sql" if scheme.startswith(("postgresql", "sqlite")) else None


def catalog_problems(properties: Mapping[str, Any] | None) -> list[str]:
    """Return all problems of the catalog's configuration, each with its remedy."""
    if properties is None:
        return [f"no Iceberg catalog named '{CATALOG_NAME}': set {_NEEDED}, or write .pyiceberg.yaml"]
    problems = []
    kind, uri = catalog_kind(properties), str(properties.get("uri", ""))
    if not uri:
        problems.append(f"the catalog has no uri: set {_PREFIX}URI, or {_PREFIX}URI{FILE_SUFFIX}")
    elif kind is None:
        problems.append(f"the catalog's type does not follow from its uri: set {_PREFIX}TYPE to sql or rest")
    if kind is not None and kind not in _SUPPORTED:
        problems.append(f"the catalog's type is {kind}, which is not supported: use sql or rest")
    if uri and kind == "rest" and urlsplit(uri).scheme not in ("http", "https"):
        problems.append("the uri of a REST catalog must begin with http:// or https://")
    if uri and kind == "sql" and urlsplit(uri).scheme in ("http", "https"):
        problems.append("the uri belongs to a REST catalog, but the type is sql: correct one of them")
    warehouse = str(properties.get("warehouse", ""))
    if not warehouse and kind == "sql":
        problems.append(f"the catalog has no warehouse: set {_PREFIX}WAREHOUSE to s3://bucket/folder or file:///folder")
    if str(properties.get("schema_version", "v1")).lower() != "v1":
        problems.append("schema_version is not v1, the only version that Trino can read: leave it unset")
    return problems + _store_problems(properties, warehouse)


def _store_problems(properties: Mapping[str, Any], warehouse: str) -> list[str]:
    problems = []
    stated = {name for name in properties if name.startswith("s3.") and name not in _DEFAULTS}
    on_store = urlsplit(warehouse).scheme in ("s3", "s3a", "s3n")
    if warehouse and not on_store and stated:
        problems.append(
            f"the warehouse is a folder, but object store properties are set: unset {', '.join(sorted(stated))}"
        )
    key, secret = bool(properties.get("s3.access-key-id")), bool(properties.get("s3.secret-access-key"))
    if key != secret:
        there, lacking = ("access-key-id", "SECRET_ACCESS_KEY") if key else ("secret-access-key", "ACCESS_KEY_ID")
        problems.append(f"s3.{there} is set, but not its counterpart: set {_PREFIX}S3__{lacking}, or …{FILE_SUFFIX}")
    endpoint = str(properties.get("s3.endpoint", ""))
    if endpoint and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
        problems.append(f"s3.endpoint is {endpoint!r}, which is not an address: write http://host:port")
    if endpoint and not properties.get("s3.region"):
        problems.append(f"s3.region is not set, which costs a network request: set {_PREFIX}S3__REGION")
    if "fsspec" in str(properties.get("py-io-impl", "")).lower():
        problems.append("py-io-impl is fsspec, which hangs for minutes if the store does not answer: leave it unset")
    return problems


def refuse_problems(problems: list[str]) -> None:
    """Raise one error that names all problems.

    Raises
    ------
    ConfigurationError
        If there are problems.
    """
    if problems:
        raise ConfigurationError(
            f"FOSS_ENVIRONMENT is production, but its configuration is incomplete or invalid: {'; '.join(problems)}.",
            "docs/OPERATIONS.md lists each setting.",
        )


def _property(variable: str) -> str:
    """Return PyIceberg's property name for a variable: PYICEBERG_CATALOG__LAKE__S3__ENDPOINT is s3.endpoint."""
    return variable.removeprefix(_PREFIX).lower().replace("__", ".").replace("_", "-")
