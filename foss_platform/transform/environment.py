"""Environment variables of this process for the duration of a dbt run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import environ


@contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while dbt runs in this process. dbt reads them when it is invoked."""
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
