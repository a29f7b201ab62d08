"""Whether a program counts: all pairs of its task, and fresh RE-ARC pairs of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair
from arcflow.omniarc.registry import Program
from arcflow.omniarc.style import style_problems
from arcflow.sources.arc import load_split
from arcflow.sources.rearc.source import ReARC

SAMPLES = 100
NEEDED = 0.95
"""Share of RE-ARC pairs that a program has to solve."""


@dataclass(frozen=True)
class Verdict:
    """What a program does with the pairs of its task.

    Attributes:
        original: for each train and test pair of the original "" or what is wrong.
        rearc: the same for fresh RE-ARC pairs.
        style: what is wrong with its text.
        reason: why RE-ARC's pairs do not fit, as the program says; empty where they should.
    """

    original: tuple[str, ...]
    rearc: tuple[str, ...]
    style: tuple[str, ...]
    reason: str

    @property
    def rearc_share(self) -> float:
        """Of the RE-ARC pairs, those it solves; 1 where none were asked for."""
        return sum(not wrong for wrong in self.rearc) / len(self.rearc) if self.rearc else 1.0

    @property
    def counts(self) -> bool:
        """Whether the task is solved."""
        enough = bool(self.reason) or self.rearc_share >= NEEDED
        return not any(self.original) and not self.style and enough


def run_program(program: Program, grid: Grid) -> Grid:
    """The output of a program of the registry, which is trusted.

    Raises:
        DataError: the result is no grid. What the program raises is passed on.
    """
    result = program.function(grid)
    return make_grid(np.asarray(result), f"program {program.name}")


def problem(program: Program, pair: Pair) -> str:
    """What is wrong with a program's answer to one pair, in a few words; "" where it is right."""
    before = pair.input.tobytes()
    try:
        found = run_program(program, pair.input)
    except DataError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever a program raises is its answer
        return f"{type(error).__name__}: {error}"
    if pair.input.tobytes() != before:
        return "the input was altered"
    return difference(found, pair.output)


def difference(found: Grid, wanted: NDArray[np.int8] | None) -> str:
    """How an answer differs from the right one, in a few words; "" where it does not."""
    if wanted is None:
        return ""
    if found.shape != wanted.shape:
        return f"shape {found.shape} instead of {wanted.shape}"
    wrong = int((found != wanted).sum())
    return f"{wrong} of {wanted.size} cells differ" if wrong else ""


def rearc_pairs(task_id: str, n: int, seed: int = 0) -> list[Pair]:
    """Fresh pairs of one task, adapted.

    Args:
        task_id: of an ARC-AGI-1 training task.
        n: how many.
        seed: other pairs.
    """
    source = ReARC(ids=[task_id], pairs=1)
    pairs: list[Pair] = []
    for index in range((n + 1) // 2):
        task = source.task(seed, index)
        pairs += [*task.train, *task.test]
    return pairs[:n]


def original_pairs(task_id: str) -> Sequence[Pair]:
    """Train and test pairs of an ARC-AGI-1 training task."""
    task = next(task for task in load_split("arc-agi-1/training") if task.id == task_id)
    return (*task.train, *task.test)


def check(program: Program, samples: int = SAMPLES, seed: int = 0) -> Verdict:
    """Try a program on everything that it has to solve.

    Args:
        program: of the registry.
        samples: RE-ARC pairs to try.
        seed: of these.
    """
    return Verdict(
        tuple(problem(program, pair) for pair in original_pairs(program.task_id)),
        tuple(problem(program, pair) for pair in rearc_pairs(program.task_id, samples, seed)),
        tuple(style_problems(program.source)),
        program.rearc,
    )
