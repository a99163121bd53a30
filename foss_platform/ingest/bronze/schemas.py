"""The columns of bronze, quarantine and `ops.polls`, and their Iceberg types. Not here: their rows."""

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

#: The contract that a bronze table's columns follow, as JSON: what a changed page is compared with.
CONTRACT_PROPERTY = "foss.contract"

#: Stamped by the commit that brought a row: grows with every commit, survives expiry and compaction,
#: so "what is new since I last read" is one comparison that file statistics prune.
SEQUENCE_NUMBER = "_sequence_number"

# 16 characters, the default, end before the part of a batch id that differs
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
    ("_unknown_fields", StringType(), False, "what the contract does not know, as a JSON object"),
    ("_polled_at", TimestamptzType(), True, "when the answer arrived"),
    ("_batch_id", StringType(), True, "the batch, named after its cause"),
    ("_record_index", IntegerType(), True, "the record's place in its poll, from 0"),
    ("_source", StringType(), True, "where it came from"),
    (SEQUENCE_NUMBER, LongType(), True, "the commit that brought it; grows with every commit"),
)

_REJECTED_COLUMNS: tuple[_Column, ...] = (
    ("_batch_id", StringType(), True, "the batch, named after its cause"),
    ("_record_index", IntegerType(), True, "the record's place in its poll, from 0"),
    ("_polled_at", TimestamptzType(), True, "when the answer arrived"),
    ("_source", StringType(), True, "where it came from"),
    ("reason", StringType(), True, "what of the contract it breaks"),
    ("record", StringType(), True, "the whole record, as JSON"),
)

POLL_COLUMNS: tuple[_Column, ...] = (
    ("pipeline", StringType(), True, "the feed that was polled"),
    ("batch_id", StringType(), True, "the batch, named after its cause"),
    ("cause", StringType(), True, "schedule, request or recording"),
    ("polled_at", TimestamptzType(), True, "when the answer arrived, or the attempt failed"),
    ("status", StringType(), True, "accepted or failed"),
    ("source", StringType(), True, "where it came from, without secrets"),
    ("http_status", IntegerType(), False, "the last HTTP status; empty where there was no answer"),
    ("http_tries", IntegerType(), False, "GETs made; empty for a replayed poll"),
    ("duration_seconds", DoubleType(), False, "from the first GET to the last byte; empty for a replayed poll"),
    ("body_bytes", LongType(), True, "length of the body after decompression"),
    ("content_hash", StringType(), False, "SHA-256 of the canonical JSON, or of the bytes where it is not JSON"),
    ("records_accepted", LongType(), True, "records in bronze"),
    ("records_rejected", LongType(), True, "records in quarantine"),
    ("newest_data_time", TimestamptzType(), False, "the newest of the accepted records' own times"),
    ("error", StringType(), False, "why it failed"),
    ("error_class", StringType(), False, "passing or lasting"),
    ("body", BinaryType(), False, "the beginning of a body that could not be read"),
)


def bronze_schema(feed: Feed) -> Schema:
    """The columns of the feed's bronze table: its contract's fields, then what the platform adds."""
    fields = [(f.name, ICEBERG_TYPES[f.type], f.required, f.description) for f in feed.contract]
    return _schema((*fields, *_PLATFORM_COLUMNS))


def bronze_spec(feed: Feed) -> TableSpec:
    """The feed's bronze table."""
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
    """The contract as a table property remembers it."""
    return json.dumps({f.name: {"type": f.type.value, "required": f.required} for f in feed.contract}, sort_keys=True)


def rejected_spec(feed: Feed) -> TableSpec:
    """The feed's quarantine table."""
    description = f"Records of {feed.bronze} that broke its contract, whole, with the reason."
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
    """The poll log: one row per attempt of every pipeline."""
    sequence: _Column = (SEQUENCE_NUMBER, LongType(), True, "the commit that brought it; grows with every commit")
    return TableSpec(
        POLLS,
        _schema((*POLL_COLUMNS, sequence)),
        "One row per attempt to poll a feed, failed ones too.",
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
