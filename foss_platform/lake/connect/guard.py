"""Catalogs that refuse to change a lake that belongs to another catalog.

Every change by PyIceberg calls one of the methods in `CHANGES`, even if a script changes a table directly. See
`lake.ownership.require_own` for how the owner is determined.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pyiceberg.catalog import Catalog

from foss_platform.lake.connect.sql_catalog import TransactionalSqlCatalog
from foss_platform.lake.ownership.require_own import require_own

CHANGES = (
    "commit_table",
    "create_namespace",
    "create_table",
    "create_view",
    "drop_namespace",
    "drop_table",
    "drop_view",
    "purge_table",
    "register_table",
    "register_view",
    "rename_table",
    "switch",
    "update_namespace_properties",
)

_Kind = TypeVar("_Kind", bound=type[Catalog])


def guarded(kind: _Kind) -> _Kind:
    """Decorate a catalog class: each method that changes something first checks the owner of the lake."""
    for name in CHANGES:
        setattr(kind, name, _asks_first(getattr(kind, name)))
    return kind


def _asks_first(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def asked(catalog: Catalog, *arguments: Any, **options: Any) -> Any:
        require_own(catalog)
        return method(catalog, *arguments, **options)

    return asked


@guarded
class GuardedSqlCatalog(TransactionalSqlCatalog):
    """The SQL catalog with the ownership check."""
