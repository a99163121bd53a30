"""Converts values of every type that an engine can return into types of Parquet. See `cli.shared.text_output` for text.

Parquet has no integers above 38 digits, no infinite dates and no unions. Large integers become decimals, and a union
becomes a struct of its members. Types without a Parquet type become the text of `cli.shared.text_output`: intervals,
bits, times with a zone.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from foss_platform.cli.shared.text_output import ENDLESS, field_names, texts
from foss_platform.errors import PermanentError

_WIDE = pa.decimal128(38, 0)
_MOST = 10**38 - 1


class UnstorableError(PermanentError):
    """Parquet cannot store a column."""


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema as stored in Parquet.

    Raises
    ------
    UnstorableError
        If Parquet has no type for a column. The error names the column.
    """
    return pa.schema([pa.field(field.name, _stored_type(field.name, field.type)) for field in schema])


def stored_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Convert the rows to the schema that `stored_schema` returned.

    Raises
    ------
    UnstorableError
        If Parquet cannot store a value. The error names the column.
    """
    columns = []
    for field, column in zip(schema, batch.columns, strict=True):
        try:
            columns.append(_stored(column, field.type))
        except (pa.ArrowException, OverflowError, ValueError) as error:
            raise UnstorableError(
                f"Column {field.name} cannot be written as Parquet: {str(error).rstrip('.')}.",
                "Cast it to varchar in the query, or use --format csv or json.",
            ) from None
    return pa.record_batch(columns, schema=schema)


def _stored_type(column: str, type_: Any) -> pa.DataType:
    if pa.types.is_struct(type_) or pa.types.is_union(type_):
        if not type_.num_fields:
            raise UnstorableError(f"Column {column} cannot be written as Parquet: it has a struct without fields.")
        fields = [_stored_type(column, type_.field(place).type) for place in range(type_.num_fields)]
        return pa.struct([pa.field(name, inner) for name, inner in zip(field_names(type_), fields, strict=True)])
    if pa.types.is_map(type_):
        return pa.map_(_stored_type(column, type_.key_type), _stored_type(column, type_.item_type))
    if pa.types.is_fixed_size_list(type_) or pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(_stored_type(column, type_.value_type))
    if pa.types.is_dictionary(type_):
        return _stored_type(column, type_.value_type)
    if isinstance(type_, pa.OpaqueType):
        return _WIDE if type_.type_name in ("hugeint", "uhugeint") else pa.string()
    if isinstance(type_, pa.BaseExtensionType) and type_.extension_name == "arrow.bool8":
        return pa.bool_()
    if pa.types.is_interval(type_) or pa.types.is_duration(type_):
        return pa.string()
    if pa.types.is_null(type_):
        # not all readers know Parquet's null type, so use the type that DuckDB uses
        return pa.int32()
    return pa.timestamp("ms", type_.tz) if pa.types.is_timestamp(type_) and type_.unit == "s" else type_


def _stored(array: Any, to: Any) -> Any:
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return _stored(array.dictionary_decode(), to)
    if pa.types.is_struct(type_) or pa.types.is_union(type_):
        return _struct(array, to)
    if pa.types.is_map(type_):
        first = array.offsets[0].as_py()
        size = array.offsets[-1].as_py() - first
        keys = _stored(array.keys.slice(first, size), to.key_type)
        items = _stored(array.items.slice(first, size), to.item_type)
        return pa.MapArray.from_arrays(_offsets(pc.subtract(array.offsets, first), array), keys, items, type=to)
    if pa.types.is_list(to):
        lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int32())
        ends = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
        return pa.ListArray.from_arrays(_offsets(ends, array), _stored(array.flatten(), to.value_type), type=to)
    if to.equals(_WIDE) and isinstance(type_, pa.OpaqueType):
        return _wide(array)
    if pa.types.is_string(to) and not isinstance(type_, pa.JsonType):
        return pa.array(texts(array), to)
    if isinstance(type_, pa.BaseExtensionType):
        return array.storage.cast(to) if pa.types.is_boolean(to) else array
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        _refuse_endless(array)
    return array if type_ == to else array.cast(to)


def _offsets(offsets: Any, array: Any) -> Any:
    """Return the list offsets with a null for each null list, because Arrow expects this form."""
    if not array.null_count:
        return offsets
    valid = pa.concat_arrays([array.is_valid(), pa.array([True])])
    return pc.if_else(valid, offsets, pa.scalar(None, offsets.type))


def _struct(array: Any, to: Any) -> Any:
    fields = [_stored(array.field(place), to.field(place).type) for place in range(to.num_fields)]
    if pa.types.is_struct(array.type):
        return pa.StructArray.from_arrays(fields, fields=list(to), mask=array.is_null())
    members = []
    for code, member in zip(array.type.type_codes, fields, strict=True):
        is_it = pc.equal(array.type_codes, code)
        members.append(pc.if_else(is_it, member, pa.scalar(None, member.type)))
    return pa.StructArray.from_arrays(members, fields=list(to))


def _wide(array: Any) -> Any:
    numbers = texts(array)
    if any(number is not None and abs(int(number)) > _MOST for number in numbers):
        raise ValueError("a number has more than 38 digits")
    return pa.array(numbers, pa.string()).cast(_WIDE)


def _refuse_endless(array: Any) -> None:
    most = ENDLESS["date" if pa.types.is_date(array.type) else "timestamp"]
    counts = array.cast(pa.int32() if pa.types.is_date32(array.type) else pa.int64())
    ends = pc.min_max(counts)
    if most in (ends["max"].as_py(), -(ends["min"].as_py() or 0)):
        raise ValueError("it holds an infinite date")
