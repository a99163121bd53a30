"""The production configuration: secrets from files, all problems in one error, no secret values in errors."""

from pathlib import Path

import pytest

from foss_platform.catalog_configuration import catalog_kind, catalog_problems, catalog_properties
from foss_platform.errors import ConfigurationError
from foss_platform.secrets import read_secret
from foss_platform.settings import Environment, load_settings

WHOLE = {
    "FOSS_ENVIRONMENT": "production",
    "FOSS_ENGINE": "duckdb",
    "FOSS_AUTOMATION": "on",
    "PYICEBERG_CATALOG__LAKE__URI": "postgresql+psycopg://lake@localhost/lake",
    "PYICEBERG_CATALOG__LAKE__WAREHOUSE": "s3://lake/warehouse",
    "PYICEBERG_CATALOG__LAKE__S3__ENDPOINT": "http://localhost:9000",
    "PYICEBERG_CATALOG__LAKE__S3__REGION": "us-east-1",
    "PYICEBERG_CATALOG__LAKE__S3__ACCESS_KEY_ID": "key",
}
SECRET = "PYICEBERG_CATALOG__LAKE__S3__SECRET_ACCESS_KEY"


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set a complete configuration and return the file with its secret."""
    file = tmp_path / "secret"
    file.write_text("s3cr3t\n")
    for name, value in {**WHOLE, f"{SECRET}_FILE": str(file)}.items():
        monkeypatch.setenv(name, value)
    return file


def problem() -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return caught.value.problem


def test_complete_configuration_includes_its_secret_and_the_defaults(whole: Path) -> None:
    assert load_settings().environment is Environment.PRODUCTION
    import os

    properties = catalog_properties(os.environ)
    assert properties is not None
    assert properties["s3.secret-access-key"] == "s3cr3t"
    assert properties["schema_version"] == "v1"
    assert properties["py-io-impl"].endswith("OneRequestFileIO")
    assert "s3.secret-access-key-file" not in properties


def test_default_configuration_names_the_local_warehouse_and_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOSS_ENVIRONMENT", "production")
    said = problem()
    for name in (
        "FOSS_ENGINE",
        "FOSS_AUTOMATION",
        "PYICEBERG_CATALOG__LAKE__URI",
        "PYICEBERG_CATALOG__LAKE__WAREHOUSE",
    ):
        assert name in said


def test_all_problems_are_reported_at_once_without_secrets(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOSS_ENGINE")
    monkeypatch.delenv("FOSS_AUTOMATION")
    monkeypatch.setenv("FOSS_FEED", "recorded")
    monkeypatch.delenv("PYICEBERG_CATALOG__LAKE__WAREHOUSE")
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__S3__ENDPOINT", "localhost:9000")
    monkeypatch.delenv("PYICEBERG_CATALOG__LAKE__S3__ACCESS_KEY_ID")
    said = problem()
    for part in (
        "FOSS_ENGINE is not set",
        "FOSS_AUTOMATION is not set",
        "FOSS_FEED is recorded",
        "has no warehouse",
        "http://host:port",
        "not its counterpart",
    ):
        assert part in said
    assert "s3cr3t" not in said


def test_missing_configuration_is_reported_with_the_other_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOSS_ENVIRONMENT", "production")
    assert "no Iceberg catalog named 'lake'" in problem()
    assert "FOSS_ENGINE is not set" in problem()


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read"), ("", "is empty"), ("both", "Both")], ids=["gone", "empty", "both"]
)
def test_secret_file_without_a_usable_secret_is_an_error(
    whole: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, said: str
) -> None:
    if content is None:
        whole.unlink()
    elif content == "both":
        monkeypatch.setenv(SECRET, "s3cr3t")
    else:
        whole.write_text(content)
    assert said in problem()
    assert "s3cr3t" not in problem()


def test_unset_secret_is_none() -> None:
    assert read_secret("NOBODY", {}) is None
    assert read_secret("SOMEBODY", {"SOMEBODY": "x"}) == "x"


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ({"uri": "http://localhost:8181"}, "rest"),
        ({"uri": "postgresql+psycopg://localhost/lake"}, "sql"),
        ({"uri": "thrift://localhost"}, None),
        ({"uri": "https://localhost", "type": "sql"}, "sql"),
    ],
)
def test_the_kind_of_catalog(properties: dict[str, str], kind: str | None) -> None:
    assert catalog_kind(properties) == kind


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"type": "hive"}, "hive"),
        ({"uri": "https://localhost", "type": "sql"}, "the type is sql"),
        ({"warehouse": "file:///lake", "s3.region": "here"}, "object store properties are set"),
        ({"schema_version": "v0"}, "v1"),
        ({"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}, "hangs"),
        ({"s3.endpoint": "http://localhost"}, "region"),
    ],
)
def test_contradictions(changed: dict[str, str], said: str) -> None:
    properties = {"uri": "postgresql+psycopg://localhost/lake", "warehouse": "s3://lake", **changed}
    (problem,) = catalog_problems(properties)
    assert said in problem
