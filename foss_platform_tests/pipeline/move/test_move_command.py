"""`foss move`: the plan, the confirmation, the move and the next steps."""

from pyiceberg.catalog import Catalog
from typer.testing import CliRunner

from foss_platform.cli.main import app
from foss_platform.errors import ConfigurationError
from foss_platform.settings import Settings
from foss_platform_tests.pipeline.move import moving_lake as moving
from foss_platform_tests.pipeline.move.moving_lake import Target, everything, tree

target = moving.target
small = moving.small
foss = moving.foss


def test_a_dry_run_writes_nothing(small: Catalog, settings: Settings, target: Target, foss: CliRunner) -> None:
    files = tree(settings.home)
    there = sorted(target.settings.home.iterdir())
    result = foss.invoke(app, ["move", "--to", str(target.file), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "bronze.things" in result.output
    assert "nothing was written" in result.output
    assert sorted(target.settings.home.iterdir()) == there
    # neither where the catalog's file is there and empty
    (target.settings.home / "catalog.db").touch()
    assert foss.invoke(app, ["move", "--to", str(target.file), "--dry-run"]).exit_code == 0
    assert (target.settings.home / "catalog.db").stat().st_size == 0
    assert tree(settings.home) == files
    assert small.list_tables("bronze")


def test_command_moves_and_reports_the_next_steps(
    small: Catalog, settings: Settings, target: Target, foss: CliRunner
) -> None:
    arguments = ["move", "--to", str(target.file)]
    assert isinstance(foss.invoke(app, arguments).exception, ConfigurationError)
    result = foss.invoke(app, [*arguments, "--yes"])
    assert result.exit_code == 0, result.output
    assert "PYICEBERG_CATALOG__LAKE__URI" in result.output
    assert "History that stays here" in result.output
    assert everything(target.catalog()) == everything(small)
    assert "complete" in foss.invoke(app, [*arguments, "--dry-run"]).output
