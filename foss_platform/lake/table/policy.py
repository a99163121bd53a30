"""A table's retention and maintenance policy, and the table properties that store it.

If Iceberg defines a property for the purpose, its name is used
(https://iceberg.apache.org/docs/latest/configuration/), so that other engines follow the same policy.
"""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foss_platform.errors import ConfigurationError

#: Upper limit of live snapshots in a table, including tags. An append takes 15 ms with 10 live snapshots, 50 ms with
# 100, and over 1 s with 1,500.
MAX_LIVE_SNAPSHOTS = 60

_MEGABYTE = 1024 * 1024


class TablePolicy(BaseModel):
    """Which states of a table are retained, and how its files are maintained.

    Attributes
    ----------
    keep_commits
        Number of newest commits whose states are retained.
    keep_hours
        Number of hours for which the state at each full hour is retained.
    keep_days
        Number of days for which the state at each midnight (UTC) is retained.
    target_file_mb
        Target size of a compacted data file in megabytes. A file is written from at most 192 MB of rows in memory,
        which become 10 to 20 MB for the parking feed. So a larger target may not be reached.
    compact_at_files
        Number of small files of one day that triggers a compaction.
    keep_unreferenced_hours
        How long an unreferenced file is retained. Must be longer than any read or write of the table takes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_commits: int = Field(default=20, ge=1, lt=MAX_LIVE_SNAPSHOTS)
    keep_hours: int = Field(default=24, ge=0, le=24 * 31)
    keep_days: int = Field(default=365, ge=0, le=3660)
    target_file_mb: int = Field(default=16, ge=1, le=2048)
    compact_at_files: int = Field(default=20, ge=2, le=10_000)
    keep_unreferenced_hours: float = Field(default=6, ge=0, le=24 * 366)

    @property
    def target_file_bytes(self) -> int:
        """The size of a compacted data file."""
        return self.target_file_mb * _MEGABYTE

    @property
    def small_file_bytes(self) -> int:
        """The size below which a file is small: half the target size, so that compacted files are not small."""
        return self.target_file_bytes // 2

    @property
    def keep_unreferenced(self) -> timedelta:
        """How long an unreferenced file is retained."""
        return timedelta(hours=self.keep_unreferenced_hours)

    def properties(self) -> dict[str, str]:
        """Return the policy as table properties."""
        return {
            "history.expire.min-snapshots-to-keep": str(self.keep_commits),
            "history.expire.max-snapshot-age-ms": str(self.keep_days * 86_400_000),
            "write.target-file-size-bytes": str(self.target_file_bytes),
            "foss.points.hours": str(self.keep_hours),
            "foss.compact.at-files": str(self.compact_at_files),
            "foss.unreferenced.keep-ms": str(round(self.keep_unreferenced_hours * 3_600_000)),
        }


def policy_of(properties: Mapping[str, str], table: str) -> TablePolicy:
    """Return the policy in a table's properties. A missing property has its default.

    Parameters
    ----------
    table
        The table's name, for the error.

    Raises
    ------
    ConfigurationError
        If a property is not a number or is out of bounds.
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
            keep_unreferenced_hours=int(stated["foss.unreferenced.keep-ms"]) / 3_600_000,
        )
    except (ValueError, ValidationError) as error:
        wrong = {name: stated[name] for name in standard.properties() if stated[name] != standard.properties()[name]}
        raise ConfigurationError(
            f"The maintenance properties of {table} are invalid: {wrong}.",
            "Set whole numbers within the bounds in docs/PIPELINES.md, or remove the property.",
        ) from error
