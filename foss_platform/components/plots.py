"""Pictures on assets: a line chart as an inline PNG in Markdown, which is what Dagster's UI shows."""

import base64
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict

from foss_platform.lake.duck import connect, pin, quote_name
from foss_platform.lake.statistics import newest_value
from foss_platform.lake.tables import TableName
from foss_platform.settings import Settings

# fits the dialog in which the UI opens long Markdown
_SIZE_INCHES = (8.4, 4.4)
_DOTS_PER_INCH = 88


class LinePlot(BaseModel):
    """What a model's `meta.foss.plot` says: one line per `series` over the last `hours` of column `time`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: str
    shown_time: str
    value: str
    series: str
    hours: int = 24
    title: str
    unit: str


def plot_metadata(settings: Settings, name: TableName, table: Any, plot: LinePlot) -> dg.MetadataValue | None:
    """The picture of the table as it stands, or None where it holds nothing to show."""
    lines = _lines(settings, name, table, plot)
    if not lines:
        return None
    encoded = base64.b64encode(draw(plot, lines)).decode()
    return dg.MetadataValue.md(f"![{plot.title}](data:image/png;base64,{encoded})")


def draw(plot: LinePlot, lines: dict[str, list[tuple[datetime, float]]]) -> bytes:
    """The chart as PNG; names stand at the lines' ends, since nine colours in a legend cannot be told apart."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ends = []
    for place, (series, points) in enumerate(sorted(lines.items())):
        times, values = zip(*points, strict=True)
        (line,) = axes.plot(times, values, linewidth=1.8, color=f"C{place % 10}", marker="o", markersize=2.5)
        ends.append((values[-1], series, line.get_color(), times[-1]))
    lowest, highest = axes.get_ylim()
    for label_height, (value, series, colour, time) in _spread(ends, (highest - lowest) * 0.052):
        axes.annotate(
            f"{series} {value:,.0f}", (time, value), xytext=(1.01, label_height),
            textcoords=axes.get_yaxis_transform(), color=colour, fontsize=9, va="center",
        )  # fmt: skip
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_title(plot.title, loc="left")
    axes.set_ylabel(plot.unit)
    axes.set_ylim(bottom=min(0, lowest))
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _lines(settings: Settings, name: TableName, table: Any, plot: LinePlot) -> dict[str, list[tuple[datetime, float]]]:
    newest = newest_value(table, plot.time)
    if newest is None:
        return {}
    time, shown, value, series = map(quote_name, (plot.time, plot.shown_time, plot.value, plot.series))
    connection = connect(settings)
    try:
        rows: Sequence[tuple[str, datetime, float]] = connection.execute(
            f"select {series}, {shown}, {value} from {pin(name, table).relation} "
            f"where {time} > make_timestamptz({int(newest)}) - interval '{int(plot.hours)}' hour "
            f"and {value} is not null order by 1, 2"
        ).fetchall()
    finally:
        connection.close()
    lines: dict[str, list[tuple[datetime, float]]] = {}
    for label, moment, number in rows:
        lines.setdefault(label, []).append((moment, float(number)))
    return lines


def _spread(ends: list[tuple[Any, ...]], distance: float) -> list[tuple[float, tuple[Any, ...]]]:
    """Heights for the labels, near their lines and at least `distance` apart."""
    placed: list[tuple[float, tuple[Any, ...]]] = []
    for end in sorted(ends, key=lambda item: item[0]):
        lowest = placed[-1][0] + distance if placed else float("-inf")
        placed.append((max(float(end[0]), lowest), end))
    return placed
