"""The file that names a move's target: each mistake gives one clear error without secrets."""

from pathlib import Path

import pytest

from foss_platform.errors import ConfigurationError, TransientError
from foss_platform.lake.move.target import open_target, read_target, without_secrets
from foss_platform_tests.pipeline.move import moving_lake as moving
from foss_platform_tests.pipeline.move.moving_lake import Target, written

target = moving.target


WRONG = {
    "missing": (None, "cannot be read"),
    "no YAML": ("catalog: [secret", "line 1"),
    "no lake": ("catalog: {other: {uri: secret}}", "a catalog named lake"),
    "a list": ("[secret]", "a catalog named lake"),
    "no uri": ("catalog: {lake: {type: sql, s3.secret-access-key: secret}}", "no uri"),
    "no warehouse": ("catalog: {lake: {uri: 'sqlite:////secret'}}", "no warehouse"),
    "no text": ("catalog: {lake: {type: sql, uri: [secret]}}", "uri of the catalog must be plain text"),
    "no type": ("catalog: {lake: {uri: 'odd://secret'}}", "the type"),
    "a type unknown": ("catalog: {lake: {type: secret, uri: 'sqlite://'}}", "the type"),
    "unset": ("catalog: {lake: {uri: '${SURELY_UNSET}', token: '${ALSO_UNSET} secret'}}", "ALSO_UNSET, SURELY_UNSET"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_target_file_is_one_clear_error(tmp_path: Path, wrong: str) -> None:
    text, says = WRONG[wrong]
    file = tmp_path / "target.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        read_target(file, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "lake",
    [
        {"type": "sql", "uri": "nodriver://u:secret@127.0.0.1/x", "warehouse": "s3://u/x"},
        {"type": "sql", "uri": "secret", "warehouse": "s3://u/x"},
        {"type": "sql", "uri": "sqlite:////surely/not/there.db", "warehouse": "s3://u/x"},
        {"type": "glue", "warehouse": "x", "uri": "x", "glue.id": "secret"},
    ],
)
def test_a_target_that_cannot_be_opened_is_one_clear_error(tmp_path: Path, lake: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_target(read_target(written(tmp_path / "target.yaml", lake), {}))
    assert "u:secret" not in str(caught.value)


def test_a_target_that_does_not_answer_is_said_without_secrets(tmp_path: Path) -> None:
    lake = {"type": "rest", "uri": "http://u:secret@127.0.0.1:1", "token": "secret"}
    with pytest.raises(TransientError, match=r"The target, rest catalog at http://127\.0\.0\.1:1") as caught:
        open_target(read_target(written(tmp_path / "target.yaml", lake), {}))
    assert "secret" not in str(caught.value)


def test_secrets_come_from_the_environment_and_are_never_shown(tmp_path: Path) -> None:
    lake = {"uri": "postgresql+psycopg2://me:${PASSWORD}@db:5432/lake?sslkey=x", "s3.secret-access-key": "${KEY}"}
    lake["warehouse"] = "s3://lake"
    found = read_target(written(tmp_path / "target.yaml", lake), {"PASSWORD": "a/b?c@d", "KEY": "hidden"})
    assert found.properties["uri"] == "postgresql+psycopg2://me:a/b?c@d@db:5432/lake?sslkey=x"
    assert str(found) == "sql catalog at postgresql+psycopg2://db:5432/lake, warehouse s3://lake"
    assert "hidden" not in repr(found)
    assert found.variables() == [
        f"PYICEBERG_CATALOG__LAKE__{name}" for name in ("S3__SECRET_ACCESS_KEY", "URI", "WAREHOUSE")
    ]
    assert without_secrets("sqlite:////a/b.db") == "sqlite:////a/b.db"


def test_the_source_s_configuration_does_not_reach_the_target(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.utils.config import Config

    monkeypatch.setattr(Config, "get_catalog_config", lambda *_: {"s3.endpoint": "http://here"})
    assert "s3.endpoint" not in target.catalog().properties
