"""Engines alternate on one lake: the rows stay correct, and maintenance handles the files that Trino leaves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from foss_platform.engine import Engine
from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.lake.build.commit_and_compact import Change, commit, maintain_after_commit
from foss_platform.lake.build.rollback import plan_rollback, roll_back
from foss_platform.lake.compare.diff import Kind, compared
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.files.data_files import EVERY_ROW
from foss_platform.lake.files.row_deletes import all_delete_files, has_delete_files
from foss_platform.lake.files.table_files import Storage
from foss_platform.lake.maintenance.maintain import maintain
from foss_platform.lake.maintenance.referenced_files import references_of
from foss_platform.lake.maintenance.unreferenced_files import NOTES
from foss_platform.lake.query.duckdb_views import pin
from foss_platform.lake.query.query import ask
from foss_platform.lake.snapshots.points import all_points, live_points, pinned_points, point_at
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.policy import MAX_LIVE_SNAPSHOTS
from foss_platform.lake.table.positions import consumed_positions
from foss_platform.lake.table.tables import list_tables, load_table
from foss_platform.settings import Settings, load_settings
from foss_platform.transform.project.parsed import prepare_project
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import (
    GOLD,
    SILVER,
    Pipeline,
    compare,
    expected,
    made_up_polls,
)
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.tables import content

MODELS = (SILVER, *GOLD)
NAME = TableName("silver", "things")
SORTED = """
    create or replace table silver.things with (format_version = 2, sorted_by = array['at'])
    as select cast(n as bigint) as id, timestamp '2026-03-01 00:00:00.000000 UTC' + n * interval '1' hour as at
    from unnest(sequence({first}, {last})) as t(n)
"""
# as in an increment: a row is added and another is changed
STEP = """
    merge into silver.things as trino_pipeline
    using (values bigint '{new}', bigint '{old}') as step (id) on trino_pipeline.id = step.id
    when matched then update set at = current_timestamp
    when not matched then insert (id, at) values (step.id, current_timestamp)
"""


def is_whole(catalog: Catalog, name: TableName) -> None:
    """Assert that all stored files are referenced, and that each state is readable with its recorded row count."""
    table = load_table(catalog, name)
    storage = Storage(table)
    found = references_of(table, pinned_points(table), storage.path_of)
    stored = {file.path for file in storage.list_files()}
    assert stored == found.needed.keys() | found.past | {f"{storage.root}/{NOTES}"}


def maintenance(catalog: Catalog, name: TableName) -> Table:
    maintain(catalog, name, datetime.now(UTC), trigger="command", older_than=timedelta())
    table = load_table(catalog, name)
    assert not has_delete_files(table)
    return table


class Turns:
    """One pipeline on two engines, compared with the oracle after every event."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        self.engines = {engine: settings.model_copy(update={"engine": engine}) for engine in Engine}
        for chosen in self.engines.values():
            prepare_project(chosen)
        self.pipeline = Pipeline(settings, feed)
        self.catalog = self.pipeline.catalog
        self.polls: list[RecordedPoll] = []

    def step(self, engine: Engine, polls: list[RecordedPoll]) -> None:
        self.pipeline.ingest(polls)
        self.polls += polls
        self.pipeline.settings = self.engines[engine]
        self.pipeline.build()
        self.compare()

    def compare(self) -> None:
        compare(content(self.pipeline.settings, MODELS), expected(self.pipeline, self.polls))

    def each(self, change: Callable[[TableName], object]) -> None:
        for name in list_tables(self.catalog):
            if str(name) in MODELS:
                change(name)


def test_engines_alternate_with_maintenance_in_between(trino: TrinoOnLake, feed: Feed) -> None:
    turns = Turns(load_settings(), feed)
    polls = made_up_polls(23, 40)
    turns.step(Engine.TRINO, polls[:10])
    turns.step(Engine.TRINO, polls[10:14])
    assert any(all_delete_files(turns.catalog.load_table(model)) for model in MODELS)
    moment = max(live_points(turns.catalog.load_table(model))[-1].committed_at for model in MODELS)
    then = content(turns.pipeline.settings, MODELS)

    turns.step(Engine.DUCKDB, polls[14:18])
    turns.step(Engine.TRINO, polls[18:22])
    turns.each(lambda name: maintenance(turns.catalog, name))
    turns.compare()
    turns.step(Engine.TRINO, polls[22:24])
    turns.each(lambda name: trino.access.rows(f"alter table {name} execute optimize"))
    turns.compare()
    turns.step(Engine.DUCKDB, polls[24:30])

    turns.each(lambda name: roll_back(turns.catalog, plan_rollback(turns.catalog, name, moment)))
    assert content(turns.pipeline.settings, MODELS) == then
    turns.step(Engine.TRINO, polls[30:34])
    turns.step(Engine.DUCKDB, polls[34:])
    turns.each(lambda name: maintenance(turns.catalog, name))
    turns.compare()
    turns.each(lambda name: is_whole(turns.catalog, name))


def test_files_of_trino_are_kept_while_they_are_needed(trino: TrinoOnLake) -> None:
    ask_trino, settings = trino.access.rows, load_settings()
    catalog = open_catalog(settings)
    for schema in ("silver", "gold"):
        ask_trino(f"create schema {schema}")
    ask_trino(SORTED.format(first=1, last=20))
    table = load_table(catalog, NAME)
    assert len(table.metadata.statistics) == 1
    assert table.sort_order().fields
    ask_trino("create view gold.shown as select * from silver.things")
    assert list_tables(catalog) == [NAME]

    ask_trino("delete from silver.things where id <= 5")
    ask_trino("update silver.things set at = at + interval '1' day where id = 20")
    # the snapshot of a full build has no parent, but the earlier state was current until then
    ask_trino(SORTED.format(first=3, last=30))
    ask_trino("delete from silver.things where id = 30")
    live = live_points(load_table(catalog, NAME))
    assert [point.until is not None for point in live] == [True] * 4 + [False]
    counts = [20, 15, 15, 28, 27]
    for point, count in zip(live, counts, strict=True):
        for moment in (point.committed_at, point.until or datetime.now(UTC)):
            rows = ask(settings, catalog, f"select count(*) as n from {NAME}", moment).reader.read_all()
            assert rows.to_pylist() == [{"n": count}]
    earlier, later = (pin(NAME, load_table(catalog, NAME), live[place].snapshot_id) for place in (2, 4))
    with compared(settings, earlier, later, ("id",)) as found:
        assert found.counts == {Kind.ADDED: 12, Kind.REMOVED: 0, Kind.CHANGED: 1}

    table = maintenance(catalog, NAME)
    assert {file.snapshot_id for file in table.metadata.statistics} == {live[0].snapshot_id, live[3].snapshot_id}
    is_whole(catalog, NAME)
    assert ask_trino("select count(*), sum(id) from silver.things") == [[27, sum(range(3, 30))]]

    commit(catalog, NAME, lambda now: Change(now.scan().to_arrow(), EVERY_ROW, properties={"foss.position.s": "u:9"}))
    back = roll_back(catalog, plan_rollback(catalog, NAME, live[1].committed_at))
    assert consumed_positions(back) == {}
    assert ask_trino("select count(*), min(id) from silver.things") == [[15, 6]]
    maintenance(catalog, NAME)
    is_whole(catalog, NAME)


def test_many_increments_of_trino_stay_within_the_limits(trino: TrinoOnLake) -> None:
    ask_trino, settings = trino.access.rows, load_settings()
    catalog = open_catalog(settings)
    ask_trino("create schema silver")
    ask_trino(SORTED.format(first=1, last=5))
    rows, most = {}, 0
    for number in range(6, 50):
        ask_trino(STEP.format(new=number, old=number - 1))
        maintain_after_commit(catalog, NAME, load_table(catalog, NAME))
        table = load_table(catalog, NAME)
        most = max(most, len(table.metadata.snapshots))
        rows[number] = max(point.committed_at for point in live_points(table))
        assert len(all_delete_files(table)) < 20
    assert most <= 31 < MAX_LIVE_SNAPSHOTS
    maintenance(catalog, NAME)
    is_whole(catalog, NAME)
    table = load_table(catalog, NAME)
    readable = {point.snapshot_id for point in all_points(table)}
    assert len(readable) >= 20
    for newest, moment in list(rows.items())[-15:]:
        answer = ask(settings, catalog, f"select count(*) as n, max(id) as m from {NAME}", moment).reader.read_all()
        assert answer.to_pylist() == [{"n": newest, "m": newest}]
        assert point_at(table, moment).snapshot_id in readable
