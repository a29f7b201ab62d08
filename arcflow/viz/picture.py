"""Rendering of grids as a picture file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from arcflow.core.grid import Grid
from arcflow.viz.terminal import RGB

_LINE = "#3a3a3a"


def draw_grid(panel: Any, grid: Grid) -> None:
    """Paint a grid on matplotlib axes, with cells as squares and thin lines between them.

    Args:
        panel: The matplotlib axes.
        grid: The grid, of shape (H, W).
    """
    height, width = grid.shape
    panel.imshow(np.array(RGB, dtype=np.uint8)[grid], interpolation="nearest")
    panel.set_xticks(np.arange(-0.5, width), labels=[])
    panel.set_yticks(np.arange(-0.5, height), labels=[])
    panel.grid(color=_LINE, linewidth=0.3)
    panel.tick_params(length=0)
    for side in panel.spines.values():
        side.set_color(_LINE)
        side.set_linewidth(0.6)


def draw_table(
    rows: Sequence[tuple[str, Sequence[Sequence[Grid]]]],
    heads: Sequence[str],
    path: Path | BinaryIO,
) -> None:
    """Write a PNG picture of a table whose fields hold several grids side by side.

    Args:
        rows: The label of each row and, for each column, its grids; the fields of a column may
            differ in number.
        heads: The names of the columns.
        path: The picture file to write, or an open one.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    most = max((len(field) for _, fields in rows for field in fields), default=1)
    figure = Figure(figsize=(1.1 * most * len(heads) + 1.2, 1.15 * len(rows) + 0.5), dpi=110)
    FigureCanvasAgg(figure)
    left, top = 0.9 / figure.get_figwidth(), 1 - 0.4 / figure.get_figheight()
    wide, high = (1 - left) / len(heads), top / max(1, len(rows))
    for j, head in enumerate(heads):
        figure.text(left + wide * (j + 0.5), top + (1 - top) / 3, head, ha="center", weight="bold")
    for i, (label, fields) in enumerate(rows):
        bottom = top - high * (i + 1)
        figure.text(0.01, bottom + high / 2, label, va="center", fontsize=8)
        for j, field in enumerate(fields):
            for n, grid in enumerate(field):
                x = left + wide * j + wide * 0.95 * n / most
                panel = figure.add_axes((x, bottom, wide * 0.95 / most * 0.92, high * 0.92))
                draw_grid(panel, grid)
    _save_small(figure, path)


def _save_small(figure: Any, path: Path | BinaryIO) -> None:
    """Write a PNG of few colours, the cells' own among them, which takes a quarter of the bytes."""
    from PIL import Image

    line = np.array([int(_LINE[i : i + 2], 16) for i in (1, 3, 5)])
    cells = np.array(RGB)
    grays = np.linspace(line, (255, 255, 255), 9)
    colors = np.concatenate([cells, grays, (cells + line) / 2]).astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(colors.tobytes())
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(
        path, format="PNG", optimize=True
    )
