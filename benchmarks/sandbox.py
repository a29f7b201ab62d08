"""Programs per second in warm workers, against a fresh process each and against no isolation.

    python benchmarks/sandbox.py

Small programs, each on 3 inputs, in the same run: warm sandbox workers whose processes run many
programs or one each; one fresh ``subprocess`` per program; ``exec`` with ``signal.alarm`` in this
process, which isolates nothing. Then what a
timeout costs beyond its limit. CPU time is printed beside wall time: on a machine that does
other work the first is what counts.
"""

import argparse
import json
import multiprocessing
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from arcflow.core.grid import Grid, make_grid
from arcflow.core.seeds import rng
from arcflow.sandbox import Grids, Limits, Sandbox, TimedOut
from arcflow.sandbox.pool import PER_PROCESS

PROGRAMS = (
    "def task(grid):\n    return np.rot90(grid)\n",
    "def task(grid):\n    result = grid.copy()\n    result[grid == 1] = 2\n    return result\n",
    "def task(grid):\n    out = grid.copy()\n    for r in range(out.shape[0]):\n"
    "        if (out[r] == out[r, 0]).all():\n            out[r] = 5\n    return out\n",
    "import numpy as np\ndef task(grid):\n    h, w = grid.shape\n    out = np.zeros((h, w), int)\n"
    "    for r in range(h):\n        out[r, :] = grid[h - 1 - r, :]\n    return out\n",
)
ALONE = """
import sys, numpy as np
exec(sys.stdin.read())
[task(grid) for grid in [np.zeros((9, 9), int)] * 3]
"""


def measure(
    name: str, programs: int, work: Callable[[], None], workers: Sequence[int] = ()
) -> float:
    """Programs/s by the wall clock; ``workers`` are processes whose CPU time counts too."""
    before, start = _cpu(workers), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - start, _cpu(workers) - before
    print(f"{name:42} {programs / wall:9.0f} programs/s {cpu / programs * 1e3:7.3f} ms CPU each")
    return programs / wall


def _cpu(workers: Sequence[int]) -> float:
    """Of this process, of the children it has waited for, and of running workers."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    for parser in workers:
        zygotes = Path(f"/proc/{parser}/task/{parser}/children").read_text().split()
        for pid in (parser, *zygotes):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return seconds


def fork_cost(times: int) -> float:
    """ms to fork a process with numpy that ends at once: what isolation by process must cost."""
    start = time.perf_counter()
    for _ in range(times):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return (time.perf_counter() - start) / times * 1e3


def in_process(programs: list[str], grids: list[Grid]) -> None:
    """``exec`` under ``signal.setitimer``: nothing is isolated."""

    def late(_: int, __: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    for text in programs:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        names: dict[str, Any] = {"np": np}
        exec(compile(text, "<program>", "exec"), names)
        for grid in (*grids, grids[0]):
            names["task"](grid.copy())
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def two_processes(programs: list[str], grids: list[Grid]) -> None:
    """The same on two cores."""
    context = multiprocessing.get_context("fork")
    halves = [context.Process(target=in_process, args=(programs[i::2], grids)) for i in range(2)]
    for half in halves:
        half.start()
    for half in halves:
        half.join()


def fresh(programs: list[str]) -> None:
    """Two at a time, each in a Python of its own."""
    for first, second in zip(programs[::2], programs[1::2], strict=True):
        both = [
            subprocess.Popen([sys.executable, "-c", ALONE], stdin=subprocess.PIPE, text=True)
            for _ in (first, second)
        ]
        for process, text in zip(both, (first, second), strict=True):
            process.communicate(text)


def timeouts(sandbox: Sandbox, grids: list[Grid], times: int, seconds: float) -> list[float]:
    """ms that a program that never ends costs beyond its limit, one call each."""
    costs = []
    for _ in range(times):
        start = time.perf_counter()
        (result,) = sandbox.run(
            ["def task(grid):\n    while True: pass\n"], [grids], Limits(seconds=seconds)
        )
        costs.append((time.perf_counter() - start - seconds) * 1e3)
        if not isinstance(result, TimedOut):
            raise RuntimeError(f"a program that never ends gave {result}")
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--programs", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    random = rng(0, "benchmark", 0)
    grids = [make_grid(random.integers(0, 10, (side, side))) for side in (5, 10, 15)]
    programs = [PROGRAMS[i % len(PROGRAMS)] for i in range(args.programs)]
    print(f"fork and exit of a process with numpy: {fork_cost(300):.2f} ms")
    few = programs[:20]
    subprocesses = measure(
        "one fresh subprocess per program, 2 at once", len(few), lambda: fresh(few)
    )
    measure("exec with signal.alarm, 1 process", len(programs), lambda: in_process(programs, grids))
    measure(
        "exec with signal.alarm, 2 processes", len(programs), lambda: two_processes(programs, grids)
    )
    with Sandbox(args.workers, Limits(seconds=5.0)) as sandbox:
        inputs = [grids] * len(programs)
        results = sandbox.run(programs[:100], inputs[:100])
        if not all(isinstance(result, Grids) for result in results):
            raise RuntimeError(f"a program of the benchmark fails: {results[:4]}")
        costs = timeouts(sandbox, grids, 10, 0.2)

        def rates(per_process: int) -> list[float]:
            return [
                measure(
                    f"sandbox, {args.workers} workers, {per_process} in a process",
                    len(programs),
                    lambda: sandbox.run(programs, inputs, per_process=per_process) and None,
                    [worker.process.pid for worker in sandbox.workers],
                )
                for _ in range(3)
            ]

        alone, shared = max(rates(1)), max(rates(PER_PROCESS))
    print(
        f"a timeout costs beyond its limit: median {statistics.median(costs):.1f} ms, "
        f"worst {max(costs):.1f} ms of {len(costs)}"
    )
    print(
        json.dumps(
            {
                "name": "sandbox",
                "value": round(shared),
                "unit": "programs/s",
                "against": "one fresh subprocess per program",
                "against_value": round(subprocesses, 1),
                "ratio": round(shared / subprocesses, 1),
                "one_in_a_process": round(alone),
                "timeout_ms": round(max(costs), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
