"""Fetching the servers: a missing tool is reported with its remedy, and files that differ from the pins are refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from foss_platform_tests.services.servers import cache, fetch, toolchain, trino_program
from foss_platform_tests.services.servers import programs as places
from foss_platform_tests.services.servers.programs import ROOT, Missing


def test_fetching_again_is_silent() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "foss_platform_tests.services.servers.fetch"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    # no output: nothing was fetched
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_each_missing_tool_is_one_line_with_its_remedy(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path), "FOSS_SERVICES_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "foss_platform_tests.services.servers.fetch"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    # the REST catalog and Trino, MinIO. Java is found by its path or fetched without a program.
    for package, count in (("maven", 2), ("golang-go", 1)):
        assert len([line for line in lines if f"apt-get install {package}" in line]) == count
    assert len(lines) == 3
    assert {path.name for path in (tmp_path / "cache").iterdir() if not path.name.startswith("java-")} == {".lock"}


def test_jars_that_differ_from_the_pins_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sums = tmp_path / "SHA256SUMS"
    pinned = places.REST_CATALOG_SUMS.read_text()
    sums.write_text(pinned.replace(pinned[:64], "0" * 64))
    monkeypatch.setenv("FOSS_SERVICES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "REST_CATALOG_SUMS", sums)
    with pytest.raises(Missing, match=r"These jars differ from SHA256SUMS: .*jar\. Do not use them"):
        fetch.rest_catalog()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_trino_that_differs_from_the_pin_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sums = tmp_path / "SHA256SUMS"
    pinned = trino_program._SUMS.read_text()
    sums.write_text("0" * 64 + pinned[64:])
    monkeypatch.setenv("FOSS_SERVICES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trino_program, "_SUMS", sums)
    with pytest.raises(Missing, match=r"trino-server-.*\.tar\.gz differs from SHA256SUMS\. Do not use it"):
        trino_program.trino()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_trino_has_only_the_listed_plugins() -> None:
    assert {path.name for path in (trino_program.trino() / "plugin").iterdir()} == trino_program.wanted_plugins()


def test_java_home_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    (tmp_path / "release").write_text('JAVA_VERSION="99.0.1"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert toolchain.java_home() == tmp_path


def test_java_is_fetched_if_all_versions_are_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_java_version", lambda _: 17)
    told = subprocess.run(
        [toolchain.java_home() / "bin" / "java", "-version"], capture_output=True, text=True, check=True
    )
    assert 'version "25.' in told.stderr


def test_an_interrupted_fetch_is_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOSS_SERVICES_CACHE", str(tmp_path))
    source = tmp_path / "source"
    source.write_text("1")

    def broken(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.kept("thing", [source], broken)
    assert [path.name for path in cache.kept("thing", [source], lambda folder: (folder / "all").touch()).iterdir()] == [
        "all"
    ]
    source.write_text("2")
    assert not cache.kept_folder("thing", [source]).exists()


def test_the_environment_sets_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FOSS_SERVICES_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert places.cache_folder() == tmp_path / "foss-platform" / "services"
    monkeypatch.setenv("FOSS_SERVICES_CACHE", str(tmp_path / "own"))
    assert places.cache_folder() == tmp_path / "own"
