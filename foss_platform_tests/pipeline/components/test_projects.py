"""Two projects in one process: the pages of each are loaded from its own folder."""

import sys
from pathlib import Path

import dagster as dg
import pytest

from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.settings import Settings

_PYPROJECT = """
[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "defs"
defs_module = "defs"
"""

_COMPONENT = """
import dagster as dg
from .names import NAME

class Own(dg.Component, dg.Model, dg.Resolvable):
    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return dg.Definitions(assets=[dg.AssetSpec(NAME)])
"""


def make_project(folder: Path) -> Settings:
    """A project with a component of its own, a Python module, and a page of the platform."""
    page = folder / "defs" / "page"
    page.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(_PYPROJECT)
    (page / "component.py").write_text(_COMPONENT)
    (page / "names.py").write_text(f"NAME = 'component_of_{folder.name}'\n")
    (page / "defs.yaml").write_text("type: .component.Own\n")
    (folder / "defs" / "module.py").write_text(
        f"import dagster as dg\n\n\n@dg.asset\ndef module_of_{folder.name}() -> None: ...\n"
    )
    health = folder / "defs" / "platform_health"
    health.mkdir()
    (health / "defs.yaml").write_text("type: foss_platform.components.platform_health.PlatformHealth\n"
                                      "attributes: {owners: ['team:data'], cadence: '@daily'}\n")  # fmt: skip
    return Settings(project=folder, home=folder / "home")


def keys_of(settings: Settings) -> set[str]:
    defs = build_defs(Platform(settings))
    dg.Definitions.validate_loadable(defs)
    return {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}


def test_each_project_has_its_own_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    one, two = make_project(tmp_path / "one"), make_project(tmp_path / "two")
    assert keys_of(one) == {"component_of_one", "module_of_one", "ops/platform_health"}
    assert keys_of(two) == {"component_of_two", "module_of_two", "ops/platform_health"}
    assert sys.path == path
    assert "defs" not in sys.modules

    added = tmp_path / "one" / "defs" / "later.py"
    added.write_text("import dagster as dg\n\n\n@dg.asset\ndef added_later() -> None: ...\n")
    assert "added_later" in keys_of(one)
