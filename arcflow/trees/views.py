"""Views: ways in which the cells of an output belong to places of the input.

A view names the size of the output and gives the features of each of its cells. The first feature
is always the colour that the cell has if the rule leaves it alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from arcflow.trees.boxes import CHOOSERS, Cells, Chooser, split_panels
from arcflow.trees.features import (
    background_of,
    cell_features,
    grid_features,
)

Table = NDArray[np.int16]
"""The features of all cells of an output, shape (height, width, features)."""

_MOST_PANELS = 16
_MOST_CROPS = 4


class View(ABC):
    """One way from the cells of an output to places of the input.

    Attributes:
        name: The view in words.
    """

    name: str

    @abstractmethod
    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the size of the output of an input, or None if the view has none for it."""

    @abstractmethod
    def table(self, cells: Cells) -> Table:
        """Return the features of each cell of the output of an input that has a shape."""


class Same(View):
    """The output has the input's size."""

    name = "cell by cell"

    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the input's own size."""
        return cells.shape

    def table(self, cells: Cells) -> Table:
        """Return the features of each cell."""
        return cell_features(cells)


class Turned(View):
    """The output has the size of the input turned by 90 degrees."""

    name = "cell by cell of the transposed input"

    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the sides the other way round."""
        return cells.shape[::-1]

    def table(self, cells: Cells) -> Table:
        """Return the features of the transposed input."""
        return cell_features(cells.T)


class Padded(View):
    """The output is the input with a margin on all sides, or without one."""

    def __init__(self, more_rows: int, more_columns: int) -> None:
        self.more = (more_rows, more_columns)
        self.name = f"cell by cell with {more_rows} and {more_columns} more rows and columns"

    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the sides with the margin."""
        height, width = cells.shape[0] + self.more[0], cells.shape[1] + self.more[1]
        return (height, width) if 1 <= height <= 30 and 1 <= width <= 30 else None

    def table(self, cells: Cells) -> Table:
        """Return the features of the padded input, or of the input's inner cells."""
        before = [n // 2 for n in self.more]
        margins = [(max(b, 0), max(n - b, 0)) for b, n in zip(before, self.more, strict=True)]
        wide = np.pad(cells, margins, constant_values=background_of(cells))
        height, width = cells.shape[0] + self.more[0], cells.shape[1] + self.more[1]
        top, left = max(0, -before[0]), max(0, -before[1])
        return cell_features(wide)[top : top + height, left : left + width]


class Enlarged(View):
    """Each side of the output is a fixed multiple of the input's: tiles, or larger cells."""

    def __init__(self, rows: int, columns: int) -> None:
        self.times = (rows, columns)
        self.name = f"{rows} by {columns} times as large"

    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the multiplied sides."""
        height, width = cells.shape[0] * self.times[0], cells.shape[1] * self.times[1]
        return (height, width) if height <= 30 and width <= 30 else None

    def table(self, cells: Cells) -> Table:
        """Return the features of the enlarged cell and of the tile's cell, and both places."""
        height, width = cells.shape
        r, c = np.indices((height * self.times[0], width * self.times[1]))
        known = cell_features(cells)
        block_r, block_c = r // self.times[0], c // self.times[1]
        tile_r, tile_c = r % height, c % width
        of_block, of_tile = known[block_r, block_c], known[tile_r, tile_c]
        turned = cells.T if height == width else cells
        flip_r, flip_c = height - 1 - tile_r, width - 1 - tile_c
        own = [
            r // height, c // width, r % self.times[0], c % self.times[1],
            (r // height) % 2, (c // width) % 2, (r // height + c // width) % 2,
            cells[flip_r, tile_c], cells[tile_r, flip_c], cells[flip_r, flip_c],
            turned[tile_r, tile_c], turned[flip_r, tile_c], turned[tile_r, flip_c],
            turned[flip_r, flip_c],
            r, c, r + c, r - c, r % 2, c % 2, (r + c) % 2,
            cells[block_r, block_c] == cells[tile_r, tile_c],
            np.where(cells[block_r, block_c] != background_of(cells), cells[tile_r, tile_c], -1),
            np.where((r // height) % 2 == 1, cells[flip_r, tile_c], cells[tile_r, tile_c]),
            np.where((c // width) % 2 == 1, cells[tile_r, flip_c], cells[tile_r, tile_c]),
        ]  # fmt: skip
        return np.concatenate([of_tile, of_block, _stack(own)], axis=2)


class Stacked(View):
    """The output has the size of one panel of the input; the panels lie on top of each other."""

    def __init__(self, panels: tuple[int, int] | None) -> None:
        """Take panels of equal size without lines between them, or with lines if None."""
        self.panels = panels
        how = "separated by lines" if panels is None else f"{panels[0]} by {panels[1]}"
        self.name = f"panels on top of each other, {how}"

    def _split(self, cells: Cells) -> list[Cells] | None:
        if self.panels is None:
            found = split_panels(cells)
            panels = None if found is None else [panel for row in found for panel in row]
        else:
            rows, columns = self.panels
            height, width = cells.shape[0] // rows, cells.shape[1] // columns
            if (height * rows, width * columns) != cells.shape:
                return None
            panels = [
                cells[i * height : (i + 1) * height, j * width : (j + 1) * width]
                for i in range(rows)
                for j in range(columns)
            ]
        return panels if panels is not None and len(panels) <= _MOST_PANELS else None

    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the size of a panel."""
        panels = self._split(cells)
        return None if panels is None else panels[0].shape

    def table(self, cells: Cells) -> Table:
        """Return the colours of all panels, how they compare, and the features in the first two."""
        panels = self._split(cells) or []
        n = len(panels)
        stack = np.full((_MOST_PANELS, *panels[0].shape), -1, dtype=np.int16)
        stack[:n] = panels
        background = background_of(cells)
        figures = stack[:n] != background
        counts = figures.reshape(n, -1).sum(axis=1)
        by_count = np.argsort(-counts, kind="stable")
        first = np.where(figures.any(axis=0), figures.argmax(axis=0), -1)
        planes = [
            *stack,
            *(stack == stack[0])[1:],
            figures.sum(axis=0),
            figures.all(axis=0),
            np.where(first >= 0, np.take_along_axis(stack, first[None].clip(0), 0)[0], background),
            stack[:n].max(axis=0),
            stack[by_count[0]],
            stack[by_count[-1]],
            stack[_odd_panel(panels)],
            *[(stack == color).sum(axis=0) for color in range(10)],
        ]
        r, c = np.indices(panels[0].shape)
        if self.panels is not None:  # neighbouring cells as one, where a picture is shrunk
            rows, columns = self.panels
            blocks = [
                cells[r * rows + i, c * columns + j] for i in range(rows) for j in range(columns)
            ]
            padded = blocks + [np.full(r.shape, -1)] * (_MOST_PANELS - n)
            planes += padded
            planes += [sum((b == color).astype(int) for b in blocks) for color in range(10)]
        own = cell_features(panels[0])
        other = cell_features(panels[min(1, n - 1)])
        return np.concatenate([own, other, _stack(planes)], axis=2)


class PerPanel(View):
    """The output has one cell for each panel of the input, which lines separate."""

    name = "one cell for each panel"

    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the numbers of rows and columns of panels."""
        panels = split_panels(cells)
        return None if panels is None else (len(panels), len(panels[0]))

    def table(self, cells: Cells) -> Table:
        """Return the features of the picture of one cell a panel, and each panel's own."""
        panels = split_panels(cells) or []
        background = background_of(cells)
        modes = np.array(
            [[_figure_color(panel, background) for panel in row] for row in panels], dtype=np.int16
        )
        whole = np.stack([[grid_features(panel) for panel in row] for row in panels])
        filled = np.array([[(panel != background).sum() for panel in row] for row in panels])
        flat = filled.ravel()
        more = (flat[None, :] > flat[:, None]).sum(axis=1).reshape(filled.shape)
        less = (flat[None, :] < flat[:, None]).sum(axis=1).reshape(filled.shape)
        return np.concatenate([cell_features(modes), whole, _stack([filled, more, less])], axis=2)


class Crop(View):
    """The output shows a part of the input."""

    def __init__(self, name: str, chooser: Chooser) -> None:
        self.name, self._chooser = name, chooser

    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the size of the part."""
        box = self._chooser(cells)
        return None if box is None else (box[2] - box[0], box[3] - box[1])

    def table(self, cells: Cells) -> Table:
        """Return the features of the part's cells in the input, and in the part alone."""
        top, left, bottom, right = self._chooser(cells) or (0, 0, *cells.shape)
        around = cell_features(cells)[top:bottom, left:right]
        alone = cell_features(cells[top:bottom, left:right])
        return np.concatenate([around, alone], axis=2)


class Fixed(View):
    """All outputs have one size; each cell is known by its place and by the input as a whole."""

    def __init__(self, height: int, width: int, raw: int) -> None:
        """Take the output's size and the number of input cells to show to every output cell."""
        self._shape, self._raw = (height, width), raw
        self.name = f"a picture of {height} by {width} cells"

    def shape(self, cells: Cells) -> tuple[int, int] | None:
        """Return the one size."""
        return self._shape

    def table(self, cells: Cells) -> Table:
        """Return the features of the cell at the proportional place, and the input's cells."""
        height, width = self._shape
        r, c = np.indices(self._shape)
        there = cell_features(cells)[r * cells.shape[0] // height, c * cells.shape[1] // width]
        raw = np.full((height, width, self._raw), -1, dtype=np.int16)
        flat = cells.ravel()[: self._raw]
        raw[..., : len(flat)] = flat
        own = [r, c, r * width + c, r + c, r - c, height - 1 - r, width - 1 - c]
        return np.concatenate([there, _stack(own), raw], axis=2)


def views_of(pairs: Sequence[tuple[Cells, Cells]]) -> Iterator[View]:
    """Yield the views that give every output of the train pairs its size, plainest first.

    Args:
        pairs: The inputs and outputs of the train pairs.
    """
    crops = 0
    for view in _candidates(pairs):
        if isinstance(view, Crop) and crops >= _MOST_CROPS:
            continue
        if all(view.shape(before) == after.shape for before, after in pairs):
            crops += isinstance(view, Crop)
            yield view


def _candidates(pairs: Sequence[tuple[Cells, Cells]]) -> Iterator[View]:
    (height, width), (out_height, out_width) = pairs[0][0].shape, pairs[0][1].shape
    yield Same()
    if height != width:
        yield Turned()
    if (
        out_height % height == 0
        and out_width % width == 0
        and (out_height, out_width)
        != (
            height,
            width,
        )
    ):
        yield Enlarged(out_height // height, out_width // width)
    if (
        height % out_height == 0
        and width % out_width == 0
        and (out_height, out_width)
        != (
            height,
            width,
        )
    ):
        yield Stacked((height // out_height, width // out_width))
    yield Stacked(None)
    yield PerPanel()
    more = (out_height - height, out_width - width)
    if max(map(abs, more)) <= 6 and more != (0, 0):
        yield Padded(*more)
    for name, chooser in CHOOSERS.items():
        yield Crop(name, chooser)
    if out_height * out_width <= 100:
        sizes = {before.size for before, _ in pairs}
        raw = max(sizes) if len(sizes) == 1 and max(sizes) <= 100 else 0
        yield Fixed(out_height, out_width, raw)


def _stack(planes: Sequence[NDArray[np.integer]]) -> Table:
    return np.stack([plane.astype(np.int16) for plane in planes], axis=2)


def _figure_color(panel: Cells, background: int) -> int:
    counts = np.bincount(panel.ravel(), minlength=10)
    counts[background] = 0
    return int(counts.argmax()) if counts.any() else background


def _odd_panel(panels: Sequence[Cells]) -> int:
    """Return the number of the panel that has the fewest equals, the first of several."""
    keys = [panel.tobytes() for panel in panels]
    return min(range(len(keys)), key=lambda i: keys.count(keys[i]))
