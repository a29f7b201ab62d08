"""Hindsight: a program that runs but misses is right about another task, and that is learned.

After Butt et al. 2024, "CodeIt: Self-Improving Language Models with Prioritized Hindsight
Replay", arXiv:2402.04858: the outputs that a program gave take the place of the wanted ones.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import grid_key
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task, task_key
from arcflow.evaluation.program_candidates import ProgramCandidate
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder, Example
from arcflow.ttft.leave_one_out import fill_rows

_PATIENCE = 8


def hindsight_tasks(written: Sequence[ProgramCandidate]) -> list[Task]:
    """Yield the tasks that are solved by the programs which were written for another one.

    A program counts that gives a grid for every input. Programs that give back their inputs, or
    one grid for all of them, teach nothing and are left out; of programs with equal outputs in
    one view the first is taken.

    Args:
        written: programs for one task.

    Returns:
        The task in the program's view, each output the program's own, and the program.
    """
    found: dict[tuple[object, ...], Task] = {}
    for w in written:
        if w.trial is None or w.code is None or not w.trial.valid:
            continue
        seen = w.view.apply(w.task)
        grids = [grid for grid in w.trial.grids if grid is not None]
        inputs = [pair.input for pair in (*seen.train, *seen.test)]
        keys = [grid_key(grid) for grid in grids]
        if len(set(keys)) == 1 or all(map(np.array_equal, inputs, grids)):
            continue
        n = len(seen.train)
        pairs = tuple(Pair(a, b) for a, b in zip(inputs, grids, strict=True))
        task = replace(seen, train=pairs[:n], test=pairs[n:], code=w.code, attempt=None)
        found.setdefault((w.view, *keys), task)
    return list(found.values())


@dataclass(frozen=True)
class Hindsight:
    """The endless stream of a task's programs, each asked for with its own outputs.

    Attributes:
        encoder: writes the samples: of a kind whose answer is a program.
        tasks: by the id of the evaluated task those of :func:`hindsight_tasks`.
        max_tokens: longest sample; tasks lose pairs until they fit. None: no bound.
        seed: sample i is a function of (seed, task id, programs, i).
    """

    encoder: Encoder[Any]
    tasks: Mapping[str, Sequence[Task]]
    max_tokens: int | None = None
    seed: int = 0

    def example(self, task: Task, index: int) -> Example | None:
        """Return sample ``index``: each program in turn, its pairs in an order of their own."""
        known, key = self.tasks[task.id], task_key(task)
        block, place = divmod(index, len(known))
        chosen = known[rng(self.seed, "programs", key, block).permutation(len(known))[place]]
        order = rng(self.seed, "hindsight", key, index).permutation(len(chosen.train))
        shown = replace(chosen, train=tuple(chosen.train[i] for i in order))
        try:
            if self.max_tokens is not None:
                fitted = fit_context(self.encoder, shown, self.max_tokens)
                if fitted is None:
                    return None
                shown = fitted
            return self.encoder.example(shown)
        except DataError:  # a program that no answer can hold: the tokenizer has no token for it
            return None

    def rows(self, task: Task, tokens: int) -> Iterator[Sequence[Example]]:
        """Samples in order, as many as ``tokens`` hold, at least one a row; empty for a task
        without programs."""
        known = self.tasks.get(task.id, ())
        if not known:
            return iter(())
        samples = (self.example(task, index) for index in itertools.count())
        return fill_rows(samples, tokens, _PATIENCE * len(known))
