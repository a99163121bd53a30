"""The models of a feed's page: source, contract, data time, limits and maintenance, with their validation."""

import os
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from foss_platform.errors import ConfigurationError
from foss_platform.ingest.page.cadence import Cadence
from foss_platform.ingest.page.owners import Owners
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import TablePolicy

#: A pipeline is a job and a group in Dagster, and these are the platform's own.
_RESERVED_NAMES = frozenset(
    {"build", "rebuild", "maintenance", "prune_history", "validate_platform", "shared", "no_pipeline", "ops"}
)
#: Prefix of the columns that the platform adds. Field names of a feed may not begin with it.
PLATFORM_PREFIX = "_"

_PIPELINE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# upper limit of durations, because arithmetic on times fails with values such as .inf and 1e300
_MINUTES_OF_A_YEAR = 366 * 24 * 60
_FIELD_NAME = re.compile(r"[^\W\d_]\w{0,127}")


class FieldType(StrEnum):
    """The types of a contract's fields: JSON's types, with numbers divided by the width that Iceberg stores."""

    STRING = "string"
    INT = "int"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    JSON = "json"


class PageModel(BaseModel):
    """Base class for parts of a page. Unknown keys are errors, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ContractField(PageModel):
    """A field of the feed's records, as the contract describes it.

    Attributes
    ----------
    required
        Whether a record with a missing or null value is rejected.
    """

    name: str
    type: FieldType = FieldType.STRING
    required: bool = True
    description: str = ""

    @field_validator("name")
    @classmethod
    def _usable_as_a_column(cls, value: str) -> str:
        if not _FIELD_NAME.fullmatch(value):
            raise ValueError(
                f"the field name {value!r} cannot be a column name: begin with a letter, then use letters, digits and _"
                " (or leave the field out of the contract, so that it is kept in _unknown_fields)"
            )
        return value


class DataTime(PageModel):
    """The fields that contain the data's own time.

    Attributes
    ----------
    fields
        Names of the fields. Their values are joined with one space before they are parsed.
    format
        A format of Python's `strptime`, or `iso8601`.
    zone
        The IANA zone of times without an offset.
    ahead_minutes
        How many minutes the time of a reading may be after its poll, because the feed's clock and the poller's clock
        differ.
    """

    fields: Annotated[tuple[str, ...], Field(min_length=1)]
    format: str = "iso8601"
    zone: str = "UTC"
    ahead_minutes: float = Field(default=5, ge=0, le=_MINUTES_OF_A_YEAR)

    @field_validator("format")
    @classmethod
    def _readable(cls, value: str) -> str:
        moment = datetime(2024, 12, 31, 23, 58)  # noqa: DTZ001  # the format's own time has no zone
        try:
            restored = value == "iso8601" or datetime.strptime(moment.strftime(value), value) == moment  # noqa: DTZ007
        except ValueError:
            restored = False
        if not restored:
            raise ValueError(
                f"{value!r} loses part of the date and time: use a strptime format down to the minute, or iso8601"
            )
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone, such as Europe/Oslo")
        return value

    @property
    def zone_info(self) -> ZoneInfo:
        """The zone as an object."""
        return ZoneInfo(self.zone)


class Source(PageModel):
    """The feed's address and the limits of a request.

    Attributes
    ----------
    url_variable
        Name of the environment variable that overrides `url`.
    records
        Path of the records in the payload: keys joined by dots. Empty for the payload itself.
    timeout_seconds
        Time limit of one try, from its start to the last byte.
    tries
        Total number of tries after transient errors.
    max_bytes
        The longest accepted body, after decompression.
    private_addresses
        Whether the host may resolve to an address that is not public. Use `forbidden` for pages from people that you do
        not trust: otherwise such a page can make the poller request addresses in its internal network.
    """

    url: str
    url_variable: str | None = None
    records: str = ""
    timeout_seconds: float = Field(default=10, gt=0, le=300)
    tries: int = Field(default=3, ge=1, le=10)
    private_addresses: Literal["allowed", "forbidden"] = "allowed"
    max_bytes: int = Field(default=10_000_000, ge=1, le=1_000_000_000)

    @field_validator("url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        parts = urlsplit(value)
        # accessing .port raises an error if the port is invalid
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError(f"{value!r} is not an http or https URL")
        return value

    def effective_url(self) -> str:
        """Return the URL to poll: the variable's value if it is set, otherwise `url`.

        Raises
        ------
        ConfigurationError
            If the variable's value is not an http or https URL. It may be secret, so the error does not quote it.
        """
        override = os.environ.get(self.url_variable, "") if self.url_variable else ""
        try:
            return self._http_url(override) if override else self.url
        except ValueError:
            raise ConfigurationError(
                f"{self.url_variable} is not an http or https URL.", "Correct or unset this environment variable."
            ) from None


class RowRange(PageModel):
    """The allowed number of records in a poll."""

    minimum: int = Field(default=1, ge=1)
    maximum: int = Field(default=100_000, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"rows: minimum {self.minimum} is above maximum {self.maximum}")
        return self


class Limits(PageModel):
    """Limits outside of which a feed's checks warn or fail.

    Attributes
    ----------
    frozen_after_minutes
        Warn if the newest data time has not changed for longer than this.
    late_after_minutes
        Warn if the newest data time is further behind its poll than this.
    """

    rows: RowRange = RowRange()
    frozen_after_minutes: float = Field(default=15, gt=0, le=_MINUTES_OF_A_YEAR)
    late_after_minutes: float = Field(default=10, gt=0, le=_MINUTES_OF_A_YEAR)

    def is_frozen(self, unchanged_minutes: float) -> bool:
        """Whether a feed is frozen if its newest record has been the same for this number of minutes.

        `parking_feed_health.sql` has the same rule in SQL. `unit/transform/test_limits.py` compares their limits, and
        `pipeline/transform/test_frozen.py` their results.
        """
        return unchanged_minutes > self.frozen_after_minutes


class Feed(PageModel):
    """The page of a REST feed, with all its settings."""

    name: str
    description: str
    title: str = ""
    owners: Owners
    tags: dict[str, str] = Field(default_factory=dict)
    cadence: Cadence = Field(description="a cron expression, evaluated in UTC")
    source: Source
    contract: Annotated[tuple[ContractField, ...], Field(min_length=1)]
    time: DataTime
    limits: Limits = Limits()
    maintenance: TablePolicy = TablePolicy()
    format: Literal["json"] = "json"

    @field_validator("name")
    @classmethod
    def _usable_as_a_table(cls, value: str) -> str:
        if not _PIPELINE_NAME.fullmatch(value) or "__" in value:
            raise ValueError(
                f"{value!r}: a pipeline's name has only lower-case letters, digits and single _, e.g. city_parking"
            )
        if value in _RESERVED_NAMES:
            raise ValueError(f"{value!r} is the name of a job or group of the platform: choose another name")
        return value

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        names = [field.name for field in self.contract]
        if repeated := sorted({name for name in names if [n.lower() for n in names].count(name.lower()) > 1}):
            raise ValueError(f"contract: these fields occur twice (ignoring case): {', '.join(repeated)}")
        required = {field.name for field in self.contract if field.required and field.type is FieldType.STRING}
        if unknown := [name for name in self.time.fields if name not in required]:
            raise ValueError(f"time.fields: {', '.join(unknown)} must be required string fields of the contract")
        return self

    @property
    def bronze(self) -> TableName:
        """The table of accepted records."""
        return TableName("bronze", self.name)

    @property
    def rejected(self) -> TableName:
        """The quarantine: the table of records that break the contract."""
        return TableName("bronze", f"{self.name}__rejected")
