"""The project as a whole: its pages and the graph of assets. `make test` runs this."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
_PROGRAMS = Path(sys.executable).parent
_LOAD = """
import dagster as dg
from foss_platform.components.shared.loading import Platform
from foss_platform.definitions import build_defs
from foss_platform.settings import load_settings
dg.Definitions.validate_loadable(build_defs(Platform(load_settings())))
"""


class ProjectTest(unittest.TestCase):
    """Tests that run the platform's programs in an empty home, separate from the project's lake and other catalogs."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)

    def run_program(self, *command: str) -> str:
        """Run a program of this environment, and return its output. Fails unless its exit code is 0."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FOSS_", "PYICEBERG_"))}
        kept.pop("DAGSTER_HOME", None)
        own = {"FOSS_PROJECT": str(PROJECT), "FOSS_HOME": str(self.home), "PYICEBERG_HOME": str(self.home)}
        done = subprocess.run(
            [str(_PROGRAMS / command[0]), *command[1:]],
            env={**kept, **own},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return done.stdout


class TestProject(ProjectTest):
    """Tests of every project."""

    def test_pages_have_no_problem(self) -> None:
        self.run_program("foss", "check")

    def test_the_graph_loads(self) -> None:
        self.run_program(Path(sys.executable).name, "-c", _LOAD)


if __name__ == "__main__":
    unittest.main()
