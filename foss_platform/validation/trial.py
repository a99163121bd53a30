"""What the checks are run against: the configuration as it is now, and the probe of one validation.

What belongs here: reading it once, and what is derived from it. What does not: connecting to anything.
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
    """Who keeps the catalog."""

    SQLITE = "SQLite"
    POSTGRES = "Postgres"
    REST = "REST"


@dataclass(frozen=True)
class Trial:
    """One validation.

    Attributes
    ----------
    properties
        Of catalog `lake`, with the platform's defaults: holds secrets.
    is_embedded
        Whether nothing configures the catalog, so that it is the local one under the home.
    warehouse
        Where tables lie; None where only a REST catalog knows it.
    probe
        What this validation writes.
    instance
        Dagster's instance where the caller runs in it; None opens the one of the home.
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
        """The bucket of the warehouse; None for a folder."""
        address = urlsplit(self.warehouse or "")
        return address.netloc if address.scheme in _BUCKETS else None

    @property
    def folder(self) -> Path | None:
        """The folder of the warehouse; None for a bucket."""
        if self.warehouse is None or self.bucket is not None:
            return None
        # not urlsplit's path: a location is taken as it stands
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
        """Whether a lake in files has not been made; where its tables are without a catalog, it has."""
        if self.kind is not CatalogKind.SQLITE or self.database.exists():
            return False
        folder = self.folder
        return folder is None or next(folder.glob("*/*/metadata/*.metadata.json"), None) is None


def new_trial(settings: Settings, instance: "Callable[[], DagsterInstance] | None" = None) -> Trial:
    """Read the configuration for one validation.

    Raises
    ------
    ConfigurationError
        When a secret's file cannot be read, or production names no catalog.
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
    # a REST catalog may know its warehouse by a name that is no location
    location = warehouse if urlsplit(warehouse).scheme else None
    kind = CatalogKind.SQLITE
    if catalog_kind(properties) == "rest":
        kind = CatalogKind.REST
    elif str(properties.get("uri", "")).startswith("postgresql"):
        kind = CatalogKind.POSTGRES
    probe = Probe(settings, probe_files(location, properties))
    secrets = secrets_among(properties, os.environ)
    if settings.trino_password is not None:
        # it may have come from a file
        secrets |= {settings.trino_password.get_secret_value()}
    return Trial(settings, properties, configured is None, kind, location, probe, secrets, instance)
