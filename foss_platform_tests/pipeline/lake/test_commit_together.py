"""Changes of several tables are committed all or none, and only the table that lost a conflict is planned again."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from sqlalchemy import Engine, event

from foss_platform.lake.commit import commit_with_retry
from foss_platform.lake.commit.change import Change, Plan, TableChange
from foss_platform.lake.commit.commit_with_retry import LostTableError, apply_change, apply_changes
from foss_platform.lake.commit.stage_change import StagedChange, stage_change
from foss_platform.lake.connect import sql_catalog, switch
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.maintenance.referenced_files import references_of
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import find_tables, load_table
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.lake.three_tables import (
    NAMES,
    A,
    B,
    C,
    adding,
    catalog,
    change_all,
    files,
    ids,
    rows,
    tables,
)

__all__ = ["catalog"]


class Meddler:
    """Commits to tables from another catalog object, just before the next switches.

    Attributes
    ----------
    planned, staged
        How often each table was planned and staged by the commit under test.
    """

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch, *rounds: tuple[TableName, ...]) -> None:
        self.planned: Counter[TableName] = Counter()
        self.staged: Counter[TableName] = Counter()
        self._rounds, self._settings, self._busy = list(rounds), settings, False
        monkeypatch.setattr(sql_catalog, "switch_tables", self._switch)
        monkeypatch.setattr(commit_with_retry, "stage_change", self._stage)

    def counted(self, name: TableName, plan: Plan) -> Plan:
        def counting(table: Table) -> Change | None:
            self.planned[name] += 1
            return plan(table)

        return counting

    def _switch(self, *arguments: Any) -> None:
        if not self._busy and self._rounds:
            self._busy = True
            other = open_catalog(self._settings)
            for name in self._rounds.pop(0):
                apply_change(other, name, adding(100))
            self._busy = False
        switch.switch_tables(*arguments)

    def _stage(self, catalog: Catalog, table: Table, change: Change) -> StagedChange | None:
        if not self._busy:
            self.staged[TableName(*table.name())] += 1
        return stage_change(catalog, table, change)


def test_all_tables_change_at_once(catalog: Catalog) -> None:
    statements: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("UPDATE"):
            statements.append(next(value for value in parameters if value in ("a", "b", "c")))

    try:
        committed = apply_changes(catalog, [TableChange(name, adding(n)) for n, name in enumerate((C, A, B))])
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert ids(catalog) == {"bronze.a": [1], "gold.b": [2], "ops.c": [0]}
    # in the order of the names, so that two transactions never wait for each other
    assert statements == ["a", "b", "c"]
    assert {name: table.metadata_location for name, table in committed.items()} == {
        name: table.metadata_location for name, table in tables(catalog).items()
    }


def test_only_the_table_that_lost_is_planned_and_staged_again(
    catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    meddler = Meddler(settings, monkeypatch, (B,), (B, C))
    apply_changes(catalog, [TableChange(name, meddler.counted(name, adding(n))) for n, name in enumerate(NAMES)])
    assert ids(catalog) == {"bronze.a": [0], "gold.b": [1, 100, 100], "ops.c": [2, 100]}
    assert meddler.planned == meddler.staged == Counter({A: 1, B: 3, C: 2})


def test_a_table_whose_plan_depends_on_another_is_planned_again(
    catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = 0

    def first(table: Table) -> Change:
        nonlocal known
        known = table.scan().to_arrow().num_rows
        return Change(rows(1))

    meddler = Meddler(settings, monkeypatch, (A,), (B,))
    dependent = TableChange(C, meddler.counted(C, lambda _: Change(rows(known))), lambda: known)
    apply_changes(catalog, [TableChange(A, first), TableChange(B, adding(2)), dependent])
    # C was planned again after the conflict over A, and not after the one over B
    assert ids(catalog)["ops.c"] == [1]
    assert meddler.planned[C] == 2


def test_a_lost_change_leaves_no_file(catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    Meddler(settings, monkeypatch, (A, C), (B,))
    apply_changes(catalog, [TableChange(name, adding(n)) for n, name in enumerate(NAMES)])
    needed: set[str] = set()
    for table in tables(catalog).values():
        found = references_of(table, (), lambda location: location.removeprefix("file://"))
        needed |= found.needed.keys() | found.past
    assert files(settings) == needed


def test_after_too_many_conflicts_nothing_is_written(
    catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    meddler = Meddler(settings, monkeypatch, (B,), (B,), (B,))
    changes = [TableChange(A, adding(1)), TableChange(B, adding(2), tries=3), TableChange(C, adding(3))]
    with pytest.raises(LostTableError, match=r"^gold\.b changed during 3 tries to commit to it\.") as caught:
        apply_changes(catalog, changes)
    assert caught.value.names == {B}
    assert ids(catalog) == {"bronze.a": [], "gold.b": [100, 100, 100], "ops.c": []}
    assert meddler.staged[A] == 1
    assert not any("/bronze/a/data/" in path or "/ops/c/data/" in path for path in files(settings))


def test_tables_without_a_change_are_left_alone(catalog: Catalog) -> None:
    before = {name: table.metadata_location for name, table in tables(catalog).items()}
    apply_changes(catalog, [TableChange(A, lambda _: None), TableChange(B, adding(1))])
    after = {name: table.metadata_location for name, table in tables(catalog).items()}
    assert [name for name in NAMES if before[name] != after[name]] == [B]


def test_metadata_is_read_once(catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = FromInputFile.table_metadata

    def counted(file: Any) -> Any:
        read.append(file.location)
        return original(file)

    monkeypatch.setattr(FromInputFile, "table_metadata", staticmethod(counted))
    fresh = open_catalog(settings)
    for _ in range(3):
        change_all(fresh)
        load_table(fresh, A)
    assert sorted(re.sub(r".*/(\w+)/metadata/.*", r"\1", path) for path in read) == ["a", "b", "c"]
    # another process changes one table
    apply_change(open_catalog(settings), B, adding(9))
    read.clear()
    assert ids(fresh)["gold.b"] == [1, 1, 1, 9]
    assert len(read) == 1


def test_all_tables_are_loaded_by_one_query(catalog: Catalog) -> None:
    queries = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        queries.append(statement)

    try:
        found = find_tables(catalog, [*NAMES, TableName("gold", "missing")])
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert set(found) == set(NAMES)
    assert len(queries) == 1


def test_a_thousand_names_fit_into_a_query(catalog: Catalog) -> None:
    names = [TableName("gold", f"missing_{number}") for number in range(1_000)]
    assert set(find_tables(catalog, [*names, A])) == {A}


def test_the_switch_is_the_only_statement_that_moves_a_table() -> None:
    package = Path(switch.__file__).parents[2]
    moves = re.compile(r"\bupdate\(IcebergTables|update\s+iceberg_tables", re.IGNORECASE)
    modules = [path for path in sorted(package.rglob("*.py")) if moves.search(path.read_text(encoding="utf-8"))]
    assert modules == [Path(switch.__file__)]
