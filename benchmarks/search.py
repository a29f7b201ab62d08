"""Values made a second and core: the search's graph beside the DSL's functions called one by one.

Both apply functions of one grid to all train and test inputs of some training tasks of ARC-AGI-1,
to depth two, and merge equal values. A value made is one function applied to one value of one pair.

    python benchmarks/search.py --tasks 20
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from arcflow.core.task import Task
from arcflow.omniarc import dsl
from arcflow.search.arena import TRIED
from arcflow.search.compiled import COMPILED
from arcflow.search.graph import Graph
from arcflow.search.solver import SearchSolver
from arcflow.sources.arc import load_split

FUNCTIONS: list[Callable[[Any], Any]] = [
    dsl.flip_left_right,
    dsl.flip_up_down,
    dsl.transpose,
    lambda g: dsl.rotate(g, 1),
    lambda g: dsl.rotate(g, 2),
    dsl.trim,
    lambda g: dsl.upscale(g, 2),
    lambda g: dsl.tile(g, 2, 2),
    dsl.complete_symmetry,
    dsl.complete_tiling,
    dsl.fill_holes,
    lambda g: dsl.fall(g, dsl.DOWN),
    lambda g: dsl.fall(g, dsl.LEFT),
    lambda g: dsl.object_grid(max(dsl.find_objects(g), key=lambda o: o.size)),
    lambda g: dsl.object_grid(min(dsl.find_objects(g), key=lambda o: o.size)),
    lambda g: dsl.object_grid(dsl.find_objects(g, diagonal=False)[0]),
    lambda g: dsl.split_halves(g)[0],
    lambda g: dsl.split_panels(g)[0],
    lambda g: dsl.recolor(g, {1: 2, 2: 1}),
    lambda g: np.where(dsl.enclosed(g == 0), 3, g),
]


def _dsl(task: Task) -> tuple[int, float]:
    """Return how many values the DSL's functions made to depth two, and in how many seconds."""
    made, start = 0, time.process_time()
    for pair in (*task.train, *task.test):
        level, seen = [np.array(pair.input)], set()
        for _ in range(2):
            following = []
            for grid in level:
                for function in FUNCTIONS:
                    made += 1
                    try:
                        out = np.asarray(function(grid))
                    except Exception:  # noqa: BLE001 - a function may refuse a grid
                        continue
                    key = (out.shape, out.tobytes())
                    if out.ndim == 2 and 0 < out.size <= 1800 and key not in seen:
                        seen.add(key)
                        following.append(out)
            level = following
    return made, time.process_time() - start


def _search(task: Task) -> tuple[int, float]:
    """Return how many values the graph made to depth two, and in how many seconds."""
    inputs = [pair.input.astype(np.uint8) for pair in (*task.train, *task.test)]
    sizes = [pair.output.shape for pair in task.train if pair.output is not None]
    sizes += [sizes[0]] * len(task.test)
    start = time.process_time()
    colors = frozenset(range(1, 10))
    graph = Graph(inputs, len(task.train), sizes, (colors, colors), 60_000)
    graph.deepen()
    graph.deepen()
    return int(graph.arena.used[TRIED]), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=20)
    chosen = load_split("arc-agi-1/training")[:: 400 // parser.parse_args().tasks]
    SearchSolver.prepare()
    sums = {"dsl": [0, 0.0], "search": [0, 0.0]}
    for task in chosen:
        for name, run in (("dsl", _dsl), ("search", _search)):
            made, seconds = run(task)
            sums[name][0] += made
            sums[name][1] += seconds
    rates = {name: round(made / seconds) for name, (made, seconds) in sums.items()}
    print(
        json.dumps(
            {
                "benchmark": "search",
                "machine": platform.processor() or platform.machine(),
                "compiled": COMPILED,
                "tasks": len(chosen),
                "values_a_cpu_second": rates,
                "ratio": round(rates["search"] / rates["dsl"], 1),
            }
        )
    )


if __name__ == "__main__":
    main()
