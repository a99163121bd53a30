"""The hash that shows whether a table was built with the current logic and seeds."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from foss_platform.transform.logic import logic_hash

READINGS = "model.lakehouse.parking_readings"
HOURLY = "model.lakehouse.parking_hourly"
LATEST = "model.lakehouse.parking_latest"
SITES = "seed.lakehouse.parking_sites"


@pytest.fixture(scope="module")
def manifest(parsed_project: Path) -> dict[str, Any]:
    (file,) = parsed_project.glob("*/manifest.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def changed(manifest: dict[str, Any], section: str, unique_id: str, *path: str) -> dict[str, Any]:
    other = copy.deepcopy(manifest)
    place = other[section][unique_id]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] += "x"
    return other


@pytest.mark.parametrize(
    ("section", "unique_id", "path", "touched"),
    [
        ("nodes", HOURLY, ("checksum", "checksum"), {HOURLY}),
        ("nodes", READINGS, ("checksum", "checksum"), {READINGS, HOURLY, LATEST}),
        ("nodes", SITES, ("checksum", "checksum"), {READINGS, HOURLY, LATEST}),
        ("macros", "macro.foss_platform.duckdb__local_text_to_instant", ("macro_sql",), {READINGS, HOURLY, LATEST}),
        ("macros", "macro.lakehouse.is_usable_reading", ("macro_sql",), {HOURLY}),
        ("macros", "macro.foss_platform.duckdb__exact_percentile", ("macro_sql",), set()),
    ],
)
def test_hash_changes_only_with_inputs_that_affect_the_rows(
    manifest: dict[str, Any], section: str, unique_id: str, path: tuple[str, ...], touched: set[str]
) -> None:
    other = changed(manifest, section, unique_id, *path)
    models = (READINGS, HOURLY, LATEST)
    assert {model for model in models if logic_hash(manifest, model) != logic_hash(other, model)} == touched
