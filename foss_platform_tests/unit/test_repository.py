"""The repository's own files: complete, hashed and consistent locks, and a workspace that names the project."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Each lock, and the entries of pyproject.toml that it must contain.
DECLARED: dict[str, list[str]] = {
    "run": PYPROJECT["project"]["dependencies"],
    "dev": PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"],
    "bench": PYPROJECT["dependency-groups"]["bench"],
    "bootstrap": PYPROJECT["build-system"]["requires"],
}


def read_lock(name: str) -> str:
    """Return the text of a lock."""
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def read_entries(name: str) -> list[str]:
    """Return the entries of a lock, each with its continued lines joined and comments left out."""
    lines = [line for line in read_lock(name).splitlines() if not line.lstrip().startswith("#")]
    return [entry for entry in "\n".join(lines).replace("\\\n", " ").splitlines() if entry.strip()]


def read_pins(name: str) -> dict[str, set[str]]:
    """Return the versions that a lock pins per package. There are several if they depend on the Python version."""
    pins: dict[str, set[str]] = {}
    for entry in read_entries(name):
        requirement = Requirement(entry.split("--hash", maxsplit=1)[0].strip())
        exact = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
        assert exact, f"{name}.txt does not pin {entry.split()[0]}"
        pins.setdefault(canonicalize_name(requirement.name), set()).add(exact[1])
    return pins


@pytest.mark.parametrize("name", DECLARED)
def test_each_locked_package_has_a_hash(name: str) -> None:
    entries = read_entries(name)
    assert entries
    assert [entry.split()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)] == []


@pytest.mark.parametrize("name", DECLARED)
def test_locks_name_no_download_address(name: str) -> None:
    assert re.findall(r".*(?:://|--(?:extra-)?index-url|--find-links).*", read_lock(name)) == []


@pytest.mark.parametrize("name", DECLARED)
def test_locks_hold_what_pyproject_asks_for(name: str) -> None:
    pins = read_pins(name)
    for text in DECLARED[name]:
        wanted = Requirement(text)
        versions = pins.get(canonicalize_name(wanted.name), set())
        assert versions, f"{wanted.name} is not in {name}.txt: run make lock"
        assert all(wanted.specifier.contains(version) for version in versions), f"{text} is {versions} in {name}.txt"


def test_locks_agree_on_versions() -> None:
    agreed: dict[str, set[str]] = {}
    # dev first: it constrains the others, which may pin only its versions
    for name in ("dev", "run", "bench", "bootstrap"):
        for package, versions in read_pins(name).items():
            assert versions <= agreed.setdefault(package, versions), f"{name}.txt disagrees on {package}"


def test_tests_run_on_all_runtime_packages() -> None:
    assert read_pins("run").keys() <= read_pins("dev").keys()


def test_workspace_names_the_package() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    assert workspace == {
        "load_from": [{"python_module": {"module_name": "foss_platform.definitions", "location_name": "foss_platform"}}]
    }


def test_duckdb_is_opened_in_one_place() -> None:
    """If a session setting is missing on some connections, results depend on the host."""
    opens = re.compile(r"duckdb\.(connect|execute|sql|query|default_connection)\(")
    found = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "foss_platform").rglob("*.py")
        if opens.search(file.read_text())
    }
    assert found == {"foss_platform/lake/connect/duckdb_session.py"}
