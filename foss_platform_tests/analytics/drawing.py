"""How the pictures look: size, axes, bars, grids of numbers. Not here: what they show."""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]
#: Fills a figure with the rows of an answer, and with those of the same question as of then.
Draw = Callable[[Any, Rows, Rows], None]
#: By row and column.
Grid = Mapping[tuple[str, str], float | None]

BLUE, RED, QUIET, PALE = "#1f5fa8", "#b3262a", "#5c5c5c", "#c9d6e8"
_LINES = "#e4e4e4"
# keeps a picture far below 80 kB
_COLOURS, _DOTS_PER_INCH = 96, 100


def save(path: Path, draw: Draw, rows: Rows, before: Rows) -> None:
    """Let `draw` fill a figure with an answer, and write it small."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(8.4, 4.2), dpi=_DOTS_PER_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    draw(figure, rows, before)
    canvas.draw()
    pixels = canvas.buffer_rgba()
    image = Image.frombuffer("RGBA", pixels.shape[1::-1], pixels, "raw", "RGBA", 0, 1).convert("RGB")
    picture = io.BytesIO()
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(picture, format="png", optimize=True)
    path.write_bytes(picture.getvalue())


def axes_of(figure: Any, title: str) -> Any:
    """The one field of a picture."""
    axes = figure.add_subplot()
    set_title(axes, title)
    return axes


def set_title(axes: Any, title: str) -> None:
    """What a field shows."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=12)


def soften(axes: Any, *, grid: str = "") -> None:
    """No frame and no ticks, and lines across one axis where named."""
    axes.tick_params(length=0, labelcolor=QUIET, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(visible=True, axis=grid, color=_LINES)


def finish_bars(axes: Any, unit: str) -> None:
    """A scale below lying bars, the first of them on top."""
    axes.set_xlabel(unit, color=QUIET, fontsize=9)
    axes.invert_yaxis()
    soften(axes, grid="x")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)


def show_grid(
    axes: Any, cells: Grid, rows: Sequence[str], columns: Sequence[str], colours: str, scale: tuple[float, float]
) -> Any:
    """Cells in colours; those without a value stay white. Gives what a legend of the colours is made from."""
    shown = [
        [float("nan") if cells.get((row, column)) is None else cells[row, column] for column in columns] for row in rows
    ]
    mesh = axes.imshow(shown, cmap=colours, vmin=scale[0], vmax=scale[1], aspect="auto")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    soften(axes)
    return mesh


def write_into(axes: Any, cells: Grid, rows: Sequence[str], columns: Sequence[str], words: str, dark: float) -> None:
    """Each cell's value, in white where its size is beyond `dark`."""
    for (row, column), value in cells.items():
        if value is not None:
            colour = "white" if abs(value) > dark else "black"
            place = (columns.index(column), rows.index(row))
            axes.text(
                *place, words.format(value).replace("-0.0", "0.0"), ha="center", va="center", fontsize=8, color=colour
            )


def sites_of(rows: Rows) -> list[str]:
    """Their sites, each once, in order."""
    return list(dict.fromkeys(row["site"] for row in rows))


def in_words(day: date) -> str:
    """A day as people say it."""
    return f"{day:%-d %b}"
