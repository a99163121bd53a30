"""`foss parity`: both engines build exactly the same silver and gold from one bronze."""

from pathlib import Path

import pyarrow as pa
import pytest

from foss_platform.ingest.page.feed import Feed
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.lake.build.derived import DerivedLayout, derived_spec
from foss_platform.lake.compare.parity import parity_of
from foss_platform.lake.connect.catalog import open_catalog
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.tables import ensure_table
from foss_platform.settings import load_settings
from foss_platform_tests.pipeline.cli.command_line import foss_in
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import (
    EXCERPT,
    GOLD,
    SILVER,
    Pipeline,
    made_up_polls,
)
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake


@pytest.fixture
def pipeline(trino: TrinoOnLake, feed: Feed) -> Pipeline:
    return Pipeline(load_settings(), feed)


def compare_engines(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> dict[str, str]:
    """Return the result of `foss parity` by table. It must cover silver and gold and leave no tables behind."""
    before = pipeline.catalog.list_namespaces()
    code, out, err = foss_in(pipeline.settings.home, monkeypatch, capfd)("parity")
    assert pipeline.catalog.list_namespaces() == before
    said = {line.split()[0]: line for line in out.splitlines() if " rows " in line}
    assert {*said} == {SILVER, *GOLD, "silver.parking_sites"}, out + err
    assert (code == 0) == all(" the same " in line for line in said.values()), out
    return said


def test_excerpt_with_rare_cases(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline.ingest([*read_recording(EXCERPT), *made_up_polls(5, 200)])
    said = compare_engines(pipeline, monkeypatch, capfd)
    assert all(" the same " in line for line in said.values()), "\n".join(said.values())


def test_33_days_of_real_polls(
    pipeline: Pipeline, real_recording: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline.ingest(list(read_recording(real_recording)))
    said = compare_engines(pipeline, monkeypatch, capfd)
    assert all(" the same " in line for line in said.values()), "\n".join(said.values())
    assert " 96,840 rows " in said[SILVER]


def test_a_difference_is_found(trino: TrinoOnLake) -> None:
    """Find differences in rows, in a single bit of a value, and in types, between two prepared tables."""
    settings = load_settings()
    catalog = open_catalog(settings)
    catalog.create_namespace("silver")
    rows = {
        "one": pa.table({"site": ["a", "b"], "share": [0.1, 0.3], "count": pa.array([1, 1], pa.int64())}),
        "other": pa.table({"site": ["a", "c"], "share": [0.1 + 2**-56, 0.3], "count": pa.array([1, 1], pa.int32())}),
    }
    one, other = (
        ensure_table(catalog, derived_spec(TableName("silver", name), table.schema, {}, "", DerivedLayout(("site",))))
        for name, table in rows.items()
    )
    one.append(rows["one"])
    other.append(rows["other"])
    with parity_of(settings, TableName("silver", "one"), one, other, {}) as found:
        assert found.types == ("count: long and int",)
        assert {str(kind): count for kind, count in found.difference.counts.items()} == {
            "added": 1,
            "removed": 1,
            "changed": 1,
        }
        assert not found.holds
    with parity_of(settings, TableName("silver", "one"), one, other, {"share": 1e-12}) as found:
        assert found.difference.counts[next(kind for kind in found.difference.counts if kind == "changed")] == 0
