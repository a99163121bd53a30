"""The settings, read from `FOSS_…` environment variables and validated. Every such variable is a field of `Settings`.

Three things are set separately: the catalog to write to (PyIceberg's own configuration of catalog `lake`), the
engine that builds silver and gold (`FOSS_ENGINE`), and what runs by itself (`FOSS_AUTOMATION`).
"""

import os
import re
from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from foss_platform.engine import Engine
from foss_platform.errors import ConfigurationError
from foss_platform.project import find_project, is_project, pages_folder
from foss_platform.secrets import FILE_SUFFIX, read_secret


class Environment(StrEnum):
    """The environments. Any other value is an error."""

    LOCAL = "local"
    PRODUCTION = "production"


class FeedMode(StrEnum):
    """The source of a poll's time: the clock, or the recording that is being served."""

    LIVE = "live"
    RECORDED = "recorded"


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


#: The folder of the servers of `make services`: not a setting of the platform, but not an error either.
_OF_THE_TESTS = ("FOSS_SERVICES_CACHE",)

_TRINO_PASSWORD = "FOSS_TRINO_PASSWORD"  # noqa: S105  # the variable's name

_STATED_IN_PRODUCTION = {
    "home": "a folder for the files of Dagster and dbt",
    "engine": "the engine that builds silver and gold: duckdb or trino",
    "automation": "whether schedules run by themselves: on or off",
}


class Settings(BaseSettings):
    """The platform's settings, read once from `FOSS_…` environment variables at start.

    Raises
    ------
    ConfigurationError
        From `load_settings`, which names every invalid variable at once.
    """

    model_config = SettingsConfigDict(env_prefix="FOSS_", frozen=True, extra="ignore")

    environment: Environment = Environment.LOCAL
    project: Path = Field(
        default_factory=find_project, description="folder of the pages, the models and pyproject.toml"
    )
    home: Path = Field(
        default_factory=lambda given: given["project"] / ".foss",
        description="folder of the embedded lake and of Dagster's state",
    )
    engine: Engine = Engine.DUCKDB
    automation: Switch = Field(default=Switch.ON, description="schedules and automation run by themselves")
    feed: FeedMode = FeedMode.LIVE
    duckdb_memory_limit: str = Field(default="4GB", description="in DuckDB's notation, e.g. 4GB")
    duckdb_temp_directory: Path | None = Field(default=None, description="where DuckDB spills; <home>/spill unless set")
    duckdb_threads: int | None = Field(default=None, ge=1)
    dbt_project: Path = Field(default_factory=lambda given: given["project"] / "dbt_project")
    trino_url: str | None = Field(default=None, description="the coordinator, e.g. https://trino.example:8443")
    trino_user: str | None = None
    trino_password: SecretStr | None = Field(default=None, description="or FOSS_TRINO_PASSWORD_FILE")
    trino_catalog: str = Field(default="engineer", description="the lake's catalog name in Trino")
    trino_ca_file: Path | None = Field(default=None, description="the CA certificate of Trino's certificate, as PEM")

    @field_validator("project", "home", "dbt_project", "duckdb_temp_directory", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if value == "":
            raise ValueError("it does not name a folder")
        return value

    @field_validator("duckdb_memory_limit")
    @classmethod
    def _a_size(cls, value: str) -> str:
        if not re.fullmatch(r"\s*0*[1-9][0-9]*(\.[0-9]+)?\s*([KMGT]i?B|bytes)\s*", value, re.IGNORECASE):
            raise ValueError("it is not a size such as 4GB")
        return value

    @field_validator("trino_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        found = re.fullmatch(r"https://[^/@:\s]+(?::([0-9]{1,5}))?/?", value or "")
        if value is not None and (found is None or not 0 < int(found[1] or 443) < 65_536):
            # over plain HTTP Trino does not check passwords
            raise ValueError("it is not an address such as https://trino.example:8443")
        return value

    @field_validator("project", "home", "dbt_project")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("project")
    @classmethod
    def _a_project(cls, value: Path) -> Path:
        if not is_project(value):
            raise ValueError('it is not a project: it has no pyproject.toml with [tool.dg] directory_type = "project"')
        return value

    @property
    def spill_directory(self) -> Path:
        """The folder for DuckDB's data beyond its memory limit."""
        return self.duckdb_temp_directory or self.home / "spill"

    @property
    def defs_folder(self) -> Path:
        """The folder of the project's pages."""
        return pages_folder(self.project)

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder in this home."""
        return self.home / "dagster"


def load_settings() -> Settings:
    """Read the settings from the environment.

    In production, the settings that decide where data goes, which engine runs and what runs by itself have no defaults.

    Raises
    ------
    ConfigurationError
        If a variable is invalid. The error names every invalid variable and its allowed values. In production also if a
        setting is missing or the catalog's configuration is invalid.
    """
    known = {f"FOSS_{name.upper()}" for name in Settings.model_fields} | {f"{_TRINO_PASSWORD}{FILE_SUFFIX}"}
    if unknown := sorted(
        name for name in os.environ if name.startswith("FOSS_") and name not in known and name not in _OF_THE_TESTS
    ):
        raise ConfigurationError(
            f"Unknown settings: {', '.join(unknown)}.", f"Known settings: {', '.join(sorted(known))}."
        )
    password = read_secret(_TRINO_PASSWORD, os.environ)
    try:
        settings = Settings() if password is None else Settings(trino_password=SecretStr(password))
    except ValidationError as error:
        problems = "; ".join(
            f"FOSS_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']} (it is {_shown(item['input'])})"
            for item in error.errors()
            # a default that follows from the value of another setting, which is invalid
            if item["type"] != "default_factory_not_called"
        )
        raise ConfigurationError(
            f"Bad settings: {problems}.", "Correct or unset these environment variables."
        ) from None
    if settings.environment is Environment.PRODUCTION:
        _refuse_half_a_configuration(settings)
    elif settings.engine is Engine.TRINO and (lacking := trino_problems(settings)):
        raise ConfigurationError(
            f"FOSS_ENGINE is trino, but {'; '.join(lacking)}.", "docs/OPERATIONS.md lists each setting."
        )
    return settings


def _shown(value: object) -> str:
    """Return an invalid value for display, without the credentials that an address may contain before its @."""
    return repr(re.sub(r"//[^/]*@", "//***@", str(value)))


def trino_problems(settings: Settings) -> list[str]:
    """Return the problems of the settings for Trino, each with its remedy."""
    problems = []
    if settings.trino_url is None:
        problems.append("FOSS_TRINO_URL is not set (the coordinator, e.g. https://trino.example:8443)")
    if not settings.trino_user:
        problems.append("FOSS_TRINO_USER is not set")
    if settings.trino_password is None:
        problems.append(f"neither {_TRINO_PASSWORD} nor {_TRINO_PASSWORD}{FILE_SUFFIX} is set")
    if settings.trino_ca_file is not None and not settings.trino_ca_file.is_file():
        problems.append(f"FOSS_TRINO_CA_FILE names {settings.trino_ca_file}, which is not a file")
    if (catalog := _embedded_catalog()) is not None:
        problems.append(f"the lake's catalog is {catalog}, which Trino cannot share: use one on Postgres, or REST")
    return problems


def _embedded_catalog() -> str | None:
    """Return the name of a catalog that only this machine can reach. None if the catalog can be shared."""
    from foss_platform.catalog_configuration import catalog_properties

    configured = catalog_properties(os.environ)
    if configured is None:
        return "the embedded one"
    return "SQLite" if str(configured.get("uri", "")).startswith("sqlite") else None


def _refuse_half_a_configuration(settings: Settings) -> None:
    from foss_platform.catalog_configuration import catalog_problems, catalog_properties, refuse_problems

    problems = [
        f"FOSS_{name.upper()} is not set ({meaning})"
        for name, meaning in _STATED_IN_PRODUCTION.items()
        if name not in settings.model_fields_set
    ]
    if settings.feed is FeedMode.RECORDED:
        problems.append("FOSS_FEED is recorded, so polls would have the time of a recording: unset it")
    if settings.engine is Engine.TRINO:
        problems += trino_problems(settings)
    refuse_problems(problems + catalog_problems(catalog_properties(os.environ)))
