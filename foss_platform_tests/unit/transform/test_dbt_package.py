"""The link by which dbt finds the platform's macros in a project."""

import re
from pathlib import Path

import pytest
import yaml

from foss_platform.errors import ConfigurationError
from foss_platform.transform.dbt_package import PACKAGE, PACKAGE_NAME, link_package
from foss_platform_tests.repository import PROJECT_ROOT


def link_in(project: Path) -> Path:
    return project / "dbt_packages" / PACKAGE_NAME


def test_the_link_is_made_once_and_other_packages_stay(tmp_path: Path) -> None:
    other = tmp_path / "dbt_packages" / "dbt_utils"
    other.mkdir(parents=True)
    link_package(tmp_path)
    made = link_in(tmp_path).lstat()
    link_package(tmp_path)
    assert link_in(tmp_path).resolve() == PACKAGE
    assert link_in(tmp_path).lstat() == made
    assert other.is_dir()
    assert {file.name for file in tmp_path.iterdir()} == {"dbt_packages"}


@pytest.mark.parametrize("kind", ["link to another version", "broken link", "copy"])
def test_anything_else_of_that_name_is_replaced(tmp_path: Path, kind: str) -> None:
    place = link_in(tmp_path)
    (place if kind == "copy" else place.parent).mkdir(parents=True)
    if kind == "copy":
        (place / "dbt_project.yml").write_text("name: foss_platform")
    else:
        place.symlink_to(tmp_path if kind == "link to another version" else tmp_path / "gone")
    link_package(tmp_path)
    assert place.is_symlink()
    assert place.resolve() == PACKAGE


def test_a_place_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "dbt_packages").write_text("not a folder")
    with pytest.raises(ConfigurationError, match=r"cannot be linked as .*python -m foss_platform\.transform"):
        link_package(tmp_path)


def test_every_call_of_a_macro_names_the_package() -> None:
    """dbt resolves a macro without a name in the project only, so a call inside the package would fail there."""
    texts = {file: file.read_text() for file in PACKAGE.rglob("*.sql")}
    names = {name for text in texts.values() for name in re.findall(r"\{% macro (\w+)\(", text)}
    call = re.compile(rf"(?<![\w.'\"])(?<!macro )({'|'.join(sorted(names))})\(")
    assert len(names) > 40
    assert {file.name: found for file, text in texts.items() if (found := call.findall(text))} == {}
    assert yaml.safe_load((PACKAGE / "dbt_project.yml").read_text())["name"] == PACKAGE_NAME


def test_the_project_wraps_each_materialization_for_both_engines() -> None:
    text = (PROJECT_ROOT / "dbt_project" / "macros" / "foss_platform.sql").read_text()
    found = set(re.findall(r"materialization (\w+), adapter='(\w+)'", text))
    assert found == {
        (kind, engine) for kind in ("table", "view", "incremental", "seed") for engine in ("duckdb", "trino")
    }
