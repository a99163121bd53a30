"""The connection to the catalog is lost while several tables are switched: the outcome is found out, never guessed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pyiceberg.catalog import Catalog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from foss_platform.errors import TransientError
from foss_platform.lake.commit.change import Change
from foss_platform.lake.commit.commit_with_retry import apply_change
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.lake.three_tables import A, adding, catalog, change_all, ids

__all__ = ["catalog"]


@contextmanager
def commit_replaced(replacement: Callable[[Connection, Callable[[], None]], None]) -> Iterator[None]:
    """Replace the commit of the next transaction of the catalog's database."""
    original = Connection.commit
    replaced = pytest.MonkeyPatch()

    def commit(connection: Connection) -> None:
        replaced.undo()
        replacement(connection, lambda: original(connection))

    replaced.setattr(Connection, "commit", commit)
    try:
        yield
    finally:
        replaced.undo()


def lost(said: str = "server closed the connection") -> OperationalError:
    return OperationalError("COMMIT", {}, Exception(said))


def test_a_commit_whose_answer_was_lost_is_found_out(catalog: Catalog) -> None:
    def answer_lost(_: Connection, commit: Callable[[], None]) -> None:
        commit()
        raise lost()

    with commit_replaced(answer_lost):
        change_all(catalog)
    assert ids(catalog) == {"bronze.a": [0], "gold.b": [1], "ops.c": [2]}


def test_a_commit_that_was_lost_on_the_way_is_found_out(catalog: Catalog) -> None:
    def never_sent(_: Connection, commit: Callable[[], None]) -> None:
        raise lost()

    with commit_replaced(never_sent), pytest.raises(TransientError, match="server closed the connection"):
        change_all(catalog)
    assert ids(catalog) == {"bronze.a": [], "gold.b": [], "ops.c": []}
    change_all(catalog)
    assert ids(catalog) == {"bronze.a": [0], "gold.b": [1], "ops.c": [2]}


@pytest.mark.parametrize("landed", [True, False])
def test_others_have_committed_before_the_outcome_is_found_out(
    catalog: Catalog, settings: Settings, *, landed: bool
) -> None:
    def overtaken(connection: Connection, commit: Callable[[], None]) -> None:
        if landed:
            commit()
        else:
            connection.rollback()
        apply_change(open_catalog(settings), A, adding(100))
        raise lost()

    with commit_replaced(overtaken):
        if landed:
            change_all(catalog)
        else:
            with pytest.raises(TransientError, match="server closed the connection"):
                change_all(catalog)
    assert ids(catalog)["bronze.a"] == ([0, 100] if landed else [100])


def test_an_outcome_that_cannot_be_found_out_is_not_guessed(catalog: Catalog, settings: Settings) -> None:
    def overtaken_often(_: Connection, commit: Callable[[], None]) -> None:
        commit()
        other = open_catalog(settings)
        for number in range(25):
            apply_change(other, A, lambda _, number=number: Change(properties={"n": str(number)}))  # type: ignore[misc]
        raise lost()

    with commit_replaced(overtaken_often), pytest.raises(TransientError, match="too often since then to find out"):
        change_all(catalog)


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_deadlocks_and_serialization_failures_are_tried_again(catalog: Catalog, code: str) -> None:
    class ChosenError(Exception):
        pgcode = code

    def chosen(_: Connection, commit: Callable[[], None]) -> None:
        raise OperationalError("COMMIT", {}, ChosenError())

    with commit_replaced(chosen):
        change_all(catalog)
    assert ids(catalog) == {"bronze.a": [0], "gold.b": [1], "ops.c": [2]}
