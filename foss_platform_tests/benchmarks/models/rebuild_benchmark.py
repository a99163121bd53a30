"""Builds silver and gold from bronze, alternately by dbt over Iceberg and by bare DuckDB with the same SQL."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from foss_platform.lake.query.duckdb_views import connect
from foss_platform.lake.table.quoting import quote_text
from foss_platform.settings import Settings
from foss_platform.transform.project.manifest import read_manifest
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.runner import build
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE
from foss_platform_tests.benchmarks.measure import Bench, BenchmarkError, Outcome, in_own_process, settings_of
from foss_platform_tests.benchmarks.models.synthetic import copy_as_parquet, make_lake
from foss_platform_tests.benchmarks.report import Figure, Report

_SEED = "silver.parking_sites"
_METHOD = """\
Bronze has {rows:,} rows (9 sites, a poll every 2 minutes, {polls:,} polls in the log). Ours: `dbt build \
--full-refresh` of the models and the seed, in process, committed to Iceberg. Bare DuckDB: the SQL that dbt compiled, \
run in the same order over the same rows as Parquet. Each model is written as Parquet with `COPY TO` (zstd, level 1, \
as PyIceberg writes). Memory limit (4 GB), threads and time zone are the same. Each round runs in a new process, and \
imports are not counted. The time of ours does not include the tests."""


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    rows = bench.choose(10_000_000, 90_000)
    home, parquet = bench.folder / "home", bench.folder / "parquet"
    parquet.mkdir()
    made: int = in_own_process(bench.folder, make_lake, home, rows).value
    in_own_process(bench.folder, copy_as_parquet, home, parquet)
    # the first build also parses the project and writes the SQL for the other side
    in_own_process(bench.folder, build_ours, home)
    ours: list[Outcome] = []
    bare: list[Outcome] = []
    for _ in range(bench.choose(3, 1)):
        ours.append(in_own_process(bench.folder, build_ours, home))
        bare.append(in_own_process(bench.folder, build_bare, home, parquet, bench.folder / "bare"))
        shutil.rmtree(bench.folder / "bare")
    return Report("rebuild", _METHOD.format(rows=made, polls=made // 9), _figures(ours, bare), _notes(ours, bare))


def build_ours(home: str) -> dict[str, Any]:
    """Run a full build after dbt is imported. Return the seconds of the whole, of the models and of all tests."""
    import dbt.adapters.duckdb.connections
    import dbt.cli.main  # noqa: F401

    settings = settings_of(home)
    read_manifest(settings)
    started = time.perf_counter()
    results = list(build(settings, full_refresh=True))
    seconds = time.perf_counter() - started
    if failed := [result for result in results if result.status.is_failure]:
        raise BenchmarkError(f"{failed[0].unique_id}: {failed[0].message}")
    tests = sum(result.seconds for result in results if result.unique_id.startswith("test."))
    models = {r.unique_id.split(".")[-1]: r.seconds for r in results if not r.unique_id.startswith("test.")}
    return {"seconds": seconds - tests, "tests": tests, "models": models}


def build_bare(home: str, parquet: str, folder: str) -> dict[str, Any]:
    """Run the same SQL in bare DuckDB, from Parquet to Parquet."""
    settings = settings_of(home)
    statements = compiled_models(settings)
    target = Path(folder)
    target.mkdir()
    started = time.perf_counter()
    connection = connect(settings)
    for name in (f"bronze.{PIPELINE}", "ops.polls"):
        _view(connection, name, Path(parquet) / f"{name}.parquet")
    seed = quote_text(str(settings.dbt_project / "seeds" / "parking_sites.csv"))
    types = "{'site': 'varchar', 'capacity': 'integer', 'capacity_source': 'varchar'}"
    statements = {_SEED: f"select * from read_csv({seed}, header = true, columns = {types})", **statements}
    models = {}
    for name, query in statements.items():
        began = time.perf_counter()
        file = target / f"{name}.parquet"
        options = "format parquet, compression zstd, compression_level 1"
        connection.execute(f"copy ({query}) to {quote_text(str(file))} ({options})")
        _view(connection, name, file)
        models[name.split(".")[-1]] = time.perf_counter() - began
    return {"seconds": time.perf_counter() - started, "models": models}


def compiled_models(settings: Settings) -> dict[str, str]:
    """Return the SQL of the last build by table, in the order of the build."""
    runs = (prepare_project(settings).folder / "runs").glob("*/run_results.json")
    results = json.loads(max(runs, key=lambda file: file.stat().st_mtime).read_text())["results"]
    return {
        ".".join(part.strip('"') for part in result["relation_name"].split(".")[-2:]): result["compiled_code"]
        for result in results
        if result["unique_id"].startswith("model.")
    }


def _view(connection: Any, name: str, file: Path) -> None:
    connection.execute(f"create schema if not exists {name.split('.')[0]}")
    connection.execute(f"create view {name} as select * from read_parquet({quote_text(str(file))})")


def _figures(ours: list[Outcome], bare: list[Outcome]) -> list[Figure]:
    pairs = list(zip(ours, bare, strict=True))
    return [
        Figure("models and seed: ours / bare", [a.value["seconds"] / b.value["seconds"] for a, b in pairs], goal=1.3),
        Figure("  ours", [a.value["seconds"] for a in ours], "s"),
        Figure("  bare DuckDB", [b.value["seconds"] for b in bare], "s"),
        Figure("processor time, dbt's start and tests included: ours / bare", _processor(ours, bare)),
        Figure("peak memory: ours / bare", [a.peak_megabytes / b.peak_megabytes for a, b in pairs]),
        Figure("  ours", [a.peak_megabytes for a in ours], "MB"),
        Figure("  bare DuckDB", [b.peak_megabytes for b in bare], "MB"),
        *(
            Figure(f"{model}: ours / bare", [a.value["models"][model] / b.value["models"][model] for a, b in pairs])
            for model in bare[0].value["models"]
        ),
        Figure("the tests, which bare DuckDB does not run", [a.value["tests"] for a in ours], "s"),
    ]


def _processor(ours: list[Outcome], bare: list[Outcome]) -> list[float]:
    return [a.processor_seconds / b.processor_seconds for a, b in zip(ours, bare, strict=True)]


def _notes(ours: list[Outcome], bare: list[Outcome]) -> list[str]:
    around = [a.value["seconds"] - sum(a.value["models"].values()) for a in ours]
    parts = ", ".join(f"{model} {seconds:.2f} s" for model, seconds in bare[0].value["models"].items())
    return [
        f"dbt itself takes {min(around):.1f} s of ours: configuration, connection and bookkeeping between nodes.",
        f"Bare DuckDB, one round: {parts}.",
    ]
