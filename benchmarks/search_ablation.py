"""How many training tasks search solves without each of its parts.

    python benchmarks/search_answers.py runs/search/whole.jsonl --every 4
    python benchmarks/search_answers.py runs/search/depth-1.jsonl --every 4 --depth 1
    python benchmarks/search_answers.py runs/search/no-lists.jsonl --every 4 --no-lists
    python benchmarks/search_ablation.py runs/search/whole.jsonl \
        --depth-1 runs/search/depth-1.jsonl --no-lists runs/search/no-lists.jsonl

A task counts as solved if every test output is right within two attempts. Each part is compared on
the tasks of which both results are known; ``--failures`` lists the tasks that are not solved.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search_calibration import ranked, read_tasks

Keep = Callable[[dict[str, Any], dict[str, Any]], bool]
"""Whether a stack of a view counts."""

PARTS: dict[str, Keep] = {
    "stacking: one piece as a whole": lambda _, row: row["single"],
    "subsets of the train pairs": lambda _, row: row["sought"] == 1,
    "roles of colours": lambda view, _: view["roles"] is None,
}


def left(task: dict[str, Any], keep: Keep) -> dict[str, Any]:
    """Return a task with only the stacks that count."""
    views = [
        {**view, "tests": [[row for row in rows if keep(view, row)] for rows in view["tests"]]}
        for view in task["views"]
    ]
    return {**task, "views": views}


def is_solved(task: dict[str, Any], twins: bool = False) -> bool:
    """Return whether every test output is right within two attempts."""
    return all(
        any(row["right"] for row in ranked(task, test, twins)[:2])
        for test in range(len(task["views"][0]["tests"]))
    )


def seconds(task: dict[str, Any], twins: bool = False) -> float:
    """Return the processor time of a task's views."""
    return sum(view["seconds"] for view in task["views"] if twins or not view["twins"])


def show(name: str, full: list[bool], without: list[bool], cost: float) -> None:
    """Print one row of the table."""
    gained = sum(b and not a for a, b in zip(full, without, strict=True))
    print(f"| {name} | {len(full)} | {sum(full)} | {sum(without)} | {gained} | {cost:.0%} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("whole", type=Path)
    parser.add_argument("--depth-1", type=Path)
    parser.add_argument("--no-lists", type=Path)
    parser.add_argument("--failures", action="store_true", help="list the tasks not solved")
    options = parser.parse_args()
    tasks = {task["task"]: task for task in read_tasks(options.whole)}
    print("| without | tasks | solved with it | without it | only without it | time left |")
    total = sum(map(seconds, tasks.values()))
    full = [is_solved(task) for task in tasks.values()]
    for name, keep in PARTS.items():
        rest = [left(task, keep) for task in tasks.values()]
        plain = sum(seconds({"views": [v for v in t["views"] if not v["roles"]]}) for t in rest)
        cost = plain / total if name.startswith("roles") else 1.0
        show(name, full, [is_solved(task) for task in rest], cost)
    for name, path in (("second step", options.depth_1), ("lists of objects", options.no_lists)):
        if path:
            others = [other for other in read_tasks(path) if other["task"] in tasks]
            own = [tasks[other["task"]] for other in others]
            cost = sum(map(seconds, others)) / sum(map(seconds, own))
            show(name, [is_solved(t) for t in own], [is_solved(t) for t in others], cost)
    twins = [t for t in tasks.values() if any(view["twins"] for view in t["views"])]
    if twins:
        cost = sum(map(seconds, twins)) / sum(seconds(task, True) for task in twins)
        show("twins", [is_solved(t, True) for t in twins], [is_solved(t) for t in twins], cost)
    if options.failures:
        print(*sorted(name for name, task in tasks.items() if not is_solved(task)))


if __name__ == "__main__":
    main()
