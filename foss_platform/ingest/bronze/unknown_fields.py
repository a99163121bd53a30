"""Finds fields of a feed that its contract does not list, and optional fields that the feed no longer sends."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.ingest.page.feed import Feed
from foss_platform.lake.files.conditions import equal
from foss_platform.lake.query.duckdb_views import pin, reading_cursor
from foss_platform.lake.store.failures import lake_failures
from foss_platform.lake.table.quoting import quote_text
from foss_platform.lake.table.tables import find_table
from foss_platform.settings import Settings

_SAMPLES = 3
_SAMPLE_LENGTH = 80


@dataclass(frozen=True)
class UnknownField:
    """A field that is not in the contract.

    Attributes
    ----------
    samples
        Some values in the poll, as JSON text.
    since
        Time of the first poll in bronze with this field (UTC).
    """

    name: str
    samples: Sequence[str]
    since: datetime


@dataclass(frozen=True)
class FieldDrift:
    """The differences between a batch and its contract for which no record is rejected.

    Attributes
    ----------
    absent
        Optional fields of the contract that are missing in every record.
    """

    unknown: Sequence[UnknownField] = ()
    absent: Sequence[str] = ()


def field_drift(settings: Settings, catalog: Catalog, feed: Feed, batch_id: str) -> FieldDrift:
    """Return how a batch in bronze differs from the contract. If it has unknown fields, reads older rows of bronze."""
    table = find_table(catalog, feed.bronze)
    if table is None:
        return FieldDrift()
    optional = [field.name for field in feed.contract if not field.required]
    with lake_failures():
        rows = table.scan(equal("_batch_id", batch_id), selected_fields=("_unknown_fields", *optional)).to_arrow()
    absent = [name for name in optional if rows.num_rows and rows.column(name).null_count == rows.num_rows]
    samples: dict[str, list[str]] = {}
    for kept in rows.column("_unknown_fields").drop_null().to_pylist():
        for name, value in json.loads(str(kept)).items():
            text = json.dumps(value, ensure_ascii=False)[:_SAMPLE_LENGTH]
            if text not in samples.setdefault(name, []):
                samples[name].append(text)
    unknown = [
        UnknownField(name, values[:_SAMPLES], _first_seen(settings, feed, table, name))
        for name, values in sorted(samples.items())
    ]
    return FieldDrift(unknown, absent)


def _first_seen(settings: Settings, feed: Feed, table: Table, name: str) -> datetime:
    path = quote_text(f"$.{json.dumps(name, ensure_ascii=False)}")
    connection = reading_cursor(settings, table)
    try:
        (moment,) = connection.execute(
            f"select min(_polled_at) from {pin(feed.bronze, table).relation} "
            f"where _unknown_fields is not null and json_exists(_unknown_fields, {path})"
        ).fetchall()[0]
    finally:
        connection.close()
    first: datetime = moment.astimezone(UTC)
    return first
