"""Checks of clocks: this machine's against those of catalog and store. Not here: setting one.

What is committed bears this machine's time, and a signed request is refused by a store whose clock is far off.
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
_REMEDY = "Let both machines set their clocks by NTP."


def catalog_clock_agrees(trial: Trial) -> Finding:
    """Postgres is asked for its time; a REST catalog says it with any answer; a file has none."""
    if trial.kind is CatalogKind.SQLITE:
        return skipped("a file has no clock of its own")
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
    """An object store says its time with any answer, also with a refusal."""
    import requests

    if trial.bucket is None:
        return skipped("a folder has no clock of its own")
    region = trial.properties.get("s3.region") or "us-east-1"
    endpoint = str(trial.properties.get("s3.endpoint") or f"https://s3.{region}.amazonaws.com")
    began = datetime.now(UTC)
    answer = requests.head(endpoint, timeout=_TIMEOUTS, allow_redirects=False)
    return judge("the store", _date(answer), began, datetime.now(UTC), _ONE_SECOND)


def lake_clock_agrees(trial: Trial) -> Finding:
    """No table has a commit from this clock's future: it was set back, or another machine's is ahead."""
    from foss_platform.lake.connect.catalog import open_catalog
    from foss_platform.lake.connect.commit_order import seconds_behind
    from foss_platform.lake.table.tables import find_table, list_tables

    catalog = open_catalog(trial.settings, create=False)
    tables = {str(name): found for name in list_tables(catalog) if (found := find_table(catalog, name)) is not None}
    now = datetime.now(UTC)
    behind = {name: seconds_behind(table.metadata, now) for name, table in tables.items()}
    worst = max(behind, key=behind.__getitem__, default=None)
    if worst is None:
        return skipped("the lake holds no table yet")
    if behind[worst] <= _WARN_SECONDS:
        return passed(f"no commit of {len(tables)} tables lies ahead of this clock")
    return warning(
        f"the newest commit of {worst} lies {behind[worst]:,.1f} s ahead of this machine's clock. Until the clock has "
        "passed it, each commit is stamped 1 ms after the one before",
        "Find out which clock was wrong, and let all machines set their clocks by NTP.",
    )


def judge(what: str, told: datetime | None, began: datetime, ended: datetime, grain: timedelta) -> Finding:
    """How far a clock is off at the least, whatever time the question and the answer took on their way.

    Parameters
    ----------
    told
        What it showed at some moment between `began` and `ended`; None where it did not say.
    grain
        By how much more it may have been than it says.
    """
    if told is None:
        return skipped(f"{what} does not say what time it is")
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
        "Check that the store runs and can be reached from here.",
    ),
    Check(
        "lake_clock_agrees",
        Service.CLOCK,
        "No table has a commit that is more than 2 s ahead of this machine's clock.",
        lake_clock_agrees,
        _REMEDY,
        needs=("catalog_answers",),
    ),
)
