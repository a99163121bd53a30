"""Runs a poll to gold alternately through our graph and through the same graph on standard integrations."""

import shutil
import sys
from pathlib import Path

from foss_platform.cli.run.feed import EXCERPT
from foss_platform.cli.shared.instance import prepare_dagster_home
from foss_platform.ingest.recording.feed_server import FeedServer
from foss_platform.ingest.recording.recording import read_recording
from foss_platform.transform.dbt_package import link_package
from foss_platform_tests.benchmarks.dagster.latency_benchmark import prepare
from foss_platform_tests.benchmarks.dagster.timeline import last_commit
from foss_platform_tests.benchmarks.ingest.polls import PIPELINE
from foss_platform_tests.benchmarks.measure import Bench, in_own_process, run_command, settings_of
from foss_platform_tests.benchmarks.report import Figure, Report
from foss_platform_tests.repository import PROJECT_ROOT

_METHOD = """\
Both sides run `dagster job execute` for one poll over local HTTP, which follows the included excerpt. The asset for \
the poll, the dbt project and the plugin are the same. Stock: dbt through `DbtCliResource` with the committed profile, \
and the multiprocess executor. Ours: dbt in process, and the in-process executor. Ours also shows rows, columns and a \
picture."""


def run(bench: Bench) -> Report:
    """Run the benchmark."""
    rounds = bench.choose(3, 1)
    ahead = 2 * rounds + 4
    project = bench.folder / "dbt_project"
    # a copy, so that dbt's command line writes nothing to the checkout
    shutil.copytree(
        PROJECT_ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages")
    )
    link_package(project)
    homes = {"ours": bench.folder / "ours", "stock": bench.folder / "stock"}
    modules = {"ours": "foss_platform.definitions", "stock": "foss_platform_tests.benchmarks.dagster.stock_location"}
    whole: dict[str, list[float]] = {side: [] for side in homes}
    to_gold: dict[str, list[float]] = {side: [] for side in homes}
    for home in homes.values():
        in_own_process(bench.folder, prepare, home, ahead)
        in_own_process(bench.folder, make_instance, home)
    polls = [poll for poll in list(read_recording(EXCERPT))[-ahead:] if poll.http_status == 200]
    more = {"FOSS_FEED": "recorded", "FOSS_DUCKDB_MEMORY_LIMIT": "4GB", "BENCHMARK_DBT_PROJECT": str(project)}
    dbt = str(Path(sys.executable).with_name("dbt"))
    folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
    run_command([dbt, "parse", *folders], project, {**more, "FOSS_HOME": str(homes["stock"])})
    servers = {side: FeedServer(polls, pace="step") for side in homes}
    try:
        for number in range(rounds + 1):
            for side, home in homes.items():
                feed = {"FOSS_HOME": str(home), "STAVANGER_PARKING_URL": servers[side].url, **more}
                feed["DAGSTER_HOME"] = str(home / "dagster")
                feed["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"
                command = [sys.executable, "-m", "dagster", "job", "execute", "-m", modules[side], "-j", PIPELINE]
                _, seconds = run_command(command, bench.folder, feed)
                # the first run of each side only warms caches
                if number:
                    whole[side].append(seconds)
                    to_gold[side].append(last_commit(home) - last_commit(home, f"bronze.{PIPELINE}"))
    finally:
        for server in servers.values():
            server.close()
    return Report("stock", _METHOD, _figures(whole, to_gold))


def make_instance(home: str) -> None:
    """Create the home's Dagster folder with the configuration of the platform."""
    prepare_dagster_home(settings_of(home))


def _figures(whole: dict[str, list[float]], to_gold: dict[str, list[float]]) -> list[Figure]:
    figures = []
    for what, seconds in (("the whole process", whole), ("from bronze to gold committed", to_gold)):
        ratios = [a / b for a, b in zip(seconds["stock"], seconds["ours"], strict=True)]
        figures += [
            Figure(f"{what}: stock / ours", ratios),
            Figure("  ours", seconds["ours"], "s"),
            Figure("  stock", seconds["stock"], "s"),
        ]
    return figures
