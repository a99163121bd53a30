"""Fixtures of the fault tests: their size, and the display of measured results."""

from collections.abc import Callable

import pytest

Measured = Callable[[str, object], None]


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the suite runs at full size (`--faults full`, as in `make faults`)."""
    return bool(request.config.getoption("--faults") == "full")


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Record a result by name. Full runs show all results at the end."""
    # as text, because the workers of a parallel run can only send plain values
    return lambda name, value: record_property(name, str(value))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the measured results by test."""
    if config.getoption("--faults") != "full":
        return
    terminalreporter.section("measured")
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties if report.when == "call" else ():
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name}: {value}")
