"""A Go that is new enough to build MinIO: the one at hand, or one from the Go module proxy. Not here: the build."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from foss_platform_tests.services.cache import run
from foss_platform_tests.services.places import Missing, versions

_REMEDY = "apt-get install golang-go (any version: a newer one is fetched by it); is the Go module proxy reachable?"
# since this one go fetches the Go that a module asks for by itself
_SELF_FETCHING = (1, 21)


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
