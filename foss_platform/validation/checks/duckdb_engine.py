"""Checks of DuckDB as the engine: its version, extensions and memory, and a query over the probe."""

import os
import re
from pathlib import Path

from foss_platform.validation.results import Finding, failed, passed, warning
from foss_platform.validation.trial import Trial

_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class DuckdbEngine:
    """DuckDB in this process."""

    def starts(self, trial: Trial) -> Finding:
        """Open DuckDB as every run does: with the memory limit, and extensions from the installed packages."""
        from foss_platform.lake.query.duckdb_views import connect

        with connect(trial.settings) as connection:
            version, limit, threads = connection.execute(
                "select version(), current_setting('memory_limit'), current_setting('threads')"
            ).fetchone() or ("", "", 0)
            loaded = connection.execute(
                "select string_agg(extension_name, ', ' order by extension_name) from duckdb_extensions()"
                " where loaded and extension_name in ('avro', 'httpfs', 'iceberg')"
            ).fetchone()
        detail = f"DuckDB {version}, extensions {loaded[0] if loaded else 'none'}, {limit} of memory, {threads} threads"
        memory = _machine_memory()
        if _bytes(limit) > memory:
            return warning(
                f"{detail}. This machine has {memory / 2**30:.1f} GiB",
                "Set FOSS_DUCKDB_MEMORY_LIMIT to at most 70 % of the memory of the machine or container.",
            )
        return passed(detail)

    def reads_lake(self, trial: Trial) -> Finding:
        """Create the view that models read, and query it. Creating the view also gives DuckDB the key of a bucket."""
        import duckdb

        from foss_platform.lake.query.duckdb_views import connect, create_view, first_line, pin

        name, table = trial.probe.table_name, trial.probe.table
        assert table is not None, "the query runs after the commit"
        with connect(trial.settings) as connection:
            try:
                create_view(connection, pin(name, table))
                found = connection.execute(f'select count(*), sum(number) from "{name.namespace}".probe').fetchone()
                # models are read from DuckDB as Arrow through another cursor, so do the same here
                times = connection.cursor().execute(f'select moment from "{name.namespace}".probe').to_arrow_table()
            except duckdb.Error as error:
                remedy = "Check the owner and permissions of the warehouse's folder."
                if trial.bucket is not None:
                    remedy = "Check the s3.… properties of catalog 'lake': DuckDB uses their key, endpoint and region."
                return failed(f"DuckDB cannot read a table that PyIceberg can: {first_line(error)}", remedy)
        if found is None or tuple(map(int, found)) != (3, 6):
            return failed(f"the rows that DuckDB reads are not the committed rows: {found}", "Do not use this store.")
        zone = getattr(times.schema.field("moment").type, "tz", None)
        if zone != "UTC":
            return failed(
                f"DuckDB returns times in {zone or 'no time zone'} instead of UTC, so no model can be committed.",
                "Report this as a defect: the platform sets the zone of each connection.",
            )
        return passed("a query over the probe returned the committed rows, with times in UTC")


def _bytes(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)\s*(\w+)", text)
    return float(found[1]) * _UNITS.get(found[2], 0) if found else 0.0


def _machine_memory() -> float:
    """Return the memory of the machine, or of the container if that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        return memory
    return min(memory, int(limit)) if limit.isdigit() else memory
