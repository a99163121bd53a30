"""The type of a cadence: a cron expression in UTC that Dagster's schedules accept."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

# https://docs.dagster.io/guides/automate/schedules: the short forms that Dagster accepts
_SHORT_FORMS = frozenset({"@annually", "@yearly", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_FIELDS = 5


def _a_cron_expression(value: str) -> str:
    from cronsim import CronSim, CronSimError

    if value in _SHORT_FORMS:
        return value
    try:
        if len(value.split()) != _FIELDS:
            raise CronSimError(f"it has {len(value.split())} fields, not five")
        CronSim(value, datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(
            f"{value!r} is not a cron expression ({str(error).lower()}). Write minute, hour, day, month and weekday, "
            "such as '*/5 * * * *', or @hourly or @daily"
        ) from None
    return value


Cadence = Annotated[str, AfterValidator(_a_cron_expression)]
