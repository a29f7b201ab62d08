"""The solver: what a search over programs answers to a task."""

import time

import numpy as np

from arcflow.core.errors import ConfigError
from arcflow.core.solver import Answer
from arcflow.core.task import Task
from arcflow.search.ranking import best_answers
from arcflow.search.views import Found, View, search, views


class SearchSolver:
    """A search over sequences of grid functions whose results are stacked to make the outputs.

    The task is searched in several views, one after the other: as it is, with its colours renamed
    by role, and with its pairs turned along the diagonal as further pairs; then deeper, as long as
    there is time. The clock is looked at between views, between 64 nodes of a graph and between
    stacks: if the time suffices for all of that, the answers do not depend on it.

    Args:
        depth: How many functions a sequence may have in the first views.
        most_depth: How many it may have in the last views.
        n_nodes: How many values a search to the first depth may keep for each pair; deeper ones may
            keep three times as many.
    """

    name = "search"
    _ready = False

    def __init__(self, depth: int = 2, most_depth: int = 3, n_nodes: int = 60_000) -> None:
        if depth < 1 or most_depth > 4 or n_nodes < 1000:
            raise ConfigError(
                "SearchSolver: bad option",
                value={"depth": depth, "most_depth": most_depth, "n_nodes": n_nodes},
                expected="depth of at least 1, most_depth of at most 4, n_nodes of at least 1000",
                next_step="Correct it.",
            )
        self.depth, self.most_depth, self.n_nodes = depth, most_depth, n_nodes

    @classmethod
    def prepare(cls) -> None:
        """Compile the functions, or load them if an earlier run has compiled them.

        The first time on a machine takes one to two minutes. :meth:`solve` does it before its time
        starts.
        """
        if not SearchSolver._ready:
            tiny = [np.eye(2, dtype=np.uint8)] * 2
            search(View(None, True, 1), tiny, tiny[:1], 1000, np.inf)
            SearchSolver._ready = True

    def solve(self, task: Task, seconds: float) -> list[list[Answer]]:
        """Return the answers to each test input, best first and without repeats.

        Args:
            task: The task; its test outputs are not read.
            seconds: The wall time that the call may take, in seconds, after :meth:`prepare`.

        Returns:
            One list for each test input, empty if nothing was found.
        """
        inputs = [pair.input.astype(np.uint8) for pair in (*task.train, *task.test)]
        outputs = [pair.output.astype(np.uint8) for pair in task.train if pair.output is not None]
        if not task.test or not outputs or seconds <= 0:
            return [[] for _ in task.test]
        self.prepare()
        deadline = time.monotonic() + seconds
        found: list[list[Found]] = [[] for _ in task.test]
        for view in views(inputs, outputs, self.depth, self.most_depth):
            if time.monotonic() > deadline:
                break
            n_nodes = self.n_nodes * (1 if view.depth == self.depth else 3)
            for all_found, new in zip(
                found, search(view, inputs, outputs, n_nodes, deadline), strict=True
            ):
                all_found += new
        return [best_answers(one, len(outputs)) for one in found]
