"""The list of all checks, and running them one after another."""

import time
from collections.abc import Callable, Iterator, Sequence

from foss_platform.errors import FossError
from foss_platform.validation.checks import (
    catalog_checks,
    clock_checks,
    dagster_checks,
    engine_checks,
    lake_checks,
    project_checks,
    settings_checks,
    store_checks,
    table_checks,
)
from foss_platform.validation.deadline import TooLate, within
from foss_platform.validation.redaction import redact
from foss_platform.validation.results import Check, Finding, Result, Service, Status, failed, skipped
from foss_platform.validation.trial import Trial

#: The time limit of each check, unless the check has its own.
CHECK_SECONDS = 15.0

#: The checks in order: each after the checks that it needs, and dropping the probe after the last check that reads it.
CHECKS: Sequence[Check] = (
    *settings_checks.CHECKS,
    *catalog_checks.CHECKS,
    *store_checks.CHECKS,
    *table_checks.CHECKS,
    *clock_checks.CHECKS,
    lake_checks.COMMITS,
    engine_checks.STARTS,
    engine_checks.READS,
    lake_checks.DROPS,
    *project_checks.CHECKS,
    *dagster_checks.CHECKS,
)


def chosen(service: Service | None) -> list[Check]:
    """Return all checks, or the checks of a service together with the checks that they need, in order."""
    if service is None:
        return list(CHECKS)
    wanted: set[str] = set()
    for check in reversed(CHECKS):
        if check.service is service or check.name in wanted:
            wanted |= {check.name, *check.needs}
    if lake_checks.COMMITS.name in wanted:
        wanted.add(lake_checks.DROPS.name)
    return [check for check in CHECKS if check.name in wanted]


def validate(
    trial: Trial,
    checks: Sequence[Check] = CHECKS,
    begins: Callable[[Check], None] = lambda check: None,
    seconds: float = CHECK_SECONDS,
) -> Iterator[Result]:
    """Run the checks, each with a time limit. Then remove everything that the checks wrote, even after an error.

    Parameters
    ----------
    begins
        Called with each check before it runs.
    seconds
        The time limit of each check without its own limit.

    Yields
    ------
    One result per check, in order, as soon as it is known.
    """
    blocked: dict[str, str] = {}
    try:
        for check in checks:
            begins(check)
            began = time.monotonic()
            finding = _blocked(check, blocked) or _outcome(trial, check, check.seconds or seconds)
            if finding.blocks:
                # report the original reason, not the last check in the chain
                is_root = finding.status is Status.FAILED
                blocked[check.name] = f"because {check.name} failed" if is_root else finding.detail
            yield Result(
                check.name,
                check.service,
                finding.status,
                round(time.monotonic() - began, 3),
                redact(finding.detail, trial.secrets),
                redact(finding.remedy, trial.secrets),
                finding.blocks,
            )
    finally:
        _close(trial, seconds)


def works(results: Sequence[Result]) -> bool:
    """Whether nothing failed. Warnings and skipped checks are not failures."""
    return not any(result.status is Status.FAILED for result in results)


def _blocked(check: Check, blocked: dict[str, str]) -> Finding | None:
    reason = next((blocked[need] for need in check.needs if need in blocked), None)
    return None if reason is None else skipped(reason, blocks=True)


def _outcome(trial: Trial, check: Check, seconds: float) -> Finding:
    try:
        return within(seconds, lambda: check.run(trial))
    except TooLate:
        return failed(f"no answer within {seconds:g} s", check.remedy_for(trial))
    except FossError as error:
        return failed(error.problem, error.remedy or check.remedy_for(trial))
    except Exception as error:
        # a check calls foreign servers and libraries, so count any error that they raise as a failure of the service
        lines = str(error).strip().splitlines()
        return failed(f"{type(error).__name__}{f': {lines[0]}' if lines else ''}", check.remedy_for(trial))


def _close(trial: Trial, seconds: float) -> None:
    try:
        within(seconds, trial.probe.close)
    except Exception:
        # the check has reported the failure, and the next validation removes the remains, so ignore this error
        return
