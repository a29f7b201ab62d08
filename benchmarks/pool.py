"""Pairs a second that a pool serves, against the generator it was built from.

A pool of ReARC's tasks over all 400 generators, at its defaults, is built, and tasks of four train
pairs and a test pair are drawn from it on one core; so are tasks of ReARC itself, in the same run.
Rates count this process's CPU time. The first pass checks the checksum of every block; "with
cells read" copies every grid's cells too, as whoever encodes them does.

    python benchmarks/pool.py [--tasks 8000] [--generated 1600] [--processes 2]
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent.parent))

from arcflow.sources.base import Source
from arcflow.sources.pool.build import build_pool
from arcflow.sources.pool.source import PoolSource
from arcflow.sources.rearc.source import ReARC

REPEATS = 5
PAIRS = 4


def rate(source: Source, seed: int, start: int, n: int, read: bool = False) -> float:
    """Pairs a second over tasks ``start`` .. ``start + n - 1``."""
    pairs, begin = 0, time.process_time()
    for index in range(start, start + n):
        task = source.task(seed, index)
        pairs += len(task.train) + len(task.test)
        if read:
            for grid in task.grids():
                grid.tobytes()
    return pairs / (time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=8000, help="in the pool")
    parser.add_argument("--generated", type=int, default=1600, help="drawn from the generators")
    parser.add_argument("--processes", type=int, default=2, help="that build the pool")
    options = parser.parse_args()

    generator = ReARC(pairs=PAIRS)
    generator.task(1, 0)
    generated = max(rate(generator, 1, i * options.generated, options.generated) for i in range(2))
    print(f"ReARC itself: {generated:,.0f} pairs/s")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rearc.pool"
        begin = time.perf_counter()
        built = build_pool(path, ReARC(pairs=7), options.tasks, processes=options.processes)
        seconds = time.perf_counter() - begin
        print(
            f"building with {options.processes} processes: {built.pairs / seconds:,.0f} pairs/s by "
            f"the clock; {built.tasks:,} tasks, {built.pairs:,} pairs, {built.bytes / 1e6:.1f} MB"
        )
        begin = time.process_time()
        pool = PoolSource(str(path), pairs=PAIRS)
        print(f"opening: {1000 * (time.process_time() - begin):.1f} ms")
        n = len(pool)
        print(f"first pass, checking: {rate(pool, 0, 0, n):,.0f} pairs/s")
        passes = range(1, 1 + REPEATS)
        served = sorted(rate(pool, 0, visit * n, n) for visit in passes)[REPEATS // 2]
        read = sorted(rate(pool, 0, visit * n, n, read=True) for visit in passes)[REPEATS // 2]
        print(f"later passes: {served:,.0f} pairs/s; with cells read {read:,.0f} (medians)")
    print(
        json.dumps(
            {
                "name": "pool",
                "value": round(served),
                "unit": "pairs/s",
                "against": "ReARC, the source the pool was built from",
                "against_value": round(generated),
                "ratio": round(served / generated, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
