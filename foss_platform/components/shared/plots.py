"""Plots on assets: a line chart as an inline PNG in Markdown, which Dagster's UI shows."""

import base64
import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict

from foss_platform.lake.query.duckdb_views import pin, reading_cursor
from foss_platform.lake.table.names import TableName
from foss_platform.lake.table.quoting import quote_name
from foss_platform.lake.table.statistics import newest_value
from foss_platform.settings import Settings

# this size fits the dialog in which the UI opens long Markdown
_SIZE_INCHES = (8.4, 4.4)
_DOTS_PER_INCH = 88
_PALETTE = 96
_QUIET = "#5c5c5c"
# the labels have the colors of the lines, so the colors must be dark enough for text on white
_COLOURS = (
    "#1f5fa8",
    "#c2560c",
    "#2b7a34",
    "#b3262a",
    "#6a4c9c",
    "#7a4f3a",
    "#b8418f",
    "#555555",
    "#7d7a12",
    "#0f7f8c",
)


class LinePlot(BaseModel):
    """A model's `meta.foss.plot`: one line per `series` over the last `hours` of the column `time`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: str
    shown_time: str
    value: str
    series: str
    hours: int = 24
    title: str
    unit: str


def plot_metadata(settings: Settings, name: TableName, table: Any, plot: LinePlot) -> dg.MetadataValue | None:
    """Return the plot of the table's current state, or None if there is nothing to plot."""
    lines = _lines(settings, name, table, plot)
    if not lines:
        return None
    encoded = base64.b64encode(draw(plot, lines)).decode()
    return dg.MetadataValue.md(f"![{plot.title}](data:image/png;base64,{encoded})")


def draw(plot: LinePlot, lines: dict[str, list[tuple[datetime, float]]]) -> bytes:
    """Return the chart as PNG. Labels are at the ends of the lines, because a legend of nine colors is hard to read."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    canvas = FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    ends = []
    for place, (series, points) in enumerate(sorted(lines.items())):
        colour = _COLOURS[place % len(_COLOURS)]
        for stretch in _stretches(points):
            times, values = zip(*stretch, strict=True)
            axes.plot(times, values, linewidth=1.8, color=colour, solid_capstyle="round")
        time, value = points[-1]
        axes.plot([time], [value], marker="o", markersize=4.5, color=colour, clip_on=False)
        ends.append((value, series, colour))
    newest = max(points[-1][0] for points in lines.values())
    span = timedelta(hours=plot.hours)
    axes.set_xlim(newest - span * 1.03, newest + span * 0.03)
    _label_axes(plot, axes)
    lowest, highest = axes.get_ylim()
    for height, (value, series, colour) in _spread(ends, (highest - lowest) * 0.052, highest):
        axes.annotate(
            f"{series}  {value:,.0f}", (1.025, height), xycoords=axes.get_yaxis_transform(),
            color=colour, fontsize=9.5, va="center", annotation_clip=False,
        )  # fmt: skip
    canvas.draw()
    return _small_png(canvas.buffer_rgba())


def _stretches(points: list[tuple[datetime, float]]) -> list[list[tuple[datetime, float]]]:
    """Split the points where data are missing, so that no line is drawn across the gap."""
    steps = [later[0] - earlier[0] for earlier, later in pairwise(points)]
    usual = sorted(steps)[len(steps) // 2] if steps else timedelta(0)
    pieces = [points[:1]]
    for step, point in zip(steps, points[1:], strict=True):
        if step > usual * 1.5:
            pieces.append([])
        pieces[-1].append(point)
    return pieces


def _label_axes(plot: LinePlot, axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=5, maxticks=9)
    # show the date at the start of a day, and do not repeat the year in a corner
    days = ["%Y", "%b", "%-d %b", "%H:%M", "%H:%M", "%S"]
    formatter = ConciseDateFormatter(
        locator, formats=days, zero_formats=["", "%Y", "%b", "%-d %b", "%H:%M", "%H:%M"], show_offset=False
    )
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.set_title(plot.title, loc="left", fontsize=12, fontweight="bold", pad=22)
    axes.text(0, 1.03, plot.unit, transform=axes.transAxes, fontsize=9.5, color=_QUIET)
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.grid(visible=True, axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=_QUIET, pad=5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#9a9a9a")


def _small_png(pixels: Any) -> bytes:
    """Return the image with few colors: each materialization stores an image, and this one has a fifth of the size."""
    from PIL import Image

    picture = io.BytesIO()
    image = Image.frombuffer("RGBA", pixels.shape[1::-1], pixels, "raw", "RGBA", 0, 1)
    image.convert("RGB").quantize(_PALETTE, dither=Image.Dither.NONE).save(picture, format="png", optimize=True)
    return picture.getvalue()


def _lines(settings: Settings, name: TableName, table: Any, plot: LinePlot) -> dict[str, list[tuple[datetime, float]]]:
    newest = newest_value(table, plot.time)
    if newest is None:
        return {}
    time, shown, value, series = map(quote_name, (plot.time, plot.shown_time, plot.value, plot.series))
    connection = reading_cursor(settings, table)
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


def _spread(ends: list[tuple[Any, ...]], distance: float, highest: float) -> list[tuple[float, tuple[Any, ...]]]:
    """Return heights for the labels: near their lines, at least `distance` apart, below `highest`."""
    ordered = sorted(ends, key=lambda item: item[0])
    heights: list[float] = []
    for end in ordered:
        heights.append(max(float(end[0]), heights[-1] + distance if heights else float("-inf")))
    ceiling = highest
    for place in reversed(range(len(heights))):
        heights[place] = min(heights[place], ceiling)
        ceiling = heights[place] - distance
    return list(zip(heights, ordered, strict=True))
