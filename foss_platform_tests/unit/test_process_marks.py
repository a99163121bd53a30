"""Process marks as another process sees them, for a running and for a killed process."""

import subprocess
import sys
from pathlib import Path

from foss_platform.dagster_yaml import CONFIGURATION, configuration_lacks, write_configuration
from foss_platform.process_marks import Marks

_HOLD = """
import sys, time
from pathlib import Path
from foss_platform.process_marks import Marks
marks = Marks(Path(sys.argv[1]))
marks.note_run("the run")
print(marks.address(), flush=True)
time.sleep(600)
"""


def test_killed_process_is_dead_and_its_mark_is_deleted(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address, marks = process.stdout.readline().strip(), Marks(tmp_path)
        own = marks.own()
        assert marks.is_dead(address) is False
        assert {(mark.process, mark.run) for mark in marks.living()} == {(process.pid, "the run"), (own.process, "")}
    finally:
        process.kill()
        process.wait()
    assert marks.is_dead(address) is True
    assert marks.living() == [own]
    assert marks.is_dead(marks.address()) is False


def test_processes_of_another_folder_are_unknown(tmp_path: Path) -> None:
    here, there = Marks(tmp_path / "here"), Marks(tmp_path / "there")
    assert here.is_dead(there.address()) is None
    # its mark no longer exists
    assert here.is_dead(f"{here.place}.{'0' * 32}") is True
    assert here.is_dead("..") is None


def test_dagsters_configuration_is_renewed_unless_it_was_changed(tmp_path: Path) -> None:
    file = tmp_path / "dagster.yaml"
    write_configuration(tmp_path)
    assert configuration_lacks(tmp_path) == []
    changed = CONFIGURATION.replace("granularity: run", "granularity: op")
    file.write_text(changed)
    write_configuration(tmp_path)
    assert file.read_text() == changed
    assert configuration_lacks(tmp_path) == ["concurrency.pools.granularity: run"]
    assert len(configuration_lacks(tmp_path / "none")) == 5
