"""Ownership of a warehouse: its mark names the lake and its catalog, and only that catalog may change the files.

Two catalogs over one warehouse destroy each other's tables, because the maintenance of each treats the files of the
other as unreferenced. A copied home once deleted 56 files of its original this way. So everything that writes or
deletes calls `require_own` first: commits (`lake.connect.guard`), files (`lake.files.table_files`,
`lake.files.data_files`), and runs before they start.

This module refuses changes and writes the first mark. See `lake.ownership.owner` for the judgement, and
`lake.adopt.adopt` for the remedy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from pyiceberg.catalog import Catalog

from foss_platform.errors import TransientError
from foss_platform.lake.ownership.mark import MARK, ForeignLakeError, new_mark, read_mark
from foss_platform.lake.ownership.owner import Ownership, ownership_of
from foss_platform.lake.store.failures import lake_failures


def require_own(catalog: Catalog) -> None:
    """Raise unless the catalog may change its tables' files. Mark a warehouse that has no mark yet.

    The check runs once per opened catalog. It takes a few milliseconds on a folder, and one or two requests on a
    bucket.

    Raises
    ------
    ForeignLakeError
        If the files belong to another catalog.
    TransientError
        If the store or catalog does not answer.
    """
    known = _known(catalog)
    with known.lock:
        if known.is_own or known.is_being_adopted:
            return
        ownership = ownership_of(catalog)
        if not ownership.is_own:
            raise ForeignLakeError(ownership.problem, ownership.remedy)
        if not ownership.is_marked:
            _mark_first(ownership)
        known.is_own = True


def judge(catalog: Catalog) -> Ownership:
    """As `ownership_of`, but if the catalog owns the lake, this is remembered, and `require_own` does not check again.

    Raises
    ------
    ForeignLakeError
        If a mark cannot be read.
    TransientError
        If the store or catalog does not answer.
    """
    ownership = ownership_of(catalog)
    if ownership.is_own and ownership.is_marked:
        _known(catalog).is_own = True
    return ownership


@contextmanager
def adopting(catalog: Catalog) -> Iterator[None]:
    """Allow changes to files of another catalog while they are being adopted."""
    known = _known(catalog)
    known.is_being_adopted = True
    try:
        yield
    finally:
        known.is_being_adopted = False


def _mark_first(ownership: Ownership) -> None:
    assert ownership.warehouse is not None
    assert ownership.identity is not None
    with lake_failures():
        ownership.warehouse.create(MARK, new_mark(ownership.warehouse, ownership.identity).content())
        # Read the mark back: another process may have written one first, for this catalog or for another.
        mark = read_mark(ownership.warehouse)
    if mark is None:
        raise TransientError(f"The mark {MARK} of {ownership.warehouse.location} was missing after it was written.")
    if not mark.catalog.is_same(ownership.identity):
        taken = replace(ownership, owner=mark, place=ownership.warehouse)
        raise ForeignLakeError(taken.problem, taken.remedy)


@dataclass
class _Known:
    lock: Any
    is_own: bool = False
    is_being_adopted: bool = False


_LOOKED_UP: WeakKeyDictionary[Catalog, _Known] = WeakKeyDictionary()
_LOCK = Lock()


def _known(catalog: Catalog) -> _Known:
    with _LOCK:
        return _LOOKED_UP.setdefault(catalog, _Known(Lock()))
