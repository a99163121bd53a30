"""Formats the results of a benchmark: a table for the terminal, Markdown for `docs`."""

import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.table import Table

_PACKAGES = ("dagster", "dagster-dbt", "dbt-core", "dbt-duckdb", "dbt-trino", "duckdb", "pyiceberg", "pyarrow", "dlt")
#: The text of a section without figures.
NOT_MEASURED = "\nNot measured: no full run has been written here."
_BUSY = "The machine did other work at the same time (see the load): seconds are upper bounds, and ratios are noisy."
_COMMAND = re.compile(r"`python -m foss_platform_tests\.benchmarks ([^`]*)`$")

_HEAD = """\
# Benchmarks

`make bench ARGS=--write` writes this page, with one section per benchmark. Do not edit it by hand. All figures are from
full runs, and a section ends with the command of its run. A benchmark without a full run says so. `--quick` only shows
that a benchmark runs.

Both sides of a ratio were measured alternately in the same run, so a ratio applies to other machines better than
seconds do. In each round both sides are timed, and one time is divided by the other. Each figure is the median of the
rounds."""


@dataclass(frozen=True)
class Figure:
    """Repeated measurements of one quantity.

    Attributes
    ----------
    unit
        `x` for a ratio, else `s`, `ms` or `MB`.
    goal
        Limit for the median, or None if the figure has no goal.
    at_least
        Whether the goal is a lower bound.
    """

    what: str
    values: Sequence[float]
    unit: str = "x"
    goal: float | None = None
    at_least: bool = False

    @property
    def median(self) -> str:
        """Median with its unit."""
        return self._shown(statistics.median(self.values))

    @property
    def spread(self) -> str:
        """Smallest and largest value."""
        return f"{self._shown(min(self.values))} - {self._shown(max(self.values))}" if len(self.values) > 1 else ""

    @property
    def goal_text(self) -> str:
        """Goal with its direction."""
        return "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {self.goal:g} {self.unit}"

    @property
    def is_met(self) -> bool | None:
        """Whether the median meets the goal, or None without a goal."""
        if self.goal is None:
            return None
        median = statistics.median(self.values)
        return median >= self.goal if self.at_least else median <= self.goal

    @property
    def verdict(self) -> str:
        """`is_met` as a word."""
        return {None: "", True: "met", False: "missed"}[self.is_met]

    def _shown(self, value: float) -> str:
        digits = 2 if self.unit in ("x", "s") and value < 100 else 0
        return f"{value:,.{digits}f} {self.unit}"


@dataclass(frozen=True)
class Report:
    """Figures of one benchmark, with the notes needed to judge them.

    Attributes
    ----------
    is_quick
        Whether the sizes were small. Such a report has no verdict and is never written.
    """

    name: str
    method: str
    figures: Sequence[Figure]
    notes: Sequence[str] = field(default_factory=tuple)
    is_quick: bool = False


def machine() -> dict[str, str]:
    """Return a description of the machine and the installed packages."""
    versions = [f"{name} {found}" for name in _PACKAGES if (found := _version(name))]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_proc_value('/proc/cpuinfo', 'model name') or platform.processor()}, {cores()} cores",
        "memory": _proc_value("/proc/meminfo", "MemTotal") or "unknown",
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(versions),
    }


def cores() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def table(report: Report) -> Table:
    """Format the figures of a benchmark for the terminal."""
    shown = Table(title=report.name, title_justify="left", title_style="bold", caption=report.method)
    shown.caption_justify = "left"
    for name in ("what", "median", "min - max", "goal", "verdict"):
        shown.add_column(name, justify="left" if name in ("what", "verdict") else "right")
    for figure in report.figures:
        met = None if report.is_quick else figure.is_met
        verdict = {None: "", True: "[green]✓ met[/]", False: "[red]✗ missed[/]"}[met]
        shown.add_row(figure.what, figure.median, figure.spread, figure.goal_text, verdict)
    return shown


def markdown(
    reports: Sequence[Report], measured_on: dict[str, str], command: str, before: str, names: Iterable[str]
) -> str:
    """Return the content of `docs/BENCHMARKS.md`.

    Parameters
    ----------
    before
        Current content of the page. Sections with figures of a full run are kept if they were not measured this time.
    names
        All benchmarks. A benchmark without such figures gets a section that says so.

    Raises
    ------
    ValueError
        If a report is of a quick run.
    """
    if quick := [report.name for report in reports if report.is_quick]:
        raise ValueError(f"Figures of a quick run are never written: {', '.join(quick)}")
    standing = {text.partition("\n")[0]: text.partition("\n")[2] for text in before.split("\n## ")[1:]}
    sections = {name: text for name, text in standing.items() if is_of_full_run(text)}
    sections |= {report.name: _section(report, measured_on, command) for report in reports}
    order = [*standing, *sections, *names]
    parts = [f"## {name}\n{sections.get(name, NOT_MEASURED).rstrip()}\n" for name in dict.fromkeys(order)]
    return "\n".join([f"{_HEAD.rstrip()}\n", *parts])


def is_of_full_run(section: str) -> bool:
    """Whether a section ends with the command of a full run."""
    found = _COMMAND.search(section.rstrip())
    return found is not None and "--quick" not in found[1].split()


def _section(report: Report, measured_on: dict[str, str], command: str) -> str:
    lines = ["", report.method, ""]
    lines += ["| what | median | min - max | goal | verdict |", "|---|--:|--:|--:|---|"]
    for figure in report.figures:
        cells = (figure.what, figure.median, figure.spread, figure.goal_text, figure.verdict)
        lines.append(f"| {' | '.join(cells)} |")
    lines += (
        ["", *(f"\n{note}" if note.startswith("![") else f"- {note}" for note in report.notes)] if report.notes else []
    )
    if _was_busy(measured_on):
        lines += ["", _BUSY]
    lines += ["", "; ".join(f"{key}: {value}" for key, value in measured_on.items()) + f"; `{command}`"]
    return "\n".join(lines)


def _was_busy(measured_on: dict[str, str]) -> bool:
    """Whether more processes waited for a core in the last minute than there are cores."""
    load, _, _ = measured_on.get("load before", "0").partition(" ")
    return float(load) > cores()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _proc_value(file: str, key: str) -> str:
    path = Path(file)
    lines = path.read_text().splitlines() if path.exists() else []
    found = next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
    amount, _, unit = found.partition(" ")
    return f"{int(amount) / 1024**2:.1f} GB" if unit == "kB" else found
