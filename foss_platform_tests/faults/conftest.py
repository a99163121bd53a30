"""What the faults share: how many there are to be, and showing what was measured."""

from collections.abc import Callable

import pytest

Measured = Callable[[str, object], None]


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the suite runs at full size (`--faults full`, which is `make faults`)."""
    return bool(request.config.getoption("--faults") == "full")


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Note a result by name; full runs show them all at their end."""
    # as text: a parallel run's workers can only send what is plain
    return lambda name, value: record_property(name, str(value))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was measured, by test."""
    if config.getoption("--faults") != "full":
        return
    terminalreporter.section("measured")
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties if report.when == "call" else ():
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name}: {value}")
