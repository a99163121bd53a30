"""Calling `foss` in this process, as its entry point does. Not here: what a test expects of it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from foss_platform.cli.main import run

#: Words of the command line to exit code, output and messages.
Foss = Callable[..., tuple[int, str, str]]


def foss_in(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Foss:
    """A caller of `foss` over this home; no call may end in a traceback."""
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
