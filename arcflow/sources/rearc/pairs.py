"""The pairs of one prompt from a RE-ARC generator: tried until good, adapted to the originals."""

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, GridKey
from arcflow.core.seeds import derive
from arcflow.core.task import Pair
from arcflow.sources.rearc.backend import Backend
from arcflow.sources.rearc.color_sites import color_sites
from arcflow.sources.rearc.facts import TaskFacts
from arcflow.sources.rearc.random_draws import Drawn, OutOfDrawsError

VERSION = 2
"""The version of the sampling and adaptation of pairs in this folder.

It has to be raised when a (seed, index) gives another task, so that a resumed run does not silently
continue with other tasks.
"""

ATTEMPTS = 100
"""The number of attempts for a pair, of which the second half ignores the first pair's colours."""

MAX_DRAWS = 50_000
"""The number of random numbers that one attempt may use."""

MAX_SECONDS = 60.0
"""The time limit of one attempt, in seconds of this process's processor time."""

_COLORS = bytes(range(N_COLORS))

# Held while a generator runs, as all generators of a backend share their random numbers.
_drawing = threading.Lock()


def _begin_fork() -> None:
    global _drawing
    _drawing = threading.Lock()  # its holder may not exist in this process


os.register_at_fork(after_in_child=_begin_fork)


@dataclass(frozen=True)
class Adaptation:
    """How pairs are generated and adapted.

    Attributes:
        difficulty: The lower and upper end on the generators' own scale, 0 to 1.
        background: Whether the background takes the original's colour.
        roles: Whether the pairs of a prompt share the first one's colours.
        verify: Whether only pairs that the task's verifier accepts are taken.
    """

    difficulty: tuple[float, float] = (0.0, 0.4)
    background: bool = True
    roles: bool = True
    verify: bool = False


@dataclass(frozen=True)
class Made:
    """A pair with valid grids, as the generator gave it and as it is served.

    Attributes:
        input, output: The grids as they are served.
        raw_input, raw_output: The grids before the background was exchanged.
        swapped: The two colours that changed places, or None if none did.
        drawn: The colours that were chosen at the generator's sites.
    """

    input: GridKey
    output: GridKey
    raw_input: GridKey
    raw_output: GridKey
    swapped: tuple[int, int] | None
    drawn: Drawn


class BadPairError(Exception):
    """An error for a generated pair that cannot be served, which says why."""


class Generator:
    """One task's generator with its adaptation.

    Args:
        backend: The backend that has the generator.
        task_id: The id of the task.
        facts: The facts of the task, or None if nothing is known and its background has to stay.
        adaptation: How pairs are generated and adapted.
    """

    def __init__(
        self, backend: Backend, task_id: str, facts: TaskFacts | None, adaptation: Adaptation
    ) -> None:
        self.task_id, self._backend, self._adaptation = task_id, backend, adaptation
        sites = color_sites(backend.generators[task_id])
        wanted = adaptation.roles or adaptation.background
        self._code, self._at = sites.code, sites.at if wanted else None
        self._swapped = facts if facts and facts.swap and adaptation.background else None

    def pairs(self, n: int, seed: int, index: int) -> list[Pair]:
        """Return ``n`` pairs with different inputs, a pure function of the arguments.

        Args:
            n: The number of pairs.
            seed: The run's seed.
            index: The number of the prompt.

        Raises:
            DataError: A pair fails in all of :data:`ATTEMPTS` attempts, or the generator hangs.
        """
        return [Pair(_grid(made.input), _grid(made.output)) for made in self.prompt(n, seed, index)]

    def prompt(self, n: int, seed: int, index: int) -> list[Made]:
        """Return the pairs of :meth:`pairs` with how each came about.

        Args:
            n: The number of pairs.
            seed: The run's seed.
            index: The number of the prompt.

        Raises:
            DataError: A pair fails in all of :data:`ATTEMPTS` attempts, or the generator hangs.
        """
        made: dict[GridKey, Made] = {}
        first: Drawn | None = None
        with _time_limit(self.task_id) as start_clock:
            for number in range(n):
                for attempt in range(ATTEMPTS):
                    start_clock()
                    replay = first if attempt < ATTEMPTS // 2 else None
                    # A narrow range has no good pair of some tasks, which must not end a run.
                    whole = attempt >= 3 * ATTEMPTS // 4
                    try:
                        pair = self.attempt(
                            derive(seed, f"re-arc {self.task_id}", index, number, attempt),
                            replay,
                            (0.0, 1.0) if whole else None,
                        )
                        if pair.input in made:
                            raise BadPairError("an input that the prompt has already")
                    except BadPairError as error:
                        why = str(error)
                        continue
                    made[pair.input] = pair
                    if self._adaptation.roles and first is None:
                        first = pair.drawn
                    break
                else:
                    self._give_up(number, why)
        return list(made.values())

    def attempt(
        self,
        seed: int,
        replay: Drawn | None = None,
        difficulty: tuple[float, float] | None = None,
    ) -> Made:
        """Return one pair.

        Threads take turns, as the backend's generators share their random numbers.

        Args:
            seed: The seed of all random numbers of the pair.
            replay: The colours to choose again.
            difficulty: The range to use in place of the adaptation's.

        Raises:
            BadPairError: The generator gives no pair, or one that cannot be served.
        """
        with _drawing:
            return self._attempt(seed, replay, difficulty or self._adaptation.difficulty)

    def _attempt(self, seed: int, replay: Drawn | None, difficulty: tuple[float, float]) -> Made:
        draws = self._backend.draws
        draws.start(seed, MAX_DRAWS, self._code, self._at, replay)
        try:
            rows = self._backend.generate(self.task_id, *difficulty)
            raw_input, raw_output = _cells(rows["input"]), _cells(rows["output"])
        except DataError:  # raised by the time limit
            raise
        except OutOfDrawsError:
            raise BadPairError(f"more than {MAX_DRAWS} draws") from None
        except Exception as error:  # noqa: BLE001 (of 400 generators by others: any)
            raise BadPairError(f"{type(error).__name__}: {error}") from None
        if raw_input == raw_output:
            raise BadPairError("an output that is its input")
        swapped = self._swap(raw_input, draws.drawn)
        served = raw_input, raw_output
        if swapped is not None:
            served = exchanged(raw_input, swapped), exchanged(raw_output, swapped)
        made = Made(*served, raw_input, raw_output, swapped, draws.drawn)
        ties = swapped is not None and self._swapped is not None and self._swapped.ties
        if (self._adaptation.verify or ties) and not self.accepts(made.input, made.output):
            raise BadPairError("a pair that the task's verifier does not accept")
        return made

    def accepts(self, of: GridKey, output: GridKey) -> bool:
        """Return whether the task's verifier makes this output of this input.

        Args:
            of: The input.
            output: The output.
        """
        try:
            answer = self._backend.verifiers[self.task_id](_rows(of))
            return bool(answer == _rows(output))
        except DataError:  # raised by the time limit
            raise
        except Exception:  # noqa: BLE001 (of 400 verifiers by others: any)
            return False

    def _swap(self, raw_input: GridKey, drawn: Drawn) -> tuple[int, int] | None:
        """Return the two colours to exchange so that the background is the original's, or None.

        Raises:
            BadPairError: The rule names the background's colour, which therefore has to stay.
        """
        facts = self._swapped
        if facts is None or facts.background is None:
            return None
        if facts.background_draw is None:
            color: int | None = main_color(raw_input)
            if color in facts.fixed_colors:
                return None
        else:
            color = drawn_color(drawn, facts.background_draw)
        if color is None or color == facts.background:
            return None
        if color in facts.fixed_colors:
            raise BadPairError(f"a background of the rule's colour {color}")
        return color, facts.background

    def _give_up(self, number: int, why: str) -> NoReturn:
        raise DataError(
            f"RE-ARC task {self.task_id}: its generator gives no good pair {number}",
            value=why,
            expected=f"one in {ATTEMPTS} attempts: grids of 1 to {MAX_SIDE} rows and columns, "
            "cells 0 to 9, output and input unlike, no input twice",
            next_step=f"Leave the task out (exclude: ['{self.task_id}']), or ask for fewer pairs.",
        )


def drawn_color(drawn: Drawn, place: tuple[int, int]) -> int | None:
    """Return the colour that was last chosen at (site, index), or None if none was."""
    site, element = place
    visit = 0
    while (site, visit + 1) in drawn:
        visit += 1
    colors = drawn.get((site, visit), ())
    return colors[element] if element < len(colors) else None


def main_color(grid: GridKey) -> int:
    """Return the colour with the most cells, the lowest of several."""
    return max(range(N_COLORS), key=lambda color: (grid[2].count(color), -color))


def exchanged(grid: GridKey, colors: tuple[int, int]) -> GridKey:
    """Return the grid with two colours exchanged."""
    return grid[0], grid[1], grid[2].translate(_table(colors))


@functools.cache
def _table(colors: tuple[int, int]) -> bytes:
    one, other = (bytes((color,)) for color in colors)
    return bytes.maketrans(one + other, other + one)


def _cells(rows: Sequence[Sequence[Any]]) -> GridKey:
    """Return rows as a checked grid.

    Raises:
        BadPairError: The rows are no valid grid.
    """
    height, widths = len(rows), set(map(len, rows))
    if len(widths) != 1 or not (1 <= height <= MAX_SIDE and 1 <= min(widths) <= MAX_SIDE):
        raise BadPairError(
            f"a grid of {height} rows with {', '.join(map(str, sorted(widths)))} cells"
        )
    cells = list(chain.from_iterable(rows))
    try:
        data = bytes(cells)
    except ValueError:  # a number outside 0..255
        raise BadPairError(f"cells {min(cells)} to {max(cells)}") from None
    if data.translate(None, _COLORS):
        raise BadPairError(f"a cell {max(cells)}")
    return height, widths.pop(), data


def _rows(cells: GridKey) -> tuple[tuple[int, ...], ...]:
    height, width, data = cells
    return tuple(tuple(data[row * width : (row + 1) * width]) for row in range(height))


def _grid(cells: GridKey) -> Grid:
    return np.frombuffer(cells[2], dtype=np.int8).reshape(cells[0], cells[1])


@contextmanager
def _time_limit(task_id: str) -> Iterator[Callable[[], None]]:
    """Yield a function that starts a limit of :data:`MAX_SECONDS` anew at each call.

    The limit is a safety net for a generator that hangs without using random numbers. Exceeding it
    ends the work instead of trying again, as a stream that depended on a clock would differ between
    machines. For the same reason it counts processor time: a process that waits is not stopped. In
    threads other than the main one, which get no signals, there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def stop(_signal: int, _frame: object) -> NoReturn:
        raise DataError(
            f"RE-ARC task {task_id}: its generator hangs",
            value=f"more than {MAX_SECONDS:g} s of computing",
            expected="a pair within seconds",
            next_step=f"Leave the task out (exclude: ['{task_id}']).",
        )

    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS) and None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
