"""The step of both Dockerfiles that refuses an image: run as it stands, on a project that parses and on broken ones."""

import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from foss_platform_tests.pipeline.generated_project import BIKES, GeneratedProject, two_pipelines
from foss_platform_tests.repository import PROJECT_ROOT

DOCKERFILES = {
    "platform": PROJECT_ROOT / "docker" / "Dockerfile",
    "project": Path(str(files("foss_platform.new_project") / "template" / "docker" / "Dockerfile")),
}


def build_step(dockerfile: Path, project: GeneratedProject, home: Path) -> tuple[int, str]:
    """Run the step in the project's folder, with the home where the image has /tmp/check."""
    steps = re.findall(r"^RUN (.*\bfoss check\b.*)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(steps) == 1
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["/bin/sh", "-c", steps[0].replace("/tmp/check", str(home))],
        cwd=project.folder,
        env={**os.environ, "FOSS_HOME": str(home), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("dockerfile", DOCKERFILES.values(), ids=DOCKERFILES)
def test_only_a_project_that_parses_becomes_an_image(tmp_path: Path, dockerfile: Path) -> None:
    project = two_pipelines(tmp_path)
    assert build_step(dockerfile, project, tmp_path / "home") == (
        0,
        "5 pages without a problem; the dbt project parses.\n",
    )
    wrong = project.folder / "dbt_project" / "models" / "gold" / "wrong.sql"
    wrong.write_text("select * from {{ ref('nothing') }}")
    code, said = build_step(dockerfile, project, tmp_path / "home")
    assert code == 1
    assert "dbt_project/models/gold/wrong.sql:1" in said
    wrong.unlink()
    page = project.page(BIKES)
    page.write_text(page.read_text().replace("cadence", "cadense"))
    code, said = build_step(dockerfile, project, tmp_path / "home")
    assert code == 1
    assert f"defs/{BIKES}/defs.yaml" in said
