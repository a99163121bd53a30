"""Variables of this process for as long as dbt runs in it. Nothing else: what they say is their callers'."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import environ


@contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process while dbt runs in it, which reads them when it is invoked."""
    before = {name: environ.get(name) for name in variables}
    environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value
