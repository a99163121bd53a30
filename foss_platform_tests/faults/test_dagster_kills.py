"""Dagster's processes killed at random moments: polling and gold go on within two minutes, and nothing stays held.

And how `foss dev` ends: with its terminal, by any signal, and by SIGKILL of itself.
"""

import os
import pty
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from foss_platform.settings import Settings
from foss_platform_tests.faults.conftest import Measured
from foss_platform_tests.faults.injection.dev_stack import DevStack, dev_stack, wait_until

_SECONDS = 120.0
_EVERYTHING = "everything"
_TARGETS = (_EVERYTHING, "code server", "run", "daemon", "webserver", "parent", "supervisor")
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")


def test_polling_and_gold_go_on_after_kills(
    parsed_settings: Settings, tmp_path: Path, measured: Measured, *, full: bool
) -> None:
    dice = random.Random(13)
    kills = (
        [(target, dice.uniform(0, 20)) for target in (_TARGETS * 3)[:20]]
        if full
        else [
            (_EVERYTHING, 9.0),
            ("code server", 6.0),
        ]
    )
    took = []
    with dev_stack(parsed_settings, tmp_path / "foss.log") as stack:
        stack.start()
        for target, moment in kills:
            run = stack.launch()
            time.sleep(moment)
            before = stack.status(run)
            began = time.time()
            kill(stack, target)
            # so that there is something to build, whatever the schedule does
            stack.launch()
            stack.builds_again(began, _SECONDS)
            took.append((target, before, round(time.time() - began)))
            stack.reaches(run, _ENDED, _SECONDS)
    measured("seconds until gold was built again", took)
    assert max(seconds for *_, seconds in took) < _SECONDS, took


def kill(stack: DevStack, target: str) -> None:
    if target == _EVERYTHING:
        stack.kill()
    else:
        stack.kill(target)
    if target in (_EVERYTHING, "parent", "supervisor"):
        gone(stack)
        stack.start()


def gone(stack: DevStack, seconds: float = 45) -> None:
    wait_until("the end of all processes", seconds, lambda: not stack.processes(), stack.log)


def test_nothing_is_left_when_the_terminal_closes_or_the_parent_is_killed(
    parsed_settings: Settings, tmp_path: Path
) -> None:
    with dev_stack(parsed_settings, tmp_path / "foss.log") as stack:
        stack.start()
        stack.launch()
        stack.kill("parent")
        gone(stack)
        # as a terminal does: a session of its own, whose controlling terminal is closed
        ours, its = pty.openpty()
        process = stack.start(stdin=its, preexec_fn=_take_terminal)
        os.close(its)
        wait_until("three processes", 150, lambda: stack.processes("daemon"), stack.log)
        os.close(ours)
        gone(stack)
        assert process.wait(10) == 0


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM], ids=["SIGQUIT", "SIGTERM"])
def test_it_ends_by_signals_alike(parsed_settings: Settings, tmp_path: Path, number: signal.Signals) -> None:
    with dev_stack(parsed_settings, tmp_path / "foss.log") as stack:
        process: subprocess.Popen[bytes] = stack.start()
        wait_until("the code server", 60, lambda: stack.processes("code server"), stack.log)
        process.send_signal(number)
        assert process.wait(60) == 0
        gone(stack)
