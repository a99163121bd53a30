"""A project with a second pipeline, `city_bikes`, which has a page, models, a seed and a model shared with parking."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from foss_platform.settings import Settings
from foss_platform.transform.project.folders import target_folder
from foss_platform.transform.project.parsed import prepare_project
from foss_platform_tests.pipeline.transform.dbt_projects import NO_CONTRACT, project_with
from foss_platform_tests.repository import PROJECT_ROOT

PARKING, BIKES = "stavanger_parking", "city_bikes"
PAGE = f"""\
type: foss_platform.components.rest_feed.RestFeed
attributes:
  name: {BIKES}
  description: Free bikes.
  owners: ["team:data-platform"]
  cadence: "*/2 * * * *"
  source: {{url: "http://127.0.0.1:9/bikes.json", url_variable: CITY_BIKES_URL, tries: 1, timeout_seconds: 5}}
  contract:
    - {{name: station}}
    - {{name: bikes, type: int}}
    - {{name: seen}}
  time: {{fields: [seen], format: iso8601}}
"""
#: Its dbt files, as `project_with` takes them.
FILES = {
    "silver__bikes_yml": f"""\
sources: [{{name: bronze, schema: bronze, tables: [{{name: {BIKES}}}, {{name: {BIKES}__rejected}}]}}]
models:
  - name: bike_counts
    columns: [{{name: station, data_tests: [not_null]}}]
""",
    "silver__bike_counts_sql": f"""\
{{{{ config(materialized='incremental', unique_key=['station', 'polled_at'], {NO_CONTRACT}) }}}}
select station, bikes, _polled_at as polled_at from {{{{ source('bronze', '{BIKES}') }}}}
where {{% if foss_platform.is_step() %}}{{{{ foss_platform.unread('bronze.{BIKES}') }}}}
{{% else %}}{{{{ foss_platform.readable('bronze.{BIKES}') }}}}{{% endif %}}
""",
    "gold__bike_problems_sql": f"""\
{{{{ config(materialized='table', {NO_CONTRACT}) }}}}
select reason, count(*) as records from {{{{ source('bronze', '{BIKES}__rejected') }}}} group by reason
""",
    "gold__bike_latest_sql": f"""\
{{{{ config(materialized='table', {NO_CONTRACT}) }}}}
select counts.station, max(counts.bikes) as bikes, max(stations.docks) as docks
from {{{{ ref('bike_counts') }}}} as counts left join {{{{ ref('bike_stations') }}}} as stations using (station)
group by counts.station
""",
    "gold__city_sql": f"""\
{{{{ config(materialized='table', {NO_CONTRACT}) }}}}
select site as place, free_spaces as free from {{{{ ref('parking_latest') }}}}
union all
select station, bikes from {{{{ ref('bike_latest') }}}}
""",
    "seeds__bike_stations_csv": "station,docks\nHarbour,10\n",
}


class TwoPipelines:
    """The project in a folder. It has been parsed once, so that each home starts with the parsed project."""

    def __init__(self, folder: Path, **files: str) -> None:
        """Copy the package and the dbt project. `files` are further dbt files, or replace those of the bikes."""
        self.folder = folder
        self.dbt_project = project_with(folder, **{**FILES, **files})
        shutil.copytree(
            PROJECT_ROOT / "foss_platform", folder / "foss_platform", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(PROJECT_ROOT / "pyproject.toml", folder / "pyproject.toml")
        page = folder / "foss_platform" / "defs" / BIKES / "defs.yaml"
        page.parent.mkdir()
        page.write_text(PAGE)
        self._parsed = folder / "parsed"

    def new_home(self, home: Path) -> Settings:
        """Return the settings of a new home."""
        prepare_project(Settings(home=self._parsed, dbt_project=self.dbt_project))
        settings = Settings(home=home, dbt_project=self.dbt_project)
        shutil.copytree(target_folder(Settings(home=self._parsed)), target_folder(settings))
        return settings

    def foss(self, home: Path, *words: str, **environment: str) -> tuple[int, str, str]:
        """Run `foss` on a home, in a process of its own. Returns exit code, output and messages.

        The last line of the messages names those of Dagster's dbt integration and dbt that were imported.
        """
        command = (
            "import sys\nfrom foss_platform.cli.main import run\n"
            f"sys.argv = {['foss', *words]!r}\n"
            "try:\n    run()\nfinally:\n"
            "    print(sorted({'dbt', 'dagster_dbt'} & set(sys.modules)), file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", command],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(self.folder),
                "FOSS_HOME": str(home),
                "FOSS_DBT_PROJECT": str(self.dbt_project),
                "COLUMNS": "300",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr
