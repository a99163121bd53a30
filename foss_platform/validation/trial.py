"""The environment of the checks: the current configuration, and the probe of one validation.

The configuration is read once. Nothing is connected.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from foss_platform.settings import Settings
from foss_platform.validation.redaction import secrets_among

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from foss_platform.validation.probe import Probe

_BUCKETS = ("s3", "s3a", "s3n")


class CatalogKind(StrEnum):
    """Kind of the catalog."""

    SQLITE = "SQLite"
    POSTGRES = "Postgres"
    REST = "REST"


@dataclass(frozen=True)
class Trial:
    """One validation.

    Attributes
    ----------
    properties
        Properties of catalog `lake`, with the platform's defaults. They contain secrets.
    is_embedded
        Whether no catalog is configured, so that the local catalog in the home is used.
    warehouse
        Location of the tables. None if only a REST catalog knows it.
    probe
        The objects that this validation writes.
    instance
        The caller's Dagster instance. If it is None, the checks open the instance of the home.
    """

    settings: Settings
    properties: Mapping[str, Any] = field(repr=False)
    is_embedded: bool
    kind: CatalogKind
    warehouse: str | None
    probe: "Probe"
    secrets: frozenset[str] = field(repr=False)
    instance: "Callable[[], DagsterInstance] | None" = None

    @property
    def bucket(self) -> str | None:
        """The bucket of the warehouse. None for a folder."""
        address = urlsplit(self.warehouse or "")
        return address.netloc if address.scheme in _BUCKETS else None

    @property
    def folder(self) -> Path | None:
        """The folder of the warehouse. None for a bucket."""
        if self.warehouse is None or self.bucket is not None:
            return None
        # urlsplit's path is not used, because a location must not be decoded
        return Path(self.warehouse.removeprefix("file://"))

    @property
    def database(self) -> Path:
        """The file of a SQLite catalog."""
        from sqlalchemy import make_url

        from foss_platform.lake.connect.catalog import catalog_database

        if self.is_embedded:
            return catalog_database(self.settings)
        return Path(make_url(str(self.properties["uri"])).database or "")

    @property
    def has_no_lake_yet(self) -> bool:
        """True if the catalog is SQLite, its file does not exist, and the warehouse contains no tables.

        Always false for other catalogs.
        """
        if self.kind is not CatalogKind.SQLITE or self.database.exists():
            return False
        folder = self.folder
        return folder is None or next(folder.glob("*/*/metadata/*.metadata.json"), None) is None


def new_trial(settings: Settings, instance: "Callable[[], DagsterInstance] | None" = None) -> Trial:
    """Read the configuration for one validation.

    Raises
    ------
    ConfigurationError
        If a secret's file cannot be read, or production has no catalog configured.
    """
    from foss_platform.catalog_configuration import catalog_kind, catalog_problems, catalog_properties, refuse_problems
    from foss_platform.lake.connect.catalog import warehouse_folder
    from foss_platform.settings import Environment
    from foss_platform.validation.probe import Probe
    from foss_platform.validation.probe_files import probe_files

    configured = catalog_properties(os.environ)
    if configured is None and settings.environment is not Environment.LOCAL:
        refuse_problems(catalog_problems(configured))
    properties = configured or {}
    warehouse = str(properties.get("warehouse", "")) if configured else f"file://{warehouse_folder(settings)}"
    # a REST catalog may identify its warehouse by a name that is not a location
    location = warehouse if urlsplit(warehouse).scheme else None
    kind = CatalogKind.SQLITE
    if catalog_kind(properties) == "rest":
        kind = CatalogKind.REST
    elif str(properties.get("uri", "")).startswith("postgresql"):
        kind = CatalogKind.POSTGRES
    probe = Probe(settings, probe_files(location, properties))
    secrets = secrets_among(properties, os.environ)
    if settings.trino_password is not None:
        # the password may come from a file, and is then not among the variables
        secrets |= {settings.trino_password.get_secret_value()}
    return Trial(settings, properties, configured is None, kind, location, probe, secrets, instance)
