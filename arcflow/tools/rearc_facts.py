"""``python -m arcflow.tools.rearc_facts``: measure the RE-ARC generators, or check their pairs."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from arcflow.core.task import Task
from arcflow.sources.rearc.backend import load_backend
from arcflow.sources.rearc.facts import TaskFacts, load_facts, write_facts
from arcflow.sources.rearc.measure import Check, check, measure
from arcflow.tools.run import check_number, run

Found = TypeVar("Found")


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after its name and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m arcflow.tools.rearc_facts",
        description="Measure the facts about RE-ARC's tasks (fixed colours, backgrounds, bad "
        "samples, times) and write them; or count what the tasks' verifiers accept of adapted "
        "pairs.",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the facts file to write")
    parser.add_argument(
        "--check",
        type=int,
        metavar="N",
        help="check N adapted prompts of each task instead, with the facts in use",
    )
    parser.add_argument(
        "--samples", type=int, default=60, help="pairs of a task to measure; default 60"
    )
    parser.add_argument("--ids", nargs="+", metavar="ID", help="these tasks only; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the samples; default 0")
    parser.add_argument("--processes", type=int, default=1, help="how many at once; default 1")
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    from arcflow.core.errors import ConfigError
    from arcflow.sources.arc import load_split

    for option, least in (("seed", 0), ("samples", 1), ("processes", 1), ("check", 1)):
        if getattr(options, option) is not None:
            check_number(f"--{option}", getattr(options, option), least)
    if (options.check is None) == (options.output is None):
        raise ConfigError(
            "nothing to do, or two things",
            value=None,
            expected="either --output or --check",
            next_step="Give one of them.",
        )
    tasks = [
        task
        for task in load_split("arc-agi-1/training")
        if options.ids is None or task.id in options.ids
    ]
    load_backend("reasoning-gym")  # so that its absence is reported once, here
    if options.check is None:
        facts = dict(_each(partial(_measure, options.samples, options.seed), tasks, options))
        write_facts(Path(options.output), facts)
        return
    report(dict(_each(partial(_check, options.check, options.seed), tasks, options)))


def _measure(samples: int, seed: int, task: Task) -> tuple[str, TaskFacts]:

    known = load_facts().get(task.id)
    return task.id, measure(load_backend("reasoning-gym"), task, samples, seed, known)


def _check(prompts: int, seed: int, task: Task) -> tuple[str, Check]:

    facts = load_facts()[task.id]
    return task.id, check(load_backend("reasoning-gym"), task.id, facts, prompts, seed=seed)


def _each(
    work: Callable[[Task], Found], tasks: Sequence[Task], options: argparse.Namespace
) -> Iterator[Found]:
    """Yield the work's result for every task, with a count on stderr."""
    with ProcessPoolExecutor(options.processes) as pool:
        for number, found in enumerate(pool.map(work, tasks, chunksize=4), start=1):
            if number % 20 == 0 or number == len(tasks):
                print(f"{number} of {len(tasks)} tasks", file=sys.stderr)
            yield found


def report(checks: dict[str, Check]) -> None:
    """Print what was counted, and every task that stands out.

    Args:
        checks: The counts by task id.
    """
    facts = load_facts()
    total = {
        name: sum(getattr(found, name) for found in checks.values())
        for name in ("pairs", "accepted", "plain_pairs", "plain_accepted", "lost")
    }
    black = [task_id for task_id in checks if facts[task_id].background == 0]
    done = [i for i in black if checks[i].background == checks[i].pairs]
    print(f"adapted pairs: {total['pairs']}, accepted {total['accepted'] / total['pairs']:.2%}")
    print(
        f"same difficulty, not adapted: {total['plain_pairs']}, accepted "
        f"{total['plain_accepted'] / total['plain_pairs']:.2%}"
    )
    print(f"accepted before colours were exchanged, not after: {total['lost']}")
    print(f"originals with a black background: {len(black)}, adapted in all pairs: {len(done)}")
    print(f"  others: {' '.join(i for i in black if i not in done)}")
    print("tasks with lost pairs, or accepted less often than their pairs not adapted:")
    for task_id, found in checks.items():
        share, plain = found.accepted / found.pairs, found.plain_accepted / found.plain_pairs
        noise = 3 * ((plain * (1 - plain) + share * (1 - share)) / found.pairs) ** 0.5
        if found.lost or share < plain - noise:
            print(f"  {task_id}: {share:.1%} against {plain:.1%}, lost {found.lost}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
