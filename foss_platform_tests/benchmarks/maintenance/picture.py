"""Draws the picture of the `maintenance` benchmark: growth of a lake with and without maintenance."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_CARED, _NEGLECTED = "#2a78d6", "#c0392b"
_PANELS = (
    ("live snapshots", "live snapshots of bronze", 1),
    ("data files", "data files of bronze", 1),
    ("manifests", "manifests of bronze", 1),
    ("metadata bytes", "metadata file of bronze, kB", 1_000),
    ("bytes on disk", "the warehouse on disk, MB", 1_000_000),
)


def draw(path: Path, maintained: Mapping[str, Any], neglected: Mapping[str, Any]) -> None:
    """Draw the cost of a poll and the size of the table by number of polls, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    try:
        sides = ((maintained, _CARED, "with maintenance"), (neglected, _NEGLECTED, "maintenance turned off"))
        for side, colour, label in sides:
            polls, costs = _smooth([cost[1] for cost in side["costs"]])
            axes.flat[0].plot(polls, costs, color=colour, label=label, linewidth=1.4)
            for panel, (key, _, unit) in zip(axes.flat[1:], _PANELS, strict=True):
                states = side["states"]
                values = [state[key] / unit for state in states]
                panel.plot([state["polls"] for state in states], values, color=colour, linewidth=1.4)
        for panel, title in zip(
            axes.flat, ("processor seconds of a poll", *(title for _, title, _ in _PANELS)), strict=True
        ):
            panel.set(title=title, xscale="log", yscale="log", xlabel="polls")
            panel.grid(visible=True, which="major", alpha=0.3)
            panel.spines[["top", "right"]].set_visible(False)
        axes.flat[0].legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    finally:
        plt.close(figure)


def _smooth(values: Sequence[float]) -> tuple[list[int], list[float]]:
    """Return medians over intervals that grow with the polls, for a logarithmic axis."""
    polls, medians, start = [], [], 0
    while start < len(values):
        end = min(len(values), start + max(20, start // 10))
        polls.append((start + end) // 2 + 1)
        medians.append(statistics.median(values[start:end]))
        start = end
    return polls, medians
