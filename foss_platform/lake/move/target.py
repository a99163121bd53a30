"""The target of a move: reading the file that describes it, and opening exactly that catalog.

The configuration of the current lake must not be mixed in. PyIceberg's `load_catalog` would do so, because it merges
all configuration of the catalog's name, and this name must be the same for both lakes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyiceberg.catalog import (
    PY_CATALOG_IMPL,
    TYPE,
    URI,
    WAREHOUSE_LOCATION,
    Catalog,
    CatalogType,
    infer_catalog_type,
)
from pyiceberg.exceptions import NotInstalledError

from foss_platform.catalog_configuration import CATALOG_NAME, with_defaults
from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.lake.connect.catalog import open_configured
from foss_platform.lake.store.failures import lake_failures

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SECRETS = re.compile(r"^([\w.+-]+://)?(?:.*@)?([^?#]*).*$", re.DOTALL)
_SHAPE = "Write it like .pyiceberg.yaml: catalog, below it lake, and below that type, uri, warehouse and so on."


@dataclass(frozen=True)
class MoveTarget:
    """The catalog and store to move to.

    Attributes
    ----------
    properties
        PyIceberg's properties of the catalog. Environment variables are expanded, so the properties contain secrets.
    """

    properties: Mapping[str, str] = field(repr=False)
    kind: CatalogType

    def __str__(self) -> str:
        """Return a description of the location, without secrets."""
        store = without_secrets(self.properties.get(WAREHOUSE_LOCATION, "where the catalog says"))
        return f"{self.kind.value} catalog at {without_secrets(self.properties[URI])}, warehouse {store}"

    def variables(self) -> list[str]:
        """Return the names of the environment variables that would configure the target as the lake."""
        # PyIceberg replaces each _ in the name of a variable by -, so a property with _ can only be set in a file.
        names = [name for name in self.properties if "_" not in name]
        stem = f"PYICEBERG_CATALOG__{CATALOG_NAME.upper()}__"
        return [stem + name.upper().replace(".", "__").replace("-", "_") for name in names]


def read_target(file: Path, environment: Mapping[str, str]) -> MoveTarget:
    """Read the file that describes the target.

    Parameters
    ----------
    environment
        The variables that replace `${NAME}` in a value.

    Raises
    ------
    ConfigurationError
        If the file is missing or malformed, or a variable is not set. The error quotes no value.
    """
    found = _properties(file)
    expanded = {name: _VARIABLE.sub(lambda v: environment.get(v[1], ""), text) for name, text in found.items()}
    named = {variable for text in found.values() for variable in _VARIABLE.findall(text)}
    if unset := sorted(variable for variable in named if not environment.get(variable)):
        raise ConfigurationError(
            f"{file} refers to environment variables that are not set: {', '.join(unset)}.", "Set them and try again."
        )
    if PY_CATALOG_IMPL in expanded:
        raise ConfigurationError(
            f"{file} names a catalog's class, but a move needs the catalog's type.", "Set its type instead."
        )
    if not expanded.get(URI):
        raise ConfigurationError(f"{file} has no uri for the catalog {CATALOG_NAME}.", _SHAPE)
    try:
        kind = CatalogType(expanded[TYPE].lower()) if expanded.get(TYPE) else infer_catalog_type("", {**expanded})
    except ValueError:
        kind = None
    if kind is None:
        known = ", ".join(sorted(kind.value for kind in CatalogType))
        raise ConfigurationError(f"{file} does not state the type of the catalog.", f"Known types: {known}.")
    if kind is CatalogType.SQL and not expanded.get(WAREHOUSE_LOCATION):
        raise ConfigurationError(
            f"{file} has no warehouse for the catalog.", "Write s3://bucket/folder or file:///folder."
        )
    return MoveTarget(expanded, kind)


def open_target(target: MoveTarget, *, create: bool = True) -> Catalog | None:
    """Open the target's catalog.

    Parameters
    ----------
    create
        Whether to create missing tables of a SQL catalog.

    Returns
    -------
    The catalog. None if it does not exist yet and `create` is false.

    Raises
    ------
    ConfigurationError
        If it cannot be opened as configured.
    TransientError
        If it does not answer.
    """
    properties = dict(target.properties)
    if target.kind is CatalogType.SQL:
        exists = _database_exists(properties[URI])
        if not create:
            # Create nothing, and do not upgrade the schema of an old catalog.
            properties = {**properties, "init_catalog_tables": "false", "schema_version": "v0"}
            if not exists:
                return None
    from sqlalchemy.exc import ArgumentError

    try:
        with lake_failures():
            catalog = open_configured({TYPE: target.kind.value, **with_defaults(properties)})
            return catalog if create or _has_tables(catalog) else None
    except TransientError as error:
        raise TransientError(
            f"The target, {target}, does not answer: {error.problem}",
            "Check the file that describes it, and that its servers are up.",
        ) from error
    except (ArgumentError, ValueError, NotInstalledError, ImportError) as error:
        # The texts of these errors may quote a secret value, so only their types are shown.
        raise ConfigurationError(
            f"The target, {target}, cannot be opened: {type(error).__name__}{_missing(error)}.",
            "Check type and uri, and that the catalog's driver is installed.",
        ) from None


def without_secrets(location: str) -> str:
    """Return a URI without user, password and query, each of which may be secret."""
    # SQLAlchemy allows / and ? in a password, so everything before the last @ may be part of the password.
    return _SECRETS.sub(r"\1\2", location)


def _properties(file: Path) -> dict[str, str]:
    import yaml

    try:
        # BaseLoader creates only text, lists and mappings, so every value is text, as in PyIceberg.
        content = yaml.load(file.read_text(), yaml.BaseLoader)  # noqa: S506
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}.", "Name the file that describes the target."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        # The error's own text quotes the lines, which may contain a secret.
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigurationError(f"{file}{where}: this is not YAML.", _SHAPE) from None
    catalogs = content.get("catalog") if isinstance(content, dict) else None
    found = catalogs.get(CATALOG_NAME) if isinstance(catalogs, dict) else None
    if not isinstance(found, dict) or not found:
        raise ConfigurationError(f"{file} does not describe a catalog named {CATALOG_NAME}.", _SHAPE)
    if wrong := sorted(name for name, text in found.items() if not isinstance(text, str)):
        raise ConfigurationError(f"{file}: {', '.join(wrong)} of the catalog must be plain text.", _SHAPE)
    return found


def _database_exists(uri: str) -> bool:
    """Whether the database exists. Connecting to a missing SQLite file would create it. Others are assumed to exist."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except ArgumentError:
        return True
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return True
    database = Path(url.database)
    if not database.parent.is_dir():
        raise ConfigurationError(
            f"The target's catalog should be in {database.parent}, which is not a folder.", "Create the folder."
        )
    return database.exists()


def _has_tables(catalog: Catalog) -> bool:
    """Whether a SQL catalog has its database tables. Always true for other kinds of catalogs."""
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy import inspect

    return not isinstance(catalog, SqlCatalog) or bool(inspect(catalog.engine).has_table("iceberg_tables"))


def _missing(error: Exception) -> str:
    return f", {error.name} is missing" if isinstance(error, ImportError) and error.name else ""
