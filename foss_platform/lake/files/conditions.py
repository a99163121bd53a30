"""Conditions on rows for Iceberg scans, in one place because type checkers misread PyIceberg's predicates.

Times are given as ISO 8601 text, which PyIceberg's literals accept.
"""

from collections.abc import Iterable
from typing import Any, cast

from pyiceberg import expressions
from pyiceberg.expressions import BooleanExpression


def equal(column: str, value: str | int) -> BooleanExpression:
    """`column` = `value`."""
    return _predicate(expressions.EqualTo, column, value)


def at_least(column: str, value: str | int) -> BooleanExpression:
    """`column` >= `value`."""
    return _predicate(expressions.GreaterThanOrEqual, column, value)


def at_most(column: str, value: str | int) -> BooleanExpression:
    """`column` <= `value`."""
    return _predicate(expressions.LessThanOrEqual, column, value)


def below(column: str, value: str | int) -> BooleanExpression:
    """`column` < `value`."""
    return _predicate(expressions.LessThan, column, value)


def one_of(column: str, values: Iterable[str]) -> BooleanExpression:
    """`column` is one of `values`."""
    return cast(BooleanExpression, cast(Any, expressions.In)(column, set(values)))


def is_present(column: str) -> BooleanExpression:
    """`column` holds a value."""
    return _predicate(expressions.NotNull, column)


def is_missing(column: str) -> BooleanExpression:
    """`column` holds no value."""
    return _predicate(expressions.IsNull, column)


def _predicate(kind: Any, *arguments: str | int) -> BooleanExpression:
    return cast(BooleanExpression, kind(*arguments))
