"""`make services`: get every server that the tests run, once, into a cache outside of the checkout.

What belongs here: the list of them. What does not: starting them (`servers`).

Nothing is trusted that is not pinned: Go checks each module of MinIO against `docker/minio/go.sum`; Maven checks each
download against the repository's own checksums (`-C`), and each jar is held against `docker/rest-catalog/SHA256SUMS`
before it is used; Trino against `docker/trino/SHA256SUMS`, and pip a Java against `docker/trino/java.txt`.
`python -m foss_platform_tests.services.servers.fetch sums` writes those of the jars after a change of versions.
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
    """MinIO's program, built from source as a Go module.

    Raises
    ------
    Missing
        When it cannot be built.
    """
    sources = [DOCKER / "minio" / "go.mod", DOCKER / "minio" / "go.sum"]
    return kept("minio", sources, _build_minio) / "minio"


def rest_catalog() -> Path:
    """The folder of the REST catalog's jars.

    Raises
    ------
    Missing
        When they cannot be had, or are not those of `SHA256SUMS`.
    """
    return kept("rest-catalog", [DOCKER / "rest-catalog" / "pom.xml", REST_CATALOG_SUMS], _fetch_rest_catalog)


def java() -> str:
    """The program that runs the REST catalog.

    Raises
    ------
    Missing
        When there is none, or it is too old, and none can be fetched.
    """
    return str(java_home() / "bin" / "java")


def _build_minio(folder: Path) -> None:
    program, environment = go_program()
    with tempfile.TemporaryDirectory() as aside:
        for name in ("go.mod", "go.sum"):
            shutil.copy(DOCKER / "minio" / name, aside)
        run(
            "MinIO, built from source (8 minutes on two cores, once)",
            [
                program,
                "build",
                "-trimpath",
                "-ldflags=-s -w",
                "-o",
                str(folder / "minio"),
                versions()["minio"]["module"],
            ],
            remedy="is the Go module proxy reachable, are 3 GB free in the home folder?",
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
        raise Missing(f"Not the jars of {REST_CATALOG_SUMS.name}: {', '.join(sorted(names))}: do not use them")


def _copy_jars(folder: Path) -> None:
    run_maven(
        "Iceberg's REST catalog from Maven Central",
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
    """Get all of them, and say in one line each what cannot be had."""
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
