"""Checks that the servers of a benchmark are installed. See `foss_platform_tests.services` for their start."""

from pathlib import Path

from foss_platform_tests.benchmarks.measure import BenchmarkError
from foss_platform_tests.services.servers.cache import kept_folder
from foss_platform_tests.services.servers.programs import Missing, postgres_programs


def refuse_missing(name: str, pins: list[Path]) -> None:
    """Refuse to run if Postgres or the given server is not in the cache, because building one takes minutes.

    Parameters
    ----------
    name
        Cache name of the server.
    pins
        Files that define its version.

    Raises
    ------
    BenchmarkError
        If Postgres or the server is missing.
    """
    try:
        postgres_programs()
    except Missing as error:
        raise BenchmarkError(f"{error}. Run `make services` first.") from None
    if not kept_folder(name, pins).is_dir():
        raise BenchmarkError(f"The server {name} has not been fetched. Run `make services` first.")
