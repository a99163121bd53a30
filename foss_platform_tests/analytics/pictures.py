"""Draws the answers as pictures, with one function for each question."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from foss_platform_tests.analytics.drawing import (
    BLUE,
    PALE,
    QUIET,
    RED,
    Draw,
    Rows,
    axes_of,
    finish_bars,
    in_words,
    set_title,
    show_grid,
    sites_of,
    soften,
    write_into,
)

#: Questions that are also run as of an earlier time.
TRAVELS = ("typical_friday",)

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OSLO = ZoneInfo("Europe/Oslo")
_SOME = ("Jernbanen", "Jorenholmen", "Valberget")


def _time_until_full(figure: Any, rows: Rows, before: Rows) -> None:
    axes = axes_of(figure, "Days on which a car park fell to its last 50 spaces, and then filled up")
    low = axes.barh(sites_of(rows), [row["days_low"] for row in rows], color=PALE, label="fell to 50")
    axes.barh(sites_of(rows), [row["days_full"] for row in rows], color=BLUE, label="and filled up")
    minutes = [row["median_minutes"] for row in rows]
    words = ["never filled up" if value is None else f"full after {value:.0f} min (median)" for value in minutes]
    axes.bar_label(low, words, padding=5, fontsize=9, color=QUIET)
    axes.set_xlim(right=max(row["days_low"] for row in rows) * 1.45)
    finish_bars(axes, "days")


def _false_full(figure: Any, rows: Rows, before: Rows) -> None:
    axes = axes_of(figure, "Readings that say full, and readings among them that cannot be right")
    axes.barh(sites_of(rows), [row["says_full"] for row in rows], color=PALE, label="says full")
    wrong = axes.barh(
        sites_of(rows), [row["cannot_be"] for row in rows], color=RED, label="more than 20 free around it"
    )
    axes.bar_label(wrong, [row["cannot_be"] or "" for row in rows], padding=5, fontsize=9, color=RED)
    finish_bars(axes, "readings")


def _fill_together(figure: Any, rows: Rows, before: Rows) -> None:
    figure.set_size_inches(9.4, 4.2)
    sites = sorted({row["site"] for row in rows} | {row["other_site"] for row in rows})
    titles = {"together": "Free spaces by hour", "together_beyond_usual": "Beyond the usual for weekday and hour"}
    for axes, (column, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        cells = {(row["other_site"], row["site"]): row[column] for row in rows}
        show_grid(axes, cells, sites[1:], sites[:-1], "RdBu", (-1.2, 1.2))
        write_into(axes, cells, sites[1:], sites[:-1], "{:.1f}", 0.7)
        set_title(axes, title)
        axes.tick_params(axis="x", rotation=50)


def _unusual_days(figure: Any, rows: Rows, before: Rows) -> None:
    days = sorted({row["local_day"] for row in rows})
    cells = {
        (row["site"], in_words(row["local_day"])): (row["hours_emptier"] - row["hours_fuller"]) / row["hours"]
        for row in rows
    }
    axes = axes_of(figure, "Hours emptier or fuller than that weekday and hour usually are")
    mesh = show_grid(axes, cells, sites_of(rows), [in_words(day) for day in days], "RdBu", (-1, 1))
    mondays = [place for place, day in enumerate(days) if day.isoweekday() == 1]
    axes.set_xticks(mondays, [in_words(days[place]) for place in mondays])
    legend = figure.colorbar(mesh, ax=axes, shrink=0.8, ticks=[-1, 0, 1])
    legend.ax.set_yticklabels(["all fuller", "as usual", "all emptier"], fontsize=9, color=QUIET)
    legend.outline.set_visible(False)


def _frozen_feed(figure: Any, rows: Rows, before: Rows) -> None:
    start, end = rows[0]["shown_from"].astimezone(_OSLO), rows[0]["shown_until"].astimezone(_OSLO)
    axes = axes_of(
        figure, f"{in_words(start)}, {start:%H:%M} to {end:%H:%M}: frozen values and the first values after them"
    )
    for place, row in enumerate(rows):
        axes.plot([row["free_shown"], row["free_after"]], [place, place], color=PALE, linewidth=5, zorder=1)
    places = range(len(rows))
    axes.scatter([row["free_shown"] for row in rows], places, color=QUIET, label="shown while frozen", zorder=2)
    axes.scatter([row["free_after"] for row in rows], places, color=RED, label="first reading afterwards", zorder=2)
    axes.set_yticks(places, sites_of(rows))
    axes.set_xlim(left=0)
    finish_bars(axes, "free spaces")


def _typical_friday(figure: Any, rows: Rows, before: Rows) -> None:
    panels = figure.subplots(1, 3, sharex=True)
    for axes, site in zip(panels, _SOME, strict=True):
        for known, colour, label in ((before, RED, "known with October"), (rows, BLUE, "known now")):
            hours = [row for row in known if row["site"] == site]
            free = [row["free_p50"] for row in hours]
            axes.plot([row["local_hour_of_day"] for row in hours], free, color=colour, label=label, linewidth=1.8)
        set_title(axes, site)
        axes.set_ylim(bottom=0)
        axes.set_xticks([0, 6, 12, 18, 24])
        soften(axes, grid="y")
    panels[0].set_ylabel("free on a Friday, median", color=QUIET)
    panels[0].legend(frameon=False, fontsize=9, loc="lower left")


def _revenue_estimate(figure: Any, rows: Rows, before: Rows) -> None:
    axes = axes_of(figure, "Spaces taken from 8 to 18, at invented tariffs")
    bars = axes.barh(sites_of(rows), [row["nok_per_day"] / 1_000 for row in rows], color=BLUE)
    axes.bar_label(bars, [f"{row['days']} days" for row in rows], padding=5, fontsize=9, color=QUIET)
    finish_bars(axes, "thousand kroner a day")


def _busiest_hour(figure: Any, rows: Rows, before: Rows) -> None:
    cells = {(row["site"], _WEEKDAYS[row["iso_weekday"] - 1]): float(row["busiest_hour"]) for row in rows}
    axes = axes_of(figure, "Hour at which a car park is usually fullest (Oslo time)")
    show_grid(axes, cells, sites_of(rows), _WEEKDAYS, "PuOr", (-5, 31))
    write_into(axes, cells, sites_of(rows), _WEEKDAYS, "{:.0f} h", 24)


PICTURES: Mapping[str, Draw] = {
    "busiest_hour": _busiest_hour,
    "false_full": _false_full,
    "fill_together": _fill_together,
    "frozen_feed": _frozen_feed,
    "revenue_estimate": _revenue_estimate,
    "time_until_full": _time_until_full,
    "typical_friday": _typical_friday,
    "unusual_days": _unusual_days,
}
