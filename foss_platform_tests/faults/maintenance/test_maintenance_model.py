"""Maintenance against a plain model: in any order of events, each moment returns its rows or is refused.

The table, its catalog and its files are real. Only the clock is moved, and the files that a rule writes get its time.
"""

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from foss_platform_tests import hypothesis_profile
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.maintenance.maintenance_machine import MaintenanceMachine

assert hypothesis_profile


def test_every_order_of_events_keeps_the_retained_moments(measured: Measured, *, full: bool) -> None:
    examples, steps = (300, 60) if full else (15, 30)
    run_state_machine_as_test(
        MaintenanceMachine,
        settings=hypothesis_settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck)
        ),
    )
    measured("sequences", f"{examples} of up to {steps} steps")
