"""The written form of a grid: how it becomes text, and how it is read from what a model wrote."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze

_FENCE = "```"
_SHAPE = re.compile(r"```grid shape: ([0-9]{1,2})x([0-9]{1,2})\n")


class GridTextError(DataError):
    """An error for text that is not a grid in the expected form; the message names the line."""


@dataclass(frozen=True)
class GridText:
    r"""The written form of a grid, with one line for each row.

    A cell is its symbol, written ``repeat`` times; the cells of a row are joined by ``separator``
    and the rows by a newline. Each row may begin with its number (``"1 "``), and a frame may
    surround the whole grid.

    Attributes:
        symbols: Ten distinct characters; character c is the symbol of colour c.
        repeat: The number of times that a cell's symbol is written, at least 1.
        separator: The text between the cells of a row.
        row_numbers: Whether each row begins with its number, counted from 1, and a space.
        frame: "none"; "code" for a block "```grid\n...\n```"; "shape" for the same with the
            size in its first line, "```grid shape: HxW\n...\n```".

    Raises:
        ConfigError: If an option has a value that could not be read back.
    """

    symbols: str = "0123456789"
    repeat: int = 1
    separator: str = ""
    row_numbers: bool = False
    frame: Literal["none", "code", "shape"] = "none"

    def __post_init__(self) -> None:
        symbols = self.symbols
        if len(symbols) != N_COLORS or len(set(symbols)) != N_COLORS:
            _refuse("symbols", symbols, f"{N_COLORS} distinct characters, one for each colour")
        if any(not _writable(s) for s in symbols):
            _refuse("symbols", symbols, "visible characters other than the backtick")
        if self.repeat < 1:
            _refuse("repeat", self.repeat, "an integer >= 1")
        if any(s in symbols or s.isdigit() for s in self.separator):
            _refuse("separator", self.separator, "a text without digits and without symbols")
        if any(s != " " and s != "\t" and not _writable(s) for s in self.separator):
            _refuse("separator", self.separator, "a text without line breaks and backticks")
        if self.frame not in ("none", "code", "shape"):
            _refuse("frame", self.frame, "'none', 'code' or 'shape'")

    @property
    def head(self) -> str:
        """The text that comes first in every grid's text, whatever the grid."""
        return {"none": "", "code": _FENCE + "grid\n", "shape": _FENCE + "grid shape: "}[self.frame]

    @property
    def tail(self) -> str:
        """The text that comes last in every grid's text, whatever the grid."""
        return "" if self.frame == "none" else "\n" + _FENCE

    def encode(self, grid: Grid) -> str:
        """Return the grid's text, without a newline at its end.

        Args:
            grid: The grid, shape (H, W).

        Returns:
            The text, with the frame.
        """
        cells = [symbol * self.repeat for symbol in self.symbols]
        rows = [self.separator.join([cells[c] for c in row]) for row in grid.tolist()]
        if self.row_numbers:
            rows = [f"{r} {row}" for r, row in enumerate(rows, start=1)]
        size = f"{grid.shape[0]}x{grid.shape[1]}\n" if self.frame == "shape" else ""
        return self.head + size + "\n".join(rows) + self.tail

    def units(self, grid: Grid) -> Iterator[tuple[tuple[str, int], str]]:
        """Cut the text between head and tail into units, such that equal keys have equal texts.

        Args:
            grid: The grid, shape (H, W).

        Yields: The key and the text of each unit, in order. Keys are ``("cell", colour)``,
        ``("separator", 0)``, ``("row", r)`` for the number of row r from 0, ``("row_end", 0)``, and
        for the frame "shape" ``("height", h)``, ``("times", 0)``, ``("width", w)``, ``("size_end",
        0)``.
        """
        if self.frame == "shape":
            yield ("height", grid.shape[0]), str(grid.shape[0])
            yield ("times", 0), "x"
            yield ("width", grid.shape[1]), str(grid.shape[1])
            yield ("size_end", 0), "\n"
        for r, row in enumerate(grid.tolist()):
            if r:
                yield ("row_end", 0), "\n"
            if self.row_numbers:
                yield ("row", r), f"{r + 1} "
            for c, color in enumerate(row):
                if c and self.separator:
                    yield ("separator", 0), self.separator
                yield ("cell", color), self.symbols[color] * self.repeat

    def cells(self, grid: Grid, start: int) -> Iterator[tuple[int, int]]:
        """Yield the characters [start, end) of each cell, row by row.

        Args:
            grid: The grid, shape (H, W).
            start: The index of the first character behind the head.

        Yields:
            The index of a cell's first character, and that behind its last one.
        """
        for key, text in self.units(grid):
            end = start + len(text)
            if key[0] == "cell":
                yield start, end
            start = end

    def decode(self, text: str) -> Grid:
        """Read a grid from its text.

        With a frame, the first block counts and whatever surrounds it is ignored; without one, only
        white space around the grid is. Within the grid, every deviation is an error.

        Args:
            text: The text that a model wrote.

        Returns:
            The grid, a read-only int8 array of shape (H, W).

        Raises:
            GridTextError: If there is no grid in the expected form; it names the line, from 1 in
                ``text``.
        """
        body, first, shape = self._unframe(text)
        lines = body.split("\n")
        if len(lines) > MAX_SIDE:
            raise _bad(
                first + MAX_SIDE, f"{len(lines)} rows", f"at most {MAX_SIDE} rows", "too many rows"
            )
        rows: list[list[int]] = []
        for r, line in enumerate(lines):
            rows.append(self._row(line, r, first + r))
            if len(rows[-1]) != len(rows[0]):
                expected = f"{len(rows[0])} cells, as in the first row"
                raise _bad(first + r, f"{len(rows[-1])} cells", expected, "ragged rows")
        if shape is not None and shape != (len(rows), len(rows[0])):
            written = f"{len(rows)}x{len(rows[0])}"
            expected = f"the size in the first line, {shape[0]}x{shape[1]}"
            raise _bad(first - 1, written, expected, "another size than stated")
        return freeze(np.array(rows, dtype=np.int8))

    def _unframe(self, text: str) -> tuple[str, int, tuple[int, int] | None]:
        """Return the rows as text, the number of their first line, and the stated size or None."""
        shape = None
        if self.frame == "none":
            body = text.strip()
            start = text.find(body)
        elif self.frame == "code":
            start = text.find(self.head)
            if start < 0:
                raise _bad(1, text, "a block that opens with '```grid'", "no grid")
            start += len(self.head)
        else:
            match = _SHAPE.search(text)
            if match is None:
                raise _bad(1, text, "a block that opens with '```grid shape: HxW'", "no grid")
            start, shape = match.end(), (int(match[1]), int(match[2]))
        first = text.count("\n", 0, start) + 1
        if self.frame != "none":
            end = text.find(self.tail, start)
            if end < 0:
                raise _bad(text.count("\n") + 1, text[-20:], "a closing '```'", "block not closed")
            body = text[start:end]
        return body, first, shape

    def _row(self, line: str, r: int, number: int) -> list[int]:
        if self.row_numbers:
            prefix = f"{r + 1} "
            if not line.startswith(prefix):
                raise _bad(number, line, f"a row that starts with {prefix!r}", "no row number")
            line = line[len(prefix) :]
        n = self.repeat
        if self.separator:
            cells = line.split(self.separator)
        else:
            cells = [line[i : i + n] for i in range(0, len(line), n)]
        if not 1 <= len(cells) <= MAX_SIDE:
            raise _bad(number, f"{len(cells)} cells", f"1 to {MAX_SIDE} cells", "bad row length")
        row = []
        for cell in cells:
            color = self.symbols.find(cell[:1]) if cell else -1
            if color < 0 or cell != cell[0] * n:
                times = "" if n == 1 else f", {n} times"
                raise _bad(number, cell, f"one of {self.symbols!r}{times}", "not a cell")
            row.append(color)
        return row


def _writable(character: str) -> bool:
    """Return whether a character is visible, not the backtick and not a placeholder."""
    private = 0xE000 <= ord(character) <= 0xF8FF
    return character.isprintable() and character not in " `" and not private


def _refuse(option: str, value: object, expected: str) -> None:
    raise ConfigError(
        f"grid text, option {option}",
        value=value,
        expected=expected,
        next_step=f"Change {option} of the grid text.",
    )


def _bad(line: int, value: object, expected: str, what: str) -> GridTextError:
    return GridTextError(
        f"grid text, line {line}: {what}",
        value=value,
        expected=expected,
        next_step="The answer counts as unanswered.",
    )
