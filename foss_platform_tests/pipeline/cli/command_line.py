"""Calls `foss` in this process through its entry point."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from foss_platform.cli.main import run

#: Takes the arguments of the command line and returns exit code, output and messages.
Foss = Callable[..., tuple[int, str, str]]


def foss_in(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Foss:
    """Return a caller of `foss` on this home. A traceback fails the test."""
    monkeypatch.setenv("FOSS_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["foss", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        code = ended.value.code
        return (code if isinstance(code, int) else 0 if code is None else 1), out, err

    return call
