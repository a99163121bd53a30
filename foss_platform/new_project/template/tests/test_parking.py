"""The parking example: its recording is loaded and refined, and the unit tests of its models pass."""

import json
import unittest

from test_project import PROJECT, ProjectTest


class TestParking(ProjectTest):
    """Tests of the example."""

    def test_the_recording_becomes_gold(self) -> None:
        self.run_program("foss", "replay", "stavanger_parking", str(PROJECT / "defs/stavanger_parking/excerpt.csv"))
        found = self.run_program("foss", "sql", "--format", "json", "select count(*) as sites from gold.parking_latest")
        self.assertEqual(json.loads(found), [{"sites": 9}])
        project = str(PROJECT / "dbt_project")
        self.run_program(
            "dbt", "test", "--select", "test_type:unit", "--project-dir", project, "--profiles-dir", project,
            "--target-path", str(self.home / "target"), "--log-path", str(self.home / "logs"),
        )  # fmt: skip


if __name__ == "__main__":
    unittest.main()
