"""The check of a program on all pairs of its task and on fresh RE-ARC pairs of it."""

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
"""The share of the RE-ARC pairs that a program has to solve, from 0 to 1."""


@dataclass(frozen=True)
class Verdict:
    """The results of a program on the pairs of its task.

    Attributes:
        original: For each train and test pair of the original, what is wrong; "" if nothing is.
        rearc: The same for fresh RE-ARC pairs.
        style: The problems of the program's text, one string each.
        reason: The program's reason why RE-ARC's pairs do not fit; empty if they should fit.
    """

    original: tuple[str, ...]
    rearc: tuple[str, ...]
    style: tuple[str, ...]
    reason: str

    @property
    def rearc_share(self) -> float:
        """The solved share of the RE-ARC pairs, from 0 to 1; 1 if there are no pairs."""
        return sum(not wrong for wrong in self.rearc) / len(self.rearc) if self.rearc else 1.0

    @property
    def counts(self) -> bool:
        """Whether the program counts as a solution of its task."""
        enough = bool(self.reason) or self.rearc_share >= NEEDED
        return not any(self.original) and not self.style and enough


def run_program(program: Program, grid: Grid) -> Grid:
    """Run a program of the registry, which is trusted, on one grid.

    Exceptions of the program are passed on.

    Args:
        program: The program to run.
        grid: The input, shape (H, W).

    Returns:
        The output, a read-only int8 array of shape (H, W).

    Raises:
        DataError: If the result is not a grid.
    """
    result = program.function(grid)
    return make_grid(np.asarray(result), f"program {program.name}")


def problem(program: Program, pair: Pair) -> str:
    """Describe what is wrong with a program's answer to one pair.

    Args:
        program: A program of the registry.
        pair: The pair to try.

    Returns:
        A few words, or "" if the answer is right.
    """
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
    """Describe how an answer differs from the right one.

    Args:
        found: The answer, shape (H, W).
        wanted: The right output, or None if it is hidden.

    Returns:
        A few words, or "" if there is no difference or no right output.
    """
    if wanted is None:
        return ""
    if found.shape != wanted.shape:
        return f"shape {found.shape} instead of {wanted.shape}"
    wrong = int((found != wanted).sum())
    return f"{wrong} of {wanted.size} cells differ" if wrong else ""


def rearc_pairs(task_id: str, n: int, seed: int = 0) -> list[Pair]:
    """Generate fresh RE-ARC pairs of one task, in the form that arcflow adapts them to.

    Args:
        task_id: The id of an ARC-AGI-1 training task.
        n: The number of pairs.
        seed: The seed of the pairs.

    Returns:
        The pairs, at most ``n``.
    """
    source = ReARC(ids=[task_id], pairs=1)
    pairs: list[Pair] = []
    for index in range((n + 1) // 2):
        task = source.task(seed, index)
        pairs += [*task.train, *task.test]
    return pairs[:n]


def original_pairs(task_id: str) -> Sequence[Pair]:
    """Return the train pairs and then the test pairs of a training task.

    Args:
        task_id: The id of an ARC-AGI-1 training task.

    Returns:
        The pairs, with all outputs.
    """
    task = next(task for task in load_split("arc-agi-1/training") if task.id == task_id)
    return (*task.train, *task.test)


def check(program: Program, samples: int = SAMPLES, seed: int = 0) -> Verdict:
    """Try a program on everything that it has to solve.

    Args:
        program: A program of the registry.
        samples: The number of RE-ARC pairs to try.
        seed: The seed of the RE-ARC pairs.

    Returns:
        The results on all pairs.
    """
    return Verdict(
        tuple(problem(program, pair) for pair in original_pairs(program.task_id)),
        tuple(problem(program, pair) for pair in rearc_pairs(program.task_id, samples, seed)),
        tuple(style_problems(program.source)),
        program.rearc,
    )
