"""The configuration of catalog `lake`: PyIceberg's own, secrets from files, our defaults, and what is wrong with it.

What belongs here: reading and judging it. What does not: opening the catalog (`lake.connect.catalog`), or whether it
answers (`foss validate`). Nothing here connects to anything.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from foss_platform.errors import ConfigurationError
from foss_platform.secrets import FILE_SUFFIX, read_secret

CATALOG_NAME = "lake"

_PREFIX = f"PYICEBERG_CATALOG__{CATALOG_NAME.upper()}__"

# PyArrow's file IO ends in seconds when a store accepts and never answers; s3fs hung for minutes
_DEFAULTS = {
    "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
    "s3.connect-timeout": "3",
    "s3.request-timeout": "8",
    "s3.retry-strategy-impl": "foss_platform.lake.store.store_access.OneTry",
}
# the same tables as the Java catalog's schema V1, so that Trino can share it
_SQL_DEFAULTS = {"schema_version": "v1"}
# a pooled connection from before the server's restart is replaced, not failed on
_POSTGRES_DEFAULTS = {"pool_pre_ping": "true"}
# libpq's; a catalog that is slow or locked is an error soon, and the next run tries again
_POSTGRES_QUERY = {"connect_timeout": "5", "options": "-c statement_timeout=15000 -c lock_timeout=10000"}
_SUPPORTED = ("sql", "rest")
_NEEDED = f"{_PREFIX}URI and {_PREFIX}WAREHOUSE"


def catalog_properties(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """What catalog `lake` is to be opened with; None where nothing configures it.

    Parameters
    ----------
    environment
        The process's environment. `PYICEBERG_CATALOG__LAKE__<NAME>_FILE` names a file that holds the value.

    Raises
    ------
    ConfigurationError
        When a secret's file cannot be read.
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
    """A catalog's properties with what the platform sets unless they say otherwise: time-outs above all."""
    configured = dict(configured)
    kind = catalog_kind(configured)
    defaults = dict(_DEFAULTS)
    if kind == "sql":
        defaults |= _SQL_DEFAULTS
    if str(configured.get("uri", "")).startswith("postgresql"):
        defaults |= _POSTGRES_DEFAULTS
        configured["uri"] = _with_time_outs(str(configured["uri"]))
    # PyIceberg's variables turn every _ into -, and it asks for two of its own properties with _
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
    """`sql` or `rest`, as stated or as the URI tells; None where neither says."""
    if stated := properties.get("type"):
        return str(stated)
    scheme = urlsplit(str(properties.get("uri", ""))).scheme
    if scheme in ("http", "https"):
        return "rest"
    return "sql" if scheme.startswith(("postgresql", "sqlite")) else None


def catalog_problems(properties: Mapping[str, Any] | None) -> list[str]:
    """Everything that is missing or contradictory in the catalog's configuration, each with its remedy."""
    if properties is None:
        return [f"no Iceberg catalog named '{CATALOG_NAME}': set {_NEEDED}, or write .pyiceberg.yaml"]
    problems = []
    kind, uri = catalog_kind(properties), str(properties.get("uri", ""))
    if not uri:
        problems.append(f"the catalog has no uri: set {_PREFIX}URI, or {_PREFIX}URI{FILE_SUFFIX}")
    elif kind is None:
        problems.append(f"the catalog's type is not told by its uri: set {_PREFIX}TYPE to sql or rest")
    if kind is not None and kind not in _SUPPORTED:
        problems.append(f"the catalog's type is {kind}: sql and rest are supported")
    if uri and kind == "rest" and urlsplit(uri).scheme not in ("http", "https"):
        problems.append("a REST catalog's uri begins with http:// or https://")
    if uri and kind == "sql" and urlsplit(uri).scheme in ("http", "https"):
        problems.append("the uri is that of a REST catalog, and the type is sql")
    warehouse = str(properties.get("warehouse", ""))
    if not warehouse and kind == "sql":
        problems.append(f"the catalog has no warehouse: set {_PREFIX}WAREHOUSE to s3://bucket/folder or file:///folder")
    if str(properties.get("schema_version", "v1")).lower() != "v1":
        problems.append("schema_version is not v1, which Trino cannot read")
    return problems + _store_problems(properties, warehouse)


def _store_problems(properties: Mapping[str, Any], warehouse: str) -> list[str]:
    problems = []
    stated = {name for name in properties if name.startswith("s3.") and name not in _DEFAULTS}
    on_store = urlsplit(warehouse).scheme in ("s3", "s3a", "s3n")
    if warehouse and not on_store and stated:
        problems.append(f"the warehouse is a folder, and {', '.join(sorted(stated))} speak of an object store")
    key, secret = bool(properties.get("s3.access-key-id")), bool(properties.get("s3.secret-access-key"))
    if key != secret:
        there, lacking = ("access-key-id", "SECRET_ACCESS_KEY") if key else ("secret-access-key", "ACCESS_KEY_ID")
        problems.append(f"s3.{there} is set without its companion: set {_PREFIX}S3__{lacking}, or …{FILE_SUFFIX}")
    endpoint = str(properties.get("s3.endpoint", ""))
    if endpoint and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
        problems.append(f"s3.endpoint is {endpoint!r}: write it as http://host:port")
    if endpoint and not properties.get("s3.region"):
        problems.append(f"s3.region is not set, which costs a look-up on the network: set {_PREFIX}S3__REGION")
    if "fsspec" in str(properties.get("py-io-impl", "")).lower():
        problems.append("py-io-impl is fsspec's, which hangs for minutes when the store does: leave it unset")
    return problems


def refuse_problems(problems: list[str]) -> None:
    """One error that names them all.

    Raises
    ------
    ConfigurationError
        When there is any.
    """
    if problems:
        raise ConfigurationError(
            f"FOSS_ENVIRONMENT is production, and its configuration is not whole: {'; '.join(problems)}.",
            "docs/OPERATIONS.md lists each setting.",
        )


def _property(variable: str) -> str:
    """PyIceberg's name of a variable's property: PYICEBERG_CATALOG__LAKE__S3__ENDPOINT is s3.endpoint."""
    return variable.removeprefix(_PREFIX).lower().replace("__", ".").replace("_", "-")
