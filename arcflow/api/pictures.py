"""draw: a task or a grid as coloured text, as an SVG in a notebook, or as a picture file."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError
from arcflow.core.files import write_whole
from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Task
from arcflow.scoring.voting import Vote
from arcflow.viz.picture_file import picture_file
from arcflow.viz.svg import Row, svg_table
from arcflow.viz.terminal import Colors, detect_colors, render_grid, render_task

_ATTEMPTS = 2


@dataclass(frozen=True)
class Picture:
    """A picture of a task or a grid; ``print`` shows it in a terminal, a notebook as an SVG.

    Attributes:
        rows: label and the grids of each column.
        heads: the columns' names.
        what: the task or the grid.
    """

    rows: list[Row]
    heads: list[str]
    what: Task | Grid

    def text(self, colors: Colors = "256", width: int = 80) -> str:
        """Return the picture for a terminal.

        Args:
            colors: digits ("none"), or coloured cells in 256 or 24-bit ("rgb") colours.
            width: of the terminal, in columns.
        """
        if not isinstance(self.what, Task):
            return render_grid(self.what, colors)
        answers = [
            f"answer {name}\n{render_grid(grid, colors)}\n"
            for name, fields in self.rows
            if len(fields) > 2
            for grid in fields[2]
        ]
        return "\n".join([render_task(self.what, colors, width), *answers])

    def __str__(self) -> str:
        return self.text(detect_colors(sys.stdout.isatty(), os.environ))

    def _repr_svg_(self) -> str:
        """Return what a notebook shows."""
        return svg_table(self.rows, self.heads)

    def save(self, path: str | Path) -> Path:
        """Write the picture; the path ends in .svg or .png.

        Returns:
            The path.

        Raises:
            DataError: the path ends otherwise, or nothing can be written there.
        """
        with picture_file(path, "; print the picture to see it as text") as file:
            if file.suffix == ".svg":
                write_whole(file, self._repr_svg_().encode())
            else:
                from arcflow.viz.picture import draw_table  # matplotlib takes a second

                draw_table(self.rows, self.heads, file)
        return file


def draw(
    what: Task | Grid | NDArray[Any] | Sequence[Sequence[int]],
    path: str | Path | None = None,
    *,
    answers: Sequence[Sequence[Vote]] = (),
) -> Picture:
    """Draw a task or a grid.

    Args:
        what: a task, with its test outputs where they are known; or a grid, shape (H, W).
        path: also write the picture there, as .svg or .png.
        answers: for each test input of the task its ranked answers, as `arcflow.vote` returns
            them; the best two are drawn beside the test pair.

    Returns:
        The picture: print it, let a notebook show it, or save it.

    Raises:
        DataError: no grid, more answers than test inputs, or a path that cannot be written.
    """
    if isinstance(what, Task):
        picture = _task(what, answers)
    else:
        grid = what if isinstance(what, np.ndarray) and what.dtype == np.int8 else make_grid(what)
        picture = Picture([("", [[grid]])], [""], grid)
    if path is not None:
        picture.save(path)
    return picture


def _task(task: Task, answers: Sequence[Sequence[Vote]]) -> Picture:
    if len(answers) > len(task.test):
        raise DataError(
            f"draw: too many answers for task {task.id}",
            value=f"answers to {len(answers)} test inputs",
            expected=f"answers to at most {len(task.test)} test inputs",
            next_step="Give the votes of this task: answers=arcflow.vote(candidates).",
        )
    rows: list[Row] = []
    for part, pairs in (("train", task.train), ("test", task.test)):
        for i, pair in enumerate(pairs):
            fields = [[pair.input], [] if pair.output is None else [pair.output]]
            if answers:
                votes = answers[i] if part == "test" and i < len(answers) else ()
                fields.append([vote.grid for vote in votes[:_ATTEMPTS]])
            rows.append((f"{part} {i}", fields))
    return Picture(rows, ["input", "output", *(["answers"] if answers else [])], task)
