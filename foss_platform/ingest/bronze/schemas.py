"""The columns of bronze, quarantine and `ops.polls`, and their Iceberg types."""

import json

from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestamptzType,
)

from foss_platform.ingest.page.feed import Feed, FieldType
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import TableSpec

POLLS = TableName("ops", "polls")

#: The contract that a bronze table follows, as JSON. A changed page is compared with it.
CONTRACT_PROPERTY = "foss.contract"

#: Column with the sequence number of the commit that added the row. The number grows with every commit, and survives
#: expiry and compaction. New rows have a higher number than the last one that was read, and file statistics find them.
SEQUENCE_NUMBER = "_sequence_number"

# by default, bounds are truncated to 16 characters, which batch ids have in common
_FULL_BATCH_STATISTICS = {"write.metadata.metrics.column._batch_id": "full"}

ICEBERG_TYPES: dict[FieldType, PrimitiveType] = {
    FieldType.STRING: StringType(),
    FieldType.INT: IntegerType(),
    FieldType.LONG: LongType(),
    FieldType.FLOAT: FloatType(),
    FieldType.DOUBLE: DoubleType(),
    FieldType.BOOLEAN: BooleanType(),
    FieldType.JSON: StringType(),
}

_Column = tuple[str, PrimitiveType, bool, str]

_PLATFORM_COLUMNS: tuple[_Column, ...] = (
    ("_unknown_fields", StringType(), False, "fields that are not in the contract, as a JSON object"),
    ("_polled_at", TimestamptzType(), True, "time when the response arrived"),
    ("_batch_id", StringType(), True, "id of the batch, derived from its cause"),
    ("_record_index", IntegerType(), True, "position of the record in its poll, from 0"),
    ("_source", StringType(), True, "source of the record, without secrets"),
    (SEQUENCE_NUMBER, LongType(), True, "number of the commit that added the row; grows with every commit"),
)

_REJECTED_COLUMNS: tuple[_Column, ...] = (
    ("_batch_id", StringType(), True, "id of the batch, derived from its cause"),
    ("_record_index", IntegerType(), True, "position of the record in its poll, from 0"),
    ("_polled_at", TimestamptzType(), True, "time when the response arrived"),
    ("_source", StringType(), True, "source of the record, without secrets"),
    ("reason", StringType(), True, "how the record breaks the contract"),
    ("record", StringType(), True, "the whole record, as JSON"),
)

POLL_COLUMNS: tuple[_Column, ...] = (
    ("pipeline", StringType(), True, "the feed that was polled"),
    ("batch_id", StringType(), True, "id of the batch, derived from its cause"),
    ("cause", StringType(), True, "schedule, request or recording"),
    ("polled_at", TimestamptzType(), True, "time when the response arrived or the attempt failed"),
    ("status", StringType(), True, "accepted or failed"),
    ("source", StringType(), True, "source of the poll, without secrets"),
    ("http_status", IntegerType(), False, "the last HTTP status; empty if there was no response"),
    ("http_tries", IntegerType(), False, "number of GET requests; empty for a replayed poll"),
    ("duration_seconds", DoubleType(), False, "time from the first GET to the last byte; empty for a replayed poll"),
    ("body_bytes", LongType(), True, "length of the body after decompression"),
    ("content_hash", StringType(), False, "SHA-256 of the canonical JSON, or of the bytes if the body is not JSON"),
    ("records_accepted", LongType(), True, "number of records in bronze"),
    ("records_rejected", LongType(), True, "number of records in quarantine"),
    ("newest_data_time", TimestamptzType(), False, "the newest data time of the accepted records"),
    ("error", StringType(), False, "why the attempt failed"),
    ("error_class", StringType(), False, "transient or permanent"),
    ("body", BinaryType(), False, "the beginning of a body that could not be read"),
)


def bronze_schema(feed: Feed) -> Schema:
    """Return the schema of the feed's bronze table: the contract's fields, then the platform's columns."""
    fields = [(f.name, ICEBERG_TYPES[f.type], f.required, f.description) for f in feed.contract]
    return _schema((*fields, *_PLATFORM_COLUMNS))


def bronze_spec(feed: Feed) -> TableSpec:
    """Return the specification of the feed's bronze table."""
    return TableSpec(
        feed.bronze,
        bronze_schema(feed),
        feed.description.strip(),
        key=("_batch_id", "_record_index"),
        cluster_by="_polled_at",
        policy=feed.maintenance,
        properties={**_FULL_BATCH_STATISTICS, CONTRACT_PROPERTY: contract_text(feed)},
    )


def contract_text(feed: Feed) -> str:
    """Return the contract as text for a table property."""
    return json.dumps({f.name: {"type": f.type.value, "required": f.required} for f in feed.contract}, sort_keys=True)


def rejected_spec(feed: Feed) -> TableSpec:
    """Return the specification of the feed's quarantine table."""
    description = f"Records that break the contract of {feed.bronze}, unchanged, with the reason."
    return TableSpec(
        feed.rejected,
        _schema(_REJECTED_COLUMNS),
        description,
        key=("_batch_id", "_polled_at", "_record_index"),
        cluster_by="_polled_at",
        policy=feed.maintenance,
        properties=_FULL_BATCH_STATISTICS,
    )


def polls_spec() -> TableSpec:
    """Return the specification of the poll log: one row per attempt of every pipeline."""
    sequence: _Column = (
        SEQUENCE_NUMBER,
        LongType(),
        True,
        "number of the commit that added the row; grows with every commit",
    )
    return TableSpec(
        POLLS,
        _schema((*POLL_COLUMNS, sequence)),
        "One row per attempt to poll a feed, including failed attempts.",
        key=("batch_id", "polled_at", "status"),
        cluster_by="polled_at",
        properties={"write.metadata.metrics.column.batch_id": "full", "write.metadata.metrics.column.body": "none"},
    )


def _schema(columns: tuple[_Column, ...]) -> Schema:
    return Schema(
        *(
            NestedField(number, name, type_, required=required, doc=doc or None)
            for number, (name, type_, required, doc) in enumerate(columns, start=1)
        )
    )
