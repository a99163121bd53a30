"""A dbt project that cannot be read, or whose reading is interrupted: one line, the file, what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.errors import ConfigurationError, FossError, own_error, was_interrupted
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.cli.command_line import Foss, foss_in
from foss_platform_tests.pipeline.transform.dbt_projects import interrupt_when, project_with, start_foss
from foss_platform_tests.repository import PROJECT_ROOT

PIPELINE = "stavanger_parking"

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `", "ignore:sqlglotrs")


@pytest.fixture
def foss(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], settings: Settings) -> Foss:
    """Call `foss` in this process, over a lake whose bronze has the excerpt."""
    call = foss_in(settings.home, monkeypatch, capfd)
    assert call("replay", PIPELINE, str(EXCERPT), "--bronze-only")[0] == 0
    return call


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("gold__typo_sql", "select * from {{ ref('parking_readings' }}", "models/gold/added/typo.sql"),
        ("gold__lost_sql", "select * from {{ ref('nowhere') }}", "models/gold/added/lost.sql"),
        ("gold__page_yml", "models:\n  - name: x\n   description: y\n", "page.yml"),
    ],
)
def test_a_project_that_does_not_parse_is_one_line(
    foss: Foss, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, says: str
) -> None:
    monkeypatch.setenv("FOSS_DBT_PROJECT", str(project_with(tmp_path, **{name: text})))
    for words in (("rebuild",), ("replay", PIPELINE, str(EXCERPT))):
        code, _, err = foss(*words)
        assert code == 2
        (line,) = [line for line in err.splitlines() if line.strip()]
        assert line.startswith("error: The dbt project does not parse: ")
        assert says in line
    code, out, _ = foss("validate", "--only", "project", "--json")
    (result,) = json.loads(out)["results"]
    assert (code, result["status"], says in result["detail"]) == (1, "failed", True)


def test_dagster_is_told_in_the_platforms_words(settings: Settings, tmp_path: Path) -> None:
    project = project_with(tmp_path, gold__typo_sql="select {{ nonsense(")
    with pytest.raises(ConfigurationError, match=r"The dbt project does not parse: .*typo\.sql") as raised:
        build_defs(Platform(settings.model_copy(update={"dbt_project": project})))
    assert raised.value.__suppress_context__


def test_a_project_that_can_be_read_passes(foss: Foss, settings: Settings) -> None:
    before = sorted(settings.home.rglob("*"))
    code, out, err = foss("validate", "--only", "project", "--json")
    (result,) = json.loads(out)["results"]
    assert (code, result["status"], err) == (0, "passed", "")
    assert sorted(settings.home.rglob("*")) == before


def test_ctrl_c_while_dbt_parses(settings: Settings, foss: Foss, tmp_path: Path) -> None:
    project = project_with(tmp_path)
    # dbt waits for its content for ever
    pipe = project / "models" / "gold" / "waits.sql"
    os.mkfifo(pipe)
    writers: list[int] = []

    def dbt_reads() -> bool:
        try:
            writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    code, out, err = interrupt_when(start_foss(settings.home, project, "rebuild"), dbt_reads)
    for writer in writers:
        os.close(writer)
    assert writers
    assert (code, out, err) == (130, "", "Interrupted\n")


def test_ctrl_c_while_dbt_builds(foss: Foss, settings: Settings) -> None:
    silver = settings.home / "warehouse" / "silver" / "parking_readings" / "metadata"
    process = start_foss(settings.home, PROJECT_ROOT / "dbt_project", "rebuild")
    code, out, err = interrupt_when(process, silver.exists)
    assert (code, out, err) == (130, "", "Interrupted\n")


def test_our_error_is_found_however_a_framework_wraps_it() -> None:
    own = FossError("It is ours.")

    def wrap(inner: BaseException) -> Exception:
        try:
            try:
                raise inner
            except BaseException as error:
                raise RuntimeError("a framework's") from error
        except RuntimeError as outer:
            return outer

    assert own_error(wrap(wrap(own))) is own
    assert own_error(ExceptionGroup("many", [ValueError(), wrap(own)])) is own
    assert own_error(wrap(ValueError())) is None
    assert was_interrupted(wrap(KeyboardInterrupt()))
    assert not was_interrupted(wrap(own))
    assert not was_interrupted(None)


def test_a_server_that_cannot_load_shows_no_frames_of_the_frameworks(settings: Settings, tmp_path: Path) -> None:
    project = project_with(tmp_path, gold__typo_sql="select {{ nonsense(")
    code = "from foss_platform.definitions import defs\ndefs()"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"PATH": "/usr/bin:/bin", "FOSS_HOME": str(settings.home), "FOSS_DBT_PROJECT": str(project)},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "ConfigurationError: The dbt project does not parse" in done.stderr
    assert "component_tree" not in done.stderr
