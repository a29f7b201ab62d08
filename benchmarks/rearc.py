"""Pairs a second of RE-ARC, adapted to the originals, on one core over all 400 tasks.

Compared in the same run with the generators as they are: the package's functions called with a
`random.Random` of their own at their own difficulty, 0 to 1, nothing adapted and nothing checked.
Rates count this process's CPU time, so that other work on the machine does not blur them.

    python benchmarks/rearc.py [--rounds 3] [--prompts 3] [--slowest 0]
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from arcflow.sources.rearc.backend import load_backend
from arcflow.sources.rearc.source import ReARC

PAIRS = 4
"""Of a prompt: three train pairs and a test pair."""


def adapted_seconds(sources: dict[str, ReARC], round_: int, prompts: int) -> dict[str, float]:
    """Seconds of each task."""
    found = {}
    for task_id, source in sources.items():
        started = time.process_time()
        for index in range(prompts):
            source.task(round_, index)
        found[task_id] = time.process_time() - started
    return found


def plain_seconds(difficulty: float, round_: int, prompts: int) -> dict[str, float]:
    """Seconds of each task's generator alone; a pair that raises counts as one."""
    found = {}
    for task_id, generate in load_backend("reasoning-gym").generators.items():
        started = time.process_time()
        for number in range(prompts * PAIRS):
            try:
                generate(random.Random(f"{round_} {task_id} {number}"), 0.0, difficulty)
            except (IndexError, ValueError, KeyError, TypeError, RuntimeError) as error:
                print(f"{task_id}: {error!r}", file=sys.stderr)
        found[task_id] = time.process_time() - started
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="the three ways in turn, this often")
    parser.add_argument("--prompts", type=int, default=3, help="of each task in a round")
    parser.add_argument(
        "--slowest", type=int, default=0, help="name this many of the slowest tasks"
    )
    options = parser.parse_args()
    sources = {i: ReARC(ids=[i], pairs=PAIRS - 1) for i in load_backend("reasoning-gym").generators}
    # A generator's source is read once a process; a training run makes millions of pairs.
    adapted_seconds(sources, 10**6, 1)
    ways: dict[str, Callable[[int], dict[str, float]]] = {
        "adapted": lambda round_: adapted_seconds(sources, round_, options.prompts),
        "plain, difficulty 0 to 0.4": lambda round_: plain_seconds(0.4, round_, options.prompts),
        "plain, difficulty 0 to 1": lambda round_: plain_seconds(1.0, round_, options.prompts),
    }
    spent = {way: dict.fromkeys(sources, 0.0) for way in ways}
    for round_ in range(options.rounds):
        for way, run in ways.items():
            for task_id, seconds in run(round_).items():
                spent[way][task_id] += seconds
    pairs = len(sources) * options.rounds * options.prompts * PAIRS
    rates = {way: pairs / sum(seconds.values()) for way, seconds in spent.items()}
    for way, rate in rates.items():
        slow = sorted(spent[way].values(), reverse=True)[:10]
        share = sum(slow) / sum(spent[way].values())
        print(f"{way:28} {rate:8.0f} pairs/s, {share:4.0%} of the time in the ten slowest tasks")
        for task_id in sorted(spent[way], key=lambda i: -spent[way][i])[: options.slowest]:
            each = 1000 * spent[way][task_id] / (pairs / len(sources))
            print(f"    {task_id} {each:8.2f} ms a pair")
    ours, theirs = rates["adapted"], rates["plain, difficulty 0 to 1"]
    result = {
        "name": "rearc",
        "value": round(ours),
        "unit": "pairs/s",
        "against": "the generators as they are, difficulty 0 to 1",
        "against_value": round(theirs),
        "ratio": round(ours / theirs, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
