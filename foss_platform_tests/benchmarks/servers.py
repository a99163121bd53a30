"""Whether the servers that a benchmark starts are on this machine. Not here: starting them."""

from pathlib import Path

from foss_platform_tests.benchmarks.measure import BenchmarkError
from foss_platform_tests.services.servers.cache import kept_folder
from foss_platform_tests.services.servers.programs import Missing, postgres_programs


def refuse_missing(name: str, pins: list[Path]) -> None:
    """Say so when Postgres or another server is not on this machine yet; having one made takes minutes.

    Parameters
    ----------
    name
        What the cache calls the other one.
    pins
        The files that say which it is.

    Raises
    ------
    BenchmarkError
        When one is missing.
    """
    try:
        postgres_programs()
    except Missing as error:
        raise BenchmarkError(f"{error}; run make services first.") from None
    if not kept_folder(name, pins).is_dir():
        raise BenchmarkError(f"The server {name} has not been fetched; run make services first.")
