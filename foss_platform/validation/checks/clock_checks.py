"""Checks of clocks: this machine's clock against the clocks of the catalog and the store.

Commits have this machine's time, and a store refuses a signed request if the clocks differ too much.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from foss_platform.validation.checks.catalog_checks import ask_rest, postgres_connection
from foss_platform.validation.results import Check, Finding, Service, failed, passed, skipped, warning
from foss_platform.validation.trial import CatalogKind, Trial

if TYPE_CHECKING:
    import requests

_WARN_SECONDS, _FAIL_SECONDS = 2.0, 60.0
_ONE_SECOND, _EXACT = timedelta(seconds=1), timedelta(0)
_TIMEOUTS = (3.0, 5.0)
_REMEDY = "Synchronize the clocks of both machines with NTP."


def catalog_clock_agrees(trial: Trial) -> Finding:
    """Postgres returns its time in a query. A REST catalog sends it with each response. A file has no clock."""
    if trial.kind is CatalogKind.SQLITE:
        return skipped("a file has no clock")
    began = datetime.now(UTC)
    if trial.kind is CatalogKind.REST:
        answer = ask_rest(trial)
        return judge("the REST catalog", _date(answer), began, datetime.now(UTC), _ONE_SECOND)
    from sqlalchemy import text

    with postgres_connection(trial) as connection:
        began = datetime.now(UTC)
        told: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return judge("Postgres", told.astimezone(UTC), began, datetime.now(UTC), _EXACT)


def store_clock_agrees(trial: Trial) -> Finding:
    """An object store sends its time with each response, even if it refuses the request."""
    import requests

    if trial.bucket is None:
        return skipped("a folder has no clock")
    region = trial.properties.get("s3.region") or "us-east-1"
    endpoint = str(trial.properties.get("s3.endpoint") or f"https://s3.{region}.amazonaws.com")
    began = datetime.now(UTC)
    answer = requests.head(endpoint, timeout=_TIMEOUTS, allow_redirects=False)
    return judge("the store", _date(answer), began, datetime.now(UTC), _ONE_SECOND)


def lake_clock_agrees(trial: Trial) -> Finding:
    """No table has a commit ahead of this clock. Otherwise this clock was set back, or another clock is ahead."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.connect.commit_order import seconds_behind
    from foss_platform.lake.table.tables import find_tables, list_tables

    catalog = open_catalog(trial.settings, create=False)
    tables = {str(name): table for name, table in find_tables(catalog, list_tables(catalog)).items()}
    now = datetime.now(UTC)
    behind = {name: seconds_behind(table.metadata, now) for name, table in tables.items()}
    worst = max(behind, key=behind.__getitem__, default=None)
    if worst is None:
        return skipped("the lake has no tables yet")
    if behind[worst] <= _WARN_SECONDS:
        return passed(f"no commit of {len(tables)} tables is ahead of this clock")
    return warning(
        f"the newest commit of {worst} is {behind[worst]:,.1f} s ahead of this machine's clock. Until the clock has "
        "passed it, each commit gets a timestamp 1 ms after the previous commit",
        "Find out which clock was wrong, and synchronize the clocks of all machines with NTP.",
    )


def judge(what: str, told: datetime | None, began: datetime, ended: datetime, grain: timedelta) -> Finding:
    """Judge a clock by the smallest possible difference, given the time that request and response took.

    Parameters
    ----------
    told
        The clock's time at some moment between `began` and `ended`. None if the service did not send it.
    grain
        The clock's resolution: its true time may be later by up to this much.
    """
    if told is None:
        return skipped(f"{what} does not report its time")
    ahead, behind = (told - ended).total_seconds(), (began - told - grain).total_seconds()
    off = max(0.0, ahead, behind)
    if off == 0:
        return passed(f"{what} and this machine agree")
    detail = f"the clock of {what} is {off:,.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if off > _FAIL_SECONDS:
        return failed(detail, _REMEDY)
    return warning(detail, _REMEDY) if off > _WARN_SECONDS else passed(detail)


def _date(answer: "requests.Response") -> datetime | None:
    try:
        told = parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError):
        return None
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)


CHECKS = (
    Check(
        "catalog_clock_agrees",
        Service.CLOCK,
        "The catalog's clock and this machine's differ by less than 2 s.",
        catalog_clock_agrees,
        _REMEDY,
        needs=("catalog_answers",),
    ),
    Check(
        "store_clock_agrees",
        Service.CLOCK,
        "The store's clock and this machine's differ by less than 2 s.",
        store_clock_agrees,
        "Check that the store is running and reachable from here.",
    ),
    Check(
        "lake_clock_agrees",
        Service.CLOCK,
        "No table has a commit that is more than 2 s ahead of this machine's clock.",
        lake_clock_agrees,
        _REMEDY,
        needs=("catalog_answers", "store_takes_objects"),
    ),
)
