"""Style of the pictures: size, axes, bars, and grids of numbers."""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]
#: Fills a figure with the rows of an answer and the rows of the same question at an earlier time.
Draw = Callable[[Any, Rows, Rows], None]
#: Values by row and column.
Grid = Mapping[tuple[str, str], float | None]

BLUE, RED, QUIET, PALE = "#1f5fa8", "#b3262a", "#5c5c5c", "#c9d6e8"
_LINES = "#e4e4e4"
# keeps a picture far below 80 kB
_COLOURS, _DOTS_PER_INCH = 96, 100


def save(path: Path, draw: Draw, rows: Rows, before: Rows) -> None:
    """Fill a figure with an answer by calling `draw`, and write it as a small file."""
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
    """Return the only axes of a figure."""
    axes = figure.add_subplot()
    set_title(axes, title)
    return axes


def set_title(axes: Any, title: str) -> None:
    """Set the title of the axes."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=12)


def soften(axes: Any, *, grid: str = "") -> None:
    """Remove the frame and ticks, and draw grid lines across one axis if `grid` names it."""
    axes.tick_params(length=0, labelcolor=QUIET, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(visible=True, axis=grid, color=_LINES)


def finish_bars(axes: Any, unit: str) -> None:
    """Show a scale below horizontal bars, with the first bar at the top."""
    axes.set_xlabel(unit, color=QUIET, fontsize=9)
    axes.invert_yaxis()
    soften(axes, grid="x")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)


def show_grid(
    axes: Any, cells: Grid, rows: Sequence[str], columns: Sequence[str], colours: str, scale: tuple[float, float]
) -> Any:
    """Colour the cells. Cells without a value stay white. Return the image for a colour legend."""
    shown = [
        [float("nan") if cells.get((row, column)) is None else cells[row, column] for column in columns] for row in rows
    ]
    mesh = axes.imshow(shown, cmap=colours, vmin=scale[0], vmax=scale[1], aspect="auto")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    soften(axes)
    return mesh


def write_into(axes: Any, cells: Grid, rows: Sequence[str], columns: Sequence[str], words: str, dark: float) -> None:
    """Write each cell's value, in white if its absolute value exceeds `dark`."""
    for (row, column), value in cells.items():
        if value is not None:
            colour = "white" if abs(value) > dark else "black"
            place = (columns.index(column), rows.index(row))
            axes.text(
                *place, words.format(value).replace("-0.0", "0.0"), ha="center", va="center", fontsize=8, color=colour
            )


def sites_of(rows: Rows) -> list[str]:
    """Return the distinct sites, in order."""
    return list(dict.fromkeys(row["site"] for row in rows))


def in_words(day: date) -> str:
    """Return a day in written form."""
    return f"{day:%-d %b}"
