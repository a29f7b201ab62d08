"""``arcflow study rearc-distribution``: compare RE-ARC's inputs, raw and adapted, with ARC's."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from arcflow.core.compare import Sets, compare
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.sources.arc import load_split
from arcflow.sources.rearc.source import ReARC
from arcflow.tools.distribution import summary, write_report
from arcflow.tools.run import check_number, run


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after its name and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow study rearc-distribution",
        description="Compare the inputs of RE-ARC's generators, as published and adapted, with "
        "the original tasks' inputs: background, colours, sides, objects, tokens. Writes "
        "summary.md, tasks.csv, distribution.png, and worst.png with the twenty tasks whose "
        "adapted inputs are farthest off.",
    )
    parser.add_argument(
        "--prompts", type=int, default=8, metavar="N", help="prompts a task; default: %(default)s"
    )
    parser.add_argument("--ids", metavar="ID,...", help="these tasks only")
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    parser.add_argument(
        "--output",
        default="runs/studies/rearc-distribution",
        metavar="DIR",
        help="folder of the report; default: %(default)s",
    )
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    check_number("--prompts", options.prompts, 1)
    check_number("--seed", options.seed, 0)
    ids = tuple(options.ids.split(",")) if options.ids else ()
    adapted = ReARC(ids)
    generated = ReARC(ids, difficulty=(0.0, 1.0), background=False, roles=False)
    chosen = {task.id for task in adapted.base_tasks()}
    prompts: dict[str, dict[str, list[Task]]] = {
        "original": {t.id: [t] for t in load_split("arc-agi-1/training") if t.id in chosen}
    }
    for name, source in (("generated", generated), ("adapted", adapted)):
        prompts[name] = _draw(source, options.prompts, options.seed, name)
    sets: Sets = {
        name: {task_id: list(_inputs(tasks)) for task_id, tasks in found.items()}
        for name, found in prompts.items()
    }
    found = compare(sets, "original")
    common = " | ".join(f"{_common_colors(prompts[name]):.2f}" for name in found.sets)
    text = summary(found) + f"| colours in all inputs of a prompt | {common} |\n"
    title = f"RE-ARC inputs of {len(found.ids)} tasks, {options.prompts} prompts each"
    files = write_report(found, sets, title, Path(options.output), {"summary.md": text})
    print(text)
    print("out:", ", ".join(map(str, files)))


def _draw(source: ReARC, prompts: int, seed: int, name: str) -> dict[str, list[Task]]:
    """Return the tasks of so many passes over a source, by the original's id."""
    drawn: dict[str, list[Task]] = {}
    places = range(prompts * len(source))
    for index in track(places, f"{name} prompts", console=Console(stderr=True)):
        task = source.task(seed, index)
        drawn.setdefault(task.id.split("-")[-2], []).append(task)
    return drawn


def _inputs(tasks: Sequence[Task]) -> Iterator[Grid]:
    for task in tasks:
        for pair in (*task.train, *task.test):
            yield pair.input


def _common_colors(found: dict[str, list[Task]]) -> float:
    """Return the mean over prompts of the number of colours that every input has."""
    counts = []
    for tasks in found.values():
        for task in tasks:
            colors = [set(np.unique(grid).tolist()) for grid in _inputs([task])]
            counts.append(len(set.intersection(*colors)))
    return float(np.mean(counts))
