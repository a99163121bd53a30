"""The wheel: what it contains, and a project that uses it, installed in an environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from foss_platform.new_project.project_files import project_files
from foss_platform_tests.repository import PROJECT_ROOT

_SOURCES = ("foss_platform", "dbt_project", "pyproject.toml", "README.md", "LICENSE")
_NOT_SOURCES = shutil.ignore_patterns("__pycache__", "target", "logs", "dbt_packages", ".user.yml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, because setuptools leaves files beside its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in _SOURCES:
        source = PROJECT_ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / "src" / name, symlinks=True, ignore=_NOT_SOURCES)
        else:
            shutil.copy(source, folder / "src" / name)
    # what the current environment has; a wheel must not depend on the network
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(folder / "src")], check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_contains_the_package_and_the_files_of_projects(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        contained = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {file.relative_to(PROJECT_ROOT).as_posix() for file in (PROJECT_ROOT / "foss_platform").rglob("*.py")}
    assert modules <= contained
    assert {name.partition("/")[0] for name in contained} == {"foss_platform"}
    dbt = {name.removeprefix("foss_platform/new_project/") for name in contained if "/new_project/dbt_project/" in name}
    # this repository may have models of further pipelines
    assert {path.as_posix() for path in project_files("x", example=True) if path.parts[0] == "dbt_project"} <= dbt
    # the licence of the recording requires its attribution
    assert "foss_platform/defs/stavanger_parking/excerpt.README.md" in contained


def make_environment(folder: Path, wheel: Path) -> Path:
    """Create an environment with the wheel, which shares this environment's other packages; return its programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # a line with a path: `.pth` files in that folder, such as the one of this checkout, are not read
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)], check=True)
    dbt = folder / "bin" / "dbt"
    dbt.write_text(f"#!{python}\nfrom dbt.cli.main import cli\ncli()\n")
    dbt.chmod(0o755)
    return folder / "bin"


def test_a_project_works_with_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    programs = make_environment(tmp_path / "env", wheel)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FOSS_", "PYTHON"))}
    environment |= {"PATH": f"{programs}:{environment['PATH']}", "PYICEBERG_HOME": str(tmp_path)}

    def run(*command: str, folder: Path, code: int = 0) -> str:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    where = run("python", "-c", "import foss_platform; print(foss_platform.__file__)", folder=tmp_path)
    assert where.startswith(str(tmp_path / "env"))
    # no checkout belongs to a wheel
    assert "There is no project in" in run("foss", "check", folder=tmp_path, code=2)

    run("foss", "init", "city lake", folder=tmp_path)
    project = tmp_path / "city lake"
    assert "4 pages without a problem" in run("foss", "check", folder=project / "defs")
    assert "OK" in run("make", "test", folder=project)
    # the tests' lakes are elsewhere: `foss check` has left the parsed models, and nothing else is beside the sources
    ignored = (project / ".gitignore").read_text().splitlines()
    assert {file.name for file in (project / ".foss").iterdir()} <= {"dbt", "spill"}
    assert {file.name for file in project.iterdir()} - {name.rstrip("/") for name in ignored} == {
        *(path.parts[0] for path in project_files("x", example=True))
    }
