"""The families' rules written again, by another route: lists, flood fill, arithmetic on indices.

A reference gets an input, the task's train pairs and one of its variants, and gives the output.
What a family draws for a task, a reference finds in the train pairs: colours by looking,
directions by trying all variants.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

from tests.helpers.counting_grids import (
    Rows,
    Train,
    cells_of,
    colors,
    cut,
    draw,
    new_color,
    numbers,
    objects,
    outputs,
    shut_in,
    transposed,
    turned,
)

Reference = Callable[[Rows, Train, Any], Rows]

REFERENCES: dict[str, tuple[Reference, list[Any]]] = {}
"""Family -> its rule, and the variants to try."""


def reference(name: str, variants: Iterable[Any] = (None,)) -> Callable[[Reference], Reference]:
    def register(rule: Reference) -> Reference:
        REFERENCES[name] = rule, list(variants)
        return rule

    return register


@reference("count-objects")
def count_objects(grid: Rows, train: Train, _: Any) -> Rows:
    return [[train[0][1][0][0]] * len(objects(grid))]


@reference("count-commonest")
def count_commonest(grid: Rows, train: Train, _: Any) -> Rows:
    of = [next(iter(one.values())) for one in objects(grid)]
    best = max(of, key=of.count)
    return [[best] * of.count(best)]


@reference("count-bars", (False, True))
def count_bars(grid: Rows, train: Train, falling: bool) -> Rows:
    order = sorted(numbers(grid).items(), key=lambda item: item[1], reverse=falling)
    most = max(n for _, n in order)
    return [[color] * n + [0] * (most - n) for color, n in order]


@reference("count-colors", (False, True))
def count_colors(grid: Rows, train: Train, rising: bool) -> Rows:
    n, [color] = len(colors([grid])), colors(outputs(train))
    lines = [[0] * i + [color] + [0] * (n - 1 - i) for i in range(n)]
    return lines[::-1] if rising else lines


@reference("count-and-grow")
def count_and_grow(grid: Rows, train: Train, _: Any) -> Rows:
    n = len(colors([grid]))
    return [[grid[i // n][j // n] for j in range(n * len(grid[0]))] for i in range(n * len(grid))]


@reference("largest-object", (min, max))
def largest_object(grid: Rows, train: Train, best: Any) -> Rows:
    return cut(best(objects(grid), key=len))


@reference("longest-bar", (min, max))
def longest_bar(grid: Rows, train: Train, best: Any) -> Rows:
    marked = best(objects(grid), key=len)
    return draw(cells_of(grid) | dict.fromkeys(marked, new_color(train)), len(grid), len(grid[0]))


@reference("fuller-half", product((min, max), (False, True)))
def fuller_half(grid: Rows, train: Train, variant: Any) -> Rows:
    best, upright = variant
    rows = transposed(grid) if upright else grid
    middle = len(rows[0]) // 2
    halves = [[row[:middle] for row in rows], [row[middle + 1 :] for row in rows]]
    chosen = best(halves, key=lambda half: len(cells_of(half)))
    return transposed(chosen) if upright else chosen


@reference("commonest-color", (min, max))
def commonest_color(grid: Rows, train: Train, best: Any) -> Rows:
    counts, side = numbers(grid), len(train[0][1])
    return [[best(counts, key=lambda color: counts[color])] * side] * side


@reference("taller-or-wider")
def taller_or_wider(grid: Rows, train: Train, _: Any) -> Rows:
    taken: dict[bool, int] = {}
    for cells, out in train:
        for one in objects(cells):
            i, j = next(iter(one))
            box = cut(one)
            taken[len(box) > len(box[0])] = out[i][j]
    found = {}
    for one in objects(grid):
        box = cut(one)
        found |= dict.fromkeys(one, taken[len(box) > len(box[0])])
    return draw(found, len(grid), len(grid[0]))


@reference("sort-bars", product(range(4), (False, True)))
def sort_bars(grid: Rows, train: Train, variant: Any) -> Rows:
    turns, falling = variant
    columns = transposed(turned(grid, turns))
    places = [i for i, column in enumerate(columns) if any(column)]
    full = sorted((c for c in columns if any(c)), key=lambda c: len([*filter(None, c)]))
    for place, column in zip(places, full[::-1] if falling else full, strict=True):
        columns[place] = column
    return turned(transposed(columns), -turns)


@reference("sort-colors", (False, True))
def sort_colors(grid: Rows, train: Train, falling: bool) -> Rows:
    counts = numbers(grid)
    return [[c] for c in sorted(counts, key=lambda color: counts[color], reverse=falling)]


@reference("sort-rows", product((False, True), (False, True)))
def sort_rows(grid: Rows, train: Train, variant: Any) -> Rows:
    upright, falling = variant
    rows = transposed(grid) if upright else grid
    rows = sorted(rows, key=lambda row: len([*filter(None, row)]), reverse=falling)
    return transposed(rows) if upright else rows


@reference("sort-by-place", range(4))
def sort_by_place(grid: Rows, train: Train, turns: int) -> Rows:
    return [[c for column in transposed(turned(grid, turns)) for c in column if c]]


@reference("sort-squares", (False, True))
def sort_squares(grid: Rows, train: Train, falling: bool) -> Rows:
    squares = [cut(one) for one in objects(grid)]
    squares.sort(key=len, reverse=falling)
    high = max(map(len, squares))
    padded = [[[0] * len(s)] * (high - len(s)) + s for s in squares]
    lines = [[*padded[0][i]] for i in range(high)]
    for square in padded[1:]:
        for line, row in zip(lines, square, strict=True):
            line += [0, *row]
    return lines


@reference("copy-to-dots")
def copy_to_dots(grid: Rows, train: Train, _: Any) -> Rows:
    found = objects(grid)
    pattern = max(found, key=len)
    dot = next(iter(min(found, key=len).values()))
    [(i, j)] = [place for place, color in pattern.items() if color == dot]
    out = cells_of(grid)
    for one in found:
        if len(one) == 1:
            [(k, m)] = one
            out |= {(k + a - i, m + b - j): color for (a, b), color in pattern.items()}
    return draw(out, len(grid), len(grid[0]))


@reference("copy-as-tiles")
def copy_as_tiles(grid: Rows, train: Train, _: Any) -> Rows:
    cells, out = train[0]
    down, across = len(out) // len(cells), len(out[0]) // len(cells[0])
    return [row * across for row in grid] * down


@reference("copy-of-itself", (False, True))
def copy_of_itself(grid: Rows, train: Train, black: bool) -> Rows:
    n = len(grid)
    return [
        [grid[i % n][j % n] * ((not grid[i // n][j // n]) == black) for j in range(n * n)]
        for i in range(n * n)
    ]


@reference("move-fall", range(4))
def move_fall(grid: Rows, train: Train, turns: int) -> Rows:
    rows = [[*filter(None, row)] for row in turned(grid, turns)]
    width = len(turned(grid, turns)[0])
    return turned([[0] * (width - len(row)) + row for row in rows], -turns)


@reference("move-step", product(range(-3, 4), repeat=2))
def move_step(grid: Rows, train: Train, step: Any) -> Rows:
    moved = {(i + step[0], j + step[1]): color for (i, j), color in cells_of(grid).items()}
    return draw(moved, len(grid), len(grid[0]))


@reference("move-to-wall")
def move_to_wall(grid: Rows, train: Train, _: Any) -> Rows:
    # The one side that is of one colour: objects are too small for that.
    [turns] = [
        t
        for t in range(4)
        if len({row[-1] for row in turned(grid, t)} - {0}) == 1
        and all(row[-1] for row in turned(grid, t))
    ]
    rows = turned(grid, turns)
    width = len(rows[0])
    out = {(i, width - 1): rows[0][-1] for i in range(len(rows))}
    for one in objects([row[:-1] for row in rows]):
        step = width - 2 - max(j for _, j in one)
        out |= {(i, j + step): color for (i, j), color in one.items()}
    return turned(draw(out, len(rows), width), -turns)


@reference("move-around", product((0, 1), (-2, -1, 1, 2)))
def move_around(grid: Rows, train: Train, variant: Any) -> Rows:
    axis, step = variant
    rows = grid if axis == 0 else transposed(grid)
    rows = [rows[(i - step) % len(rows)] for i in range(len(rows))]
    return rows if axis == 0 else transposed(rows)


@reference("mirror-grid", product(range(4), (False, True)))
@reference("mirror-turn", product(range(4), (False, True)))
def mirror_grid(grid: Rows, train: Train, variant: Any) -> Rows:
    rows = turned(grid, variant[0])
    return [row[::-1] for row in rows] if variant[1] else rows


@reference("mirror-beside", product((0, 1), (0, 1)))
def mirror_beside(grid: Rows, train: Train, variant: Any) -> Rows:
    axis, first = variant
    rows = transposed(grid) if axis else grid
    rows = [row[::-1] + row if first else row + row[::-1] for row in rows]
    return transposed(rows) if axis else rows


@reference("mirror-four", product((0, 1), (0, 1)))
def mirror_four(grid: Rows, train: Train, corner: Any) -> Rows:
    return mirror_beside(mirror_beside(grid, train, (0, corner[0])), train, (1, corner[1]))


@reference("mirror-repair", (False, True))
def mirror_repair(grid: Rows, train: Train, upright: bool) -> Rows:
    [cover] = set.intersection(*(colors([g]) - colors([out]) for g, out in train))
    rows = transposed(grid) if upright else grid
    rows = [[b if a == cover else a for a, b in zip(r, r[::-1], strict=True)] for r in rows]
    return transposed(rows) if upright else rows


@reference("fill-closed")
def fill_closed(grid: Rows, train: Train, _: Any) -> Rows:
    filled = dict.fromkeys(shut_in(grid), new_color(train))
    return draw(cells_of(grid) | filled, len(grid), len(grid[0]))


@reference("inside-shut-out")
def inside_shut_out(grid: Rows, train: Train, _: Any) -> Rows:
    color, inside = new_color(train), shut_in(grid)
    return [
        [c or (0 if (i, j) in inside else color) for j, c in enumerate(row)]
        for i, row in enumerate(grid)
    ]


@reference("fill-lines", (False, True))
def fill_lines(grid: Rows, train: Train, upright: bool) -> Rows:
    rows = transposed(grid) if upright else grid
    rows = [[max(row)] * len(row) for row in rows]
    return transposed(rows) if upright else rows


@reference("fill-box")
def fill_box(grid: Rows, train: Train, _: Any) -> Rows:
    out = cells_of(grid)
    for one in objects(grid):
        rows, columns = [i for i, _ in one], [j for _, j in one]
        box = product(range(min(rows), max(rows) + 1), range(min(columns), max(columns) + 1))
        out |= {place: new_color(train) for place in box if place not in one}
    return draw(out, len(grid), len(grid[0]))


@reference("connect-dots", (False, True))
def connect_dots(grid: Rows, train: Train, own: bool) -> Rows:
    cells = cells_of(grid)
    lines: dict[tuple[int, int], int] = {}
    for color in colors([grid]):
        ends = sorted(place for place, c in cells.items() if c == color)
        if len(ends) == 2:
            (i, j), (k, m) = ends
            n = max(abs(k - i), abs(m - j))
            between = [(i + (k - i) * t // n, j + (m - j) * t // n) for t in range(1, n)]
            lines |= dict.fromkeys(between, color if own else _line(train))
    return draw(cells | lines, len(grid), len(grid[0]))


def _line(train: Train) -> int:
    """The colour that is in outputs alone, else any."""
    return min(colors(outputs(train)) - colors(g for g, _ in train), default=1)


@reference("connect-walls", (False, True))
def connect_walls(grid: Rows, train: Train, upright: bool) -> Rows:
    rows = transposed(grid) if upright else grid
    out = []
    for row in rows:
        dots = [j for j in range(1, len(row) - 1) if row[j]]
        line = list(row)
        for j in dots:
            places = range(j + 1) if row[j] == row[0] else range(j, len(row))
            for k in places:
                line[k] = row[j]
        out.append(line)
    return transposed(out) if upright else out


@reference("inside-crop")
def inside_crop(grid: Rows, train: Train, _: Any) -> Rows:
    for color in colors([grid]):
        places = {place for place, c in cells_of(grid).items() if c == color}
        (top, left), (bottom, right) = min(places), max(places)
        outline = {
            (i, j)
            for i in range(top, bottom + 1)
            for j in range(left, right + 1)
            if i in (top, bottom) or j in (left, right)
        }
        if places == outline and bottom > top + 1 and right > left + 1:
            return [row[left + 1 : right] for row in grid[top + 1 : bottom]]
    raise ValueError("no frame")


@reference("odd-color")
def odd_color(grid: Rows, train: Train, _: Any) -> Rows:
    found = objects(grid)
    of = [next(iter(one.values())) for one in found]
    [odd] = [one for one, color in zip(found, of, strict=True) if of.count(color) == 1]
    return cut(odd)


@reference("same-cells", product((False, True), range(1, 16)))
def same_cells(grid: Rows, train: Train, variant: Any) -> Rows:
    upright, table = variant
    rows = transposed(grid) if upright else grid
    middle, [color] = len(rows[0]) // 2, colors(outputs(train))
    out = [
        [
            color * (table >> (2 * bool(row[j]) + bool(row[j + middle + 1])) & 1)
            for j in range(middle)
        ]
        for row in rows
    ]
    return transposed(out) if upright else out
