"""Command of `make services`: fetches every server of the tests once, into a cache outside the checkout.

See `process` for starting the servers.

Everything is verified against a pin. Go checks each module of MinIO against `docker/minio/go.sum`. Maven checks each
download against the repository's own checksums (`-C`), and each jar is compared with
`docker/rest-catalog/SHA256SUMS` before use. Trino is compared with `docker/trino/SHA256SUMS`, and pip checks Java
against `docker/trino/java.txt`. `python -m foss_platform_tests.services.servers.fetch sums` writes the checksums
of the jars after a change of versions.
"""

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from foss_platform_tests.services.servers.cache import kept, run
from foss_platform_tests.services.servers.programs import (
    DOCKER,
    REST_CATALOG_SUMS,
    Missing,
    postgres_programs,
    versions,
)
from foss_platform_tests.services.servers.toolchain import go_program, java_home, run_maven
from foss_platform_tests.services.servers.trino_program import trino


def minio() -> Path:
    """Return MinIO's program, built from source as a Go module.

    Raises
    ------
    Missing
        If it cannot be built.
    """
    sources = [DOCKER / "minio" / "go.mod", DOCKER / "minio" / "go.sum"]
    return kept("minio", sources, _build_minio) / "minio"


def rest_catalog() -> Path:
    """Return the folder of the REST catalog's jars.

    Raises
    ------
    Missing
        If they cannot be downloaded, or differ from `SHA256SUMS`.
    """
    return kept("rest-catalog", [DOCKER / "rest-catalog" / "pom.xml", REST_CATALOG_SUMS], _fetch_rest_catalog)


def java() -> str:
    """Return the `java` program for the REST catalog.

    Raises
    ------
    Missing
        If Java is missing or too old and cannot be downloaded.
    """
    return str(java_home() / "bin" / "java")


def _build_minio(folder: Path) -> None:
    program, environment = go_program()
    with tempfile.TemporaryDirectory() as aside:
        for name in ("go.mod", "go.sum"):
            shutil.copy(DOCKER / "minio" / name, aside)
        run(
            "Building MinIO from source (8 minutes on two cores, once)",
            [
                program,
                "build",
                "-trimpath",
                "-ldflags=-s -w",
                "-o",
                str(folder / "minio"),
                versions()["minio"]["module"],
            ],
            remedy="Check that the Go module proxy is reachable and that 3 GB are free in the home folder",
            environment={
                **environment,
                "GO111MODULE": "on",
                "GOFLAGS": "-mod=readonly -buildvcs=false",
                "GOWORK": "off",
            },
            folder=Path(aside),
        )


def _fetch_rest_catalog(folder: Path) -> None:
    _copy_jars(folder)
    wanted, got = REST_CATALOG_SUMS.read_text(), _sums(folder)
    if got != wanted:
        names = {line.split("  ")[1] for line in set(wanted.splitlines()) ^ set(got.splitlines())}
        raise Missing(f"These jars differ from {REST_CATALOG_SUMS.name}: {', '.join(sorted(names))}. Do not use them")


def _copy_jars(folder: Path) -> None:
    run_maven(
        "Downloading Iceberg's REST catalog from Maven Central",
        [
            *("-f", str(DOCKER / "rest-catalog" / "pom.xml")),
            f"{versions()['maven']['copier']}:copy-dependencies",
            f"-DoutputDirectory={folder}",
        ],
        folder=folder,
    )


def _sums(folder: Path) -> str:
    jars = sorted(folder.glob("*.jar"))
    return "".join(f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n" for jar in jars)


def _write_sums() -> None:
    with tempfile.TemporaryDirectory() as aside:
        _copy_jars(Path(aside))
        REST_CATALOG_SUMS.write_text(_sums(Path(aside)))


def main(arguments: list[str]) -> int:
    """Fetch all servers, and print one line for each that cannot be fetched."""
    if arguments == ["sums"]:
        _write_sums()
        return 0
    problems = []
    for get in (postgres_programs, java, rest_catalog, trino, minio):
        try:
            get()
        except Missing as error:
            problems.append(str(error))
    for problem in problems:
        print(f"make services: {problem}", file=sys.stderr)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
