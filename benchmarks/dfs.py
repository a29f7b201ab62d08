"""Depth-first search against greedy answers and sampling: right answers for the tokens computed.

    python benchmarks/dfs.py RUN [--max_side 6] [--tasks N] [--steps 120] [--few]

RUN is the folder of a run of ``arcflow fit``, as the quickstart's. Each task of ARC-AGI-1's
evaluation set with no side over ``--max_side`` and at most 512 tokens is adapted to once, as the
run's options say; then all methods answer with the same adapter and the same views. What they cost
is the tokens that the model computes: those of prompts (a common beginning once) and of answers,
padding included. Search finds each answer once, so it is compared at equal cost: more views of
greedy answers, and more samples of each view, cost about as many tokens. ``--few`` takes only ways
of 8 views, and 16 greedy ones.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from arcflow import __version__
from arcflow.api.answers import fine_tune
from arcflow.api.models import Model, load_model
from arcflow.core.task import Task
from arcflow.engines.base import AdapterRef
from arcflow.engines.transformers import TransformersEngine
from arcflow.evaluation.dfs_config import DFSConfig
from arcflow.evaluation.grid_requests import GridRequests
from arcflow.scoring.metrics import task_metrics
from arcflow.scoring.voting import Candidate
from arcflow.sources.arc import load_split

MAX_TOKENS = 512
FEW = (
    "greedy, 8 views",
    "greedy, 16 views",
    "samples, 8 views x 2",
    "search, 8 views, p 0.2",
    "search, 8 views, p 0.1",
    "search, 8 views, p 0.05",
)
METRICS = ("pass_n", "vote_1", "vote_2")


@dataclass
class Side:
    """One way to answer, and what came of it."""

    name: str
    options: dict[str, Any]
    tokens: int = 0
    seconds: float = 0.0
    found: dict[str, list[Candidate]] = field(default_factory=dict)


def sides() -> list[Side]:
    greedy = [Side(f"greedy, {n} views", {"views": n}) for n in (4, 8, 16, 32)]
    sampled = [
        Side(f"samples, {n} views x {k}", {"views": n, "samples": k, "temperature": 1.0})
        for n, k in ((8, 2), (8, 4), (8, 8))
    ]
    searched = [
        Side(f"search, {n} views, p {p}", {"views": n, "method": "dfs", "dfs": DFSConfig(p)})
        for n, p in ((8, 0.2), (8, 0.1), (8, 0.05), (8, 0.02), (16, 0.1))
    ]
    free = DFSConfig(0.05, grammar=False)
    unguided = DFSConfig(0.05, best_guess=False)
    return [
        *greedy,
        *sampled,
        *searched,
        Side("search, 8 views, p 0.05, no grammar", {"views": 8, "method": "dfs", "dfs": free}),
        Side("search, 8 views, p 0.05, no guess", {"views": 8, "method": "dfs", "dfs": unguided}),
    ]


@contextmanager
def counted(side: Side, model: Any) -> Iterator[None]:
    """Add the tokens that a model computes, and the processor's time, to a side."""

    def count(_: Any, __: Any, arguments: Any) -> None:
        side.tokens += arguments["input_ids"].numel()

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    hook = inner.register_forward_pre_hook(count, with_kwargs=True)
    began = time.process_time()
    try:
        yield
    finally:
        side.seconds += time.process_time() - began
        hook.remove()


def answer(side: Side, model: Model, task: Task, ref: AdapterRef | None, use: Any) -> None:
    config = replace(model.answering, **side.options)
    requests = GridRequests(model.encoder, config, model.max_tokens, seed=0)
    requests.ask((task.id, "ttft"), task.without_answers(), ref)
    engine = TransformersEngine(model.module.model, model.pad_id, use, config.max_batch_tokens)
    with counted(side, model.module.model):
        answers = engine.generate(requests.requests, requests.sampling)
    side.found[task.id] = requests.candidates(answers)[task.id, "ttft"]


def small_tasks(model: Model, max_side: int, most: int | None) -> list[Task]:
    return [
        task
        for task in load_split("arc-agi-1/evaluation")
        if max(max(grid.shape) for grid in task.grids()) <= max_side
        and model.encoder.length(task) <= MAX_TOKENS
    ][:most]


def measured(side: Side, tasks: Sequence[Task], counted_alike: bool = False) -> dict[str, float]:
    """Return the metrics of a side in per cent; each candidate has one vote if counted alike."""
    rows = []
    for task in tasks:
        found = side.found[task.id]
        if counted_alike:
            found = [replace(candidate, weight=1.0) for candidate in found]
        outputs = [pair.output for pair in task.test if pair.output is not None]
        rows.append(task_metrics(found, outputs, task.id))
    return {name: 100 * sum(row[name] for row in rows) / len(rows) for name in METRICS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="the folder of a run of arcflow fit")
    parser.add_argument("--max_side", type=int, default=6)
    parser.add_argument("--tasks", type=int, default=None)
    parser.add_argument("--steps", type=int, default=120, help="of tuning; 0 for none")
    parser.add_argument("--few", action="store_true", help="six of the ways alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(options.run, device="cpu")
    tasks = small_tasks(model, options.max_side, options.tasks)
    ways = [side for side in sides() if not options.few or side.name in FEW]
    for number, task in enumerate(tasks, start=1):
        ref = use = None
        if options.steps:
            adapter = fine_tune(model, task, steps=options.steps)
            ref, use = adapter.ref, partial(adapter.tuner.use_adapter, model.module)
        for side in ways:
            answer(side, model, task, ref, use)
        print(f"{number}/{len(tasks)} {task.id}", file=sys.stderr, flush=True)
    rows = []
    for side in ways:
        grids = [c for found in side.found.values() for c in found if c.grid is not None]
        rows.append(
            {
                "name": side.name,
                "tokens": side.tokens,
                "cpu_seconds": round(side.seconds, 1),
                "grids": len(grids),
                **{name: round(value, 1) for name, value in measured(side, tasks).items()},
                "vote_2 of one vote each": round(measured(side, tasks, True)["vote_2"], 1),
            }
        )
        print(json.dumps(rows[-1]))
    print(json.dumps({"arcflow": __version__, "tasks": len(tasks), "sides": rows}))


if __name__ == "__main__":
    main()
