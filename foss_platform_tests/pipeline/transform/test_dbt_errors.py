"""A dbt project that cannot be read, or whose reading is interrupted: one line, the file, what to do."""

import json
from pathlib import Path

import pytest

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.errors import FossError, own_error, was_interrupted
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
        ("gold__typo_sql", "select * from {{ ref('parking_readings' }}", "models/gold/added/typo.sql:1"),
        ("gold__lost_sql", "select * from {{ ref('nowhere') }}", "models/gold/added/lost.sql:1"),
        ("gold__page_yml", "models:\n  - name: x\n   description: y\n", "models/gold/added/page.yml:3"),
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
        assert line.startswith(f"error: The dbt project does not parse ({says}): ")
    code, out, _ = foss("validate", "--only", "project", "--json")
    (result,) = json.loads(out)["results"]
    assert (code, result["status"], says in result["detail"]) == (1, "failed", True)


def test_a_project_that_can_be_read_passes(foss: Foss, settings: Settings) -> None:
    before = sorted(settings.home.rglob("*"))
    code, out, err = foss("validate", "--only", "project", "--json")
    (result,) = json.loads(out)["results"]
    assert (code, result["status"], err) == (0, "passed", "")
    assert sorted(settings.home.rglob("*")) == before


def test_ctrl_c_while_dbt_parses(settings: Settings, foss: Foss, tmp_path: Path) -> None:
    loop = "{% for _ in range(90000) %}"
    project = project_with(tmp_path, gold__endless_sql=f"{loop * 3}{{% endfor %}}{{% endfor %}}{{% endfor %}}")
    # dbt creates this folder when it starts
    logs = settings.home / "dbt" / "logs"
    code, out, err = interrupt_when(start_foss(settings.home, project, "rebuild"), logs.exists)
    assert (code, out, err) == (130, "", "Interrupted\n")
    assert [path for path in (settings.home / "dbt" / "target").iterdir() if path.is_dir()] == []


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
