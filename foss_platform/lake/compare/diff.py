"""The differences between two states of a table: rows added, removed and changed.

DuckDB computes the differences: with a full outer join by the key or, without a key, by counting equal rows. It stores
them in a temporary table. The table and the join spill to disk, so memory is bounded.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import duckdb
import pyarrow as pa

from foss_platform.errors import PermanentError, TransientError
from foss_platform.lake.query.duckdb_arrow import arrow_rows
from foss_platform.lake.query.duckdb_views import Pin, connect, first_line
from foss_platform.lake.table.quoting import quote_name
from foss_platform.settings import Settings

_ROWS_PER_BATCH = 65_536
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


class Kind(StrEnum):
    """The kind of a row's change."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class Difference:
    """The differences between two states. They can be read while the connection is open.

    Attributes
    ----------
    key
        The columns that identify a row. Empty if whole rows were compared.
    repeated_key
        Whether whole rows were compared because a key value occurs twice.
    columns
        The compared columns, with the key first.
    only_earlier, only_later
        Columns in only one of the two states, which were not compared.
    """

    connection: duckdb.DuckDBPyConnection
    key: tuple[str, ...]
    repeated_key: bool
    columns: tuple[str, ...]
    only_earlier: tuple[str, ...]
    only_later: tuple[str, ...]
    counts: dict[Kind, int]

    def first(self, kind: Kind, limit: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return the first differing rows of a kind, ordered by key: each row before and after the change. If the row
        did not exist before or after, all its values are None there.
        """
        width = len(self.columns)
        order = ", ".join(f"coalesce(later{place}, earlier{place})" for place in range(len(self.key) or width))
        query = f"select * exclude (kind) from differences where kind = ? order by {order} limit ?"
        found = self.connection.execute(query, [kind.value, limit]).fetchall()
        return [
            (dict(zip(self.columns, row[:width], strict=True)), dict(zip(self.columns, row[width:], strict=True)))
            for row in found
        ]

    def stream(self) -> pa.RecordBatchReader:
        """Return all differing rows, ordered by kind and key, with the kind first. A changed row is returned as two."""
        change = "change" if "change" not in self.columns else "_change"
        parts = [
            self._part(Kind.ADDED, "added", "later", 0),
            self._part(Kind.REMOVED, "removed", "earlier", 0),
            self._part(Kind.CHANGED, "changed_from", "earlier", 0),
            self._part(Kind.CHANGED, "changed_to", "later", 1),
        ]
        named = ", ".join(f"c{place} as {quote_name(column)}" for place, column in enumerate(self.columns))
        order = ", ".join(f"c{place}" for place in range(len(self.key) or len(self.columns)))
        query = f"select change as {change}, {named} from ({' union all '.join(parts)}) order by kind, {order}, place"
        return arrow_rows(self.connection, query, _ROWS_PER_BATCH, exact=True)

    def _part(self, kind: Kind, change: str, side: str, place: int) -> str:
        values = ", ".join(f"{side}{number} as c{number}" for number in range(len(self.columns)))
        return f"select kind, '{change}' as change, {place} as place, {values} from differences where kind = '{kind}'"


@contextmanager
def compared(
    settings: Settings,
    earlier: Pin,
    later: Pin,
    key: Sequence[str],
    ignored: Collection[str] = (),
    tolerances: Mapping[str, float] | None = None,
) -> Iterator[Difference]:
    """Compare two states of one table.

    Parameters
    ----------
    key
        The columns that identify a row. If a state lacks one of them, or a key value occurs twice in a state, whole
        rows and their counts are compared.
    ignored
        Columns that are not part of a row's content.
    tolerances
        By column, the largest difference at which two numbers count as equal. Only used if rows are compared by key.

    Raises
    ------
    PermanentError
        If the two states have no column in common.
    TransientError
        If DuckDB cannot read or compare them.
    """
    connection = connect(settings)
    try:
        try:
            found = _compare(connection, earlier, later, tuple(key), ignored, tolerances or {})
        except duckdb.Error as error:
            raise TransientError(
                f"The states of {later.name} could not be compared: {first_line(error)}",
                "More memory (FOSS_DUCKDB_MEMORY_LIMIT) or spill space may help. `foss sql --at` reads each "
                "state alone.",
            ) from error
        yield found
    finally:
        connection.close()


def _compare(
    connection: duckdb.DuckDBPyConnection,
    earlier: Pin,
    later: Pin,
    key: tuple[str, ...],
    ignored: Collection[str],
    tolerances: Mapping[str, float],
) -> Difference:
    before, after = _columns(connection, earlier), _columns(connection, later)
    common = [column for column in after if column in before and column not in ignored]
    if not common:
        raise PermanentError(f"The two states of {later.name} have no column in common.")
    key = key if set(key) <= set(common) else ()
    columns = (*key, *(column for column in common if column not in key))
    alike = {column: _comparable(before[column], after[column]) for column in columns}
    sides = [
        ", ".join(
            f"{quote_name(c) if alike[c] else f'cast({quote_name(c)} as varchar)'} as c{n}"
            for n, c in enumerate(columns)
        )
        + f" from {pinned.relation}"
        for pinned in (earlier, later)
    ]
    repeated = bool(key) and any(_repeats(connection, side, len(key)) for side in sides)
    key = () if repeated else key
    allowed = {columns.index(column): far for column, far in tolerances.items() if column in columns}
    query = _by_key(sides, len(columns), len(key), allowed) if key else _by_whole_rows(sides, len(columns))
    connection.execute(f"create temp table differences as {query}")
    totals = connection.execute("select kind, count(*) from differences group by kind").fetchall()
    found = {Kind(kind): count for kind, count in totals}
    return Difference(
        connection,
        key,
        repeated,
        columns,
        only_earlier=tuple(column for column in before if column not in after),
        only_later=tuple(column for column in after if column not in before),
        counts={kind: found.get(kind, 0) for kind in Kind},
    )


def _columns(connection: duckdb.DuckDBPyConnection, pinned: Pin) -> dict[str, str]:
    described = connection.execute(f"describe select * from {pinned.relation}").fetchall()
    return {column[0]: column[1] for column in described}


def _comparable(one: str, other: str) -> bool:
    """Whether DuckDB can compare values of the two types. A column may have been created again with another type."""
    return one == other or (one.startswith(_NUMBERS) and other.startswith(_NUMBERS))


def _repeats(connection: duckdb.DuckDBPyConnection, side: str, key_width: int) -> bool:
    key = ", ".join(f"c{place}" for place in range(key_width))
    query = f"select 1 from (select {side}) group by {key} having count(*) > 1 limit 1"
    return connection.execute(query).fetchone() is not None


def _by_key(sides: Sequence[str], width: int, key_width: int, allowed: Mapping[int, float]) -> str:
    same_key = " and ".join(f"earlier.c{n} is not distinct from later.c{n}" for n in range(key_width))
    other = "".join(f" or {_differs(n, allowed.get(n))}" for n in range(key_width, width))
    values = [f"{side}.c{n} as {side}{n}" for side in ("earlier", "later") for n in range(width)]
    return (
        f"select case when earlier.present is null then '{Kind.ADDED}' when later.present is null then "
        f"'{Kind.REMOVED}' else '{Kind.CHANGED}' end as kind, {', '.join(values)} "
        f"from (select true as present, {sides[0]}) as earlier "
        f"full outer join (select true as present, {sides[1]}) as later on {same_key} "
        f"where earlier.present is null or later.present is null{other}"
    )


def _differs(place: int, tolerance: float | None) -> str:
    one, other = f"earlier.c{place}", f"later.c{place}"
    differs = f"{one} is distinct from {other}"
    return differs if tolerance is None else f"({differs} and coalesce(abs({one} - {other}) > {tolerance!r}, true))"


def _by_whole_rows(sides: Sequence[str], width: int) -> str:
    # One aggregation, which can spill to disk. EXCEPT ALL, once in each direction, would process both states twice.
    columns = ", ".join(f"c{n}" for n in range(width))
    earlier = ", ".join(f"case when more < 0 then c{n} end as earlier{n}" for n in range(width))
    later = ", ".join(f"case when more > 0 then c{n} end as later{n}" for n in range(width))
    return (
        f"select case when more > 0 then '{Kind.ADDED}' else '{Kind.REMOVED}' end as kind, {earlier}, {later} "
        f"from (select {columns}, sum(one)::bigint as more from "
        f"(select -1 as one, {sides[0]} union all select 1 as one, {sides[1]}) group by {columns} having more <> 0) "
        f"as counted, unnest(range(abs(counted.more)))"
    )
