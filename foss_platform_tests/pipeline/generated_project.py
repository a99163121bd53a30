"""A project beside the checkout: the parking example, and further pipelines generated from a page and its models."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from foss_platform.new_project.project_files import project_files
from foss_platform.settings import Settings
from foss_platform.transform.project.folders import target_folder
from foss_platform.transform.project.parsed import prepare_project
from foss_platform_tests.pipeline.transform.dbt_projects import NO_CONTRACT, add_files

PARKING, BIKES = "stavanger_parking", "city_bikes"


def page(pipeline: str) -> str:
    """Return the page of a pipeline. `<PIPELINE>_URL` is the variable of its feed's URL."""
    return f"""\
type: foss_platform.components.rest_feed.RestFeed
attributes:
  name: {pipeline}
  description: Free bikes.
  owners: ["team:data-platform"]
  cadence: "*/2 * * * *"
  source: {{url: "http://127.0.0.1:9/bikes.json", url_variable: {url_variable(pipeline)}, tries: 1, timeout_seconds: 5}}
  contract:
    - {{name: station}}
    - {{name: bikes, type: int}}
    - {{name: seen}}
  time: {{fields: [seen], format: iso8601}}
"""


def url_variable(pipeline: str) -> str:
    """Return the name of the variable that replaces the URL on the page."""
    return f"{pipeline.upper()}_URL"


def dbt_files(pipeline: str, prefix: str) -> dict[str, str]:
    """Return the dbt files of a pipeline, named as `add_files` takes them.

    They are `silver.<prefix>_counts`, `gold.<prefix>_latest`, `gold.<prefix>_problems`, and the seed
    `silver.<prefix>_stations`.
    """
    return {
        f"silver__{prefix}_yml": f"""\
sources: [{{name: bronze, schema: bronze, tables: [{{name: {pipeline}}}, {{name: {pipeline}__rejected}}]}}]
models:
  - name: {prefix}_counts
    columns: [{{name: station, data_tests: [not_null]}}]
""",
        f"silver__{prefix}_counts_sql": f"""\
{{{{ config(materialized='incremental', unique_key=['station', 'polled_at'], {NO_CONTRACT}) }}}}
select station, bikes, _polled_at as polled_at from {{{{ source('bronze', '{pipeline}') }}}}
where {{% if foss_platform.is_step() %}}{{{{ foss_platform.unread('bronze.{pipeline}') }}}}
{{% else %}}{{{{ foss_platform.readable('bronze.{pipeline}') }}}}{{% endif %}}
""",
        f"gold__{prefix}_problems_sql": f"""\
{{{{ config(materialized='table', {NO_CONTRACT}) }}}}
select reason, count(*) as records from {{{{ source('bronze', '{pipeline}__rejected') }}}} group by reason
""",
        f"gold__{prefix}_latest_sql": f"""\
{{{{ config(materialized='table', {NO_CONTRACT}) }}}}
select counts.station, max(counts.bikes) as bikes, max(stations.docks) as docks
from {{{{ ref('{prefix}_counts') }}}} as counts left join {{{{ ref('{prefix}_stations') }}}} as stations using (station)
group by counts.station
""",
        f"seeds__{prefix}_stations_csv": "station,docks\nHarbour,10\n",
    }


#: The dbt files of a second pipeline, and a model that it and parking feed.
BIKE_FILES = {
    **dbt_files(BIKES, "bike"),
    "gold__city_sql": f"""\
{{{{ config(materialized='table', {NO_CONTRACT}) }}}}
select site as place, free_spaces as free from {{{{ ref('parking_latest') }}}}
union all
select station, bikes from {{{{ ref('bike_latest') }}}}
""",
}


class GeneratedProject:
    """The project in a folder. It has been parsed once, so that each home starts with the parsed project."""

    def __init__(self, folder: Path, pages: Mapping[str, str], files: Mapping[str, str]) -> None:
        """Write the project.

        Parameters
        ----------
        pages
            The text of each page beside parking, by folder.
        files
            The dbt files beside those of parking, as `add_files` takes them.
        """
        self.folder = folder / "project"
        for path, content in project_files("generated", example=True).items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        for name, text in pages.items():
            file = self.page(name)
            file.parent.mkdir()
            file.write_text(text)
        add_files(self.folder / "dbt_project", files)
        self._parsed = self.settings(folder / "parsed")

    def page(self, folder: str) -> Path:
        """Return the file of a page."""
        return self.folder / "defs" / folder / "defs.yaml"

    def settings(self, home: Path) -> Settings:
        """Return the settings of a home of this project."""
        return Settings(project=self.folder, home=home)

    def new_home(self, home: Path) -> Settings:
        """Return the settings of a new home."""
        prepare_project(self._parsed)
        settings = self.settings(home)
        shutil.copytree(target_folder(self._parsed), target_folder(settings))
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
            # the current folder says which project it is
            cwd=self.folder,
            env={**os.environ, "FOSS_HOME": str(home), "COLUMNS": "300", **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr


def two_pipelines(folder: Path, **files: str) -> GeneratedProject:
    """Return a project with parking and bikes. `files` are further dbt files, or replace those of the bikes."""
    return GeneratedProject(folder, {BIKES: page(BIKES)}, {**BIKE_FILES, **files})
