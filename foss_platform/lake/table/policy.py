"""What a table promises and how it is cared for: the policy, and the table properties that hold it.

What belongs here: the fields, their defaults, bounds and properties. What does not: acting on them.
Properties have Iceberg's own names where it has one for the purpose
(https://iceberg.apache.org/docs/latest/configuration/), so that other engines' maintenance reads the same.
"""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foss_platform.errors import ConfigurationError

#: No table has more live snapshots than this, tags included: an append costs 15 ms at 10 of them, 50 ms at
#: 100, over 1 s at 1,500.
MAX_LIVE_SNAPSHOTS = 60

_MEGABYTE = 1024 * 1024


class TablePolicy(BaseModel):
    """How far back and how finely a table can be read, and how its files are kept.

    Attributes
    ----------
    keep_commits
        The newest commits of which each can be read.
    keep_hours
        For so long, the state at each full hour can be read.
    keep_days
        For so long, the state at each midnight (UTC) can be read.
    target_file_mb
        How large a compacted data file gets, in megabytes. A file is written from at most 192 MB of rows in
        memory, which for the parking feed make 10 to 20 MB, so that more than this need not come of it.
    compact_at_files
        So many small files of one day are compacted into one.
    spare_hours
        How long a file that nothing refers to any longer is spared: longer than any reader or writer takes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_commits: int = Field(default=20, ge=1, lt=MAX_LIVE_SNAPSHOTS)
    keep_hours: int = Field(default=24, ge=0, le=24 * 31)
    keep_days: int = Field(default=365, ge=0, le=3660)
    target_file_mb: int = Field(default=16, ge=1, le=2048)
    compact_at_files: int = Field(default=20, ge=2, le=10_000)
    spare_hours: float = Field(default=6, ge=0, le=24 * 366)

    @property
    def target_file_bytes(self) -> int:
        """The size of a compacted data file."""
        return self.target_file_mb * _MEGABYTE

    @property
    def small_file_bytes(self) -> int:
        """Below this a file is small: half the target, so that no file is compacted for ever."""
        return self.target_file_bytes // 2

    @property
    def spare(self) -> timedelta:
        """How long a file that nothing refers to is spared."""
        return timedelta(hours=self.spare_hours)

    def properties(self) -> dict[str, str]:
        """The policy as table properties."""
        return {
            "history.expire.min-snapshots-to-keep": str(self.keep_commits),
            "history.expire.max-snapshot-age-ms": str(self.keep_days * 86_400_000),
            "write.target-file-size-bytes": str(self.target_file_bytes),
            "foss.points.hours": str(self.keep_hours),
            "foss.compact.at-files": str(self.compact_at_files),
            "foss.unreferenced.spare-ms": str(round(self.spare_hours * 3_600_000)),
        }


def policy_of(properties: Mapping[str, str], table: str) -> TablePolicy:
    """The policy that a table's properties hold; what they do not say is the default.

    Parameters
    ----------
    table
        The table's name, for the error.

    Raises
    ------
    ConfigurationError
        When a property holds no number, or one out of bounds.
    """
    standard = TablePolicy()
    stated = {**standard.properties(), **properties}
    try:
        return TablePolicy(
            keep_commits=min(int(stated["history.expire.min-snapshots-to-keep"]), MAX_LIVE_SNAPSHOTS - 1),
            keep_days=int(stated["history.expire.max-snapshot-age-ms"]) // 86_400_000,
            target_file_mb=max(1, int(stated["write.target-file-size-bytes"]) // _MEGABYTE),
            keep_hours=int(stated["foss.points.hours"]),
            compact_at_files=int(stated["foss.compact.at-files"]),
            spare_hours=int(stated["foss.unreferenced.spare-ms"]) / 3_600_000,
        )
    except (ValueError, ValidationError) as error:
        wrong = {name: stated[name] for name in standard.properties() if stated[name] != standard.properties()[name]}
        raise ConfigurationError(
            f"The maintenance properties of {table} cannot be read: {wrong}.",
            "Set whole numbers within the bounds that docs/PIPELINES.md names, or remove the property.",
        ) from error
