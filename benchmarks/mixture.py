"""How long a fit waits for its data: the share of wall time spent in next(loader).

`arcflow fit` with configs/quickstart.yaml and configs/mixture.yaml (all parts at once, the
embedded model), each run in a process of its own, with two loader workers and, beside it, with
none: what the trainer's process
then does itself is what the workers take from it. The first steps, in which workers start and
generators are loaded, are left out. The rounds alternate, and the median is taken, so that other
work on the machine strikes both alike.

    python benchmarks/mixture.py [--steps 150] [--rounds 3] [--config configs/mixture.yaml]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

WARM_UP = 30
"""Steps left out at the start."""


def measure(config: str, workers: int, steps: int) -> dict[str, float]:
    """One fit in this process: seconds a step, seconds of it waiting, tokens a second."""
    from arcflow.cli.lightning import run
    from arcflow.datamodules.streams.resumable_loader import TrainLoader

    waits: list[float] = []
    ends: list[float] = []
    tokens: list[int] = []
    batches = TrainLoader.__iter__

    def timed(loader: TrainLoader) -> Iterator[Any]:
        stream = batches(loader)
        while True:
            begin = time.perf_counter()
            batch = next(stream)
            ends.append(time.perf_counter())
            waits.append(ends[-1] - begin)
            tokens.append(batch["input_ids"].numel())
            yield batch

    TrainLoader.__iter__ = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        run(
            [
                "fit",
                f"--config={ROOT / 'configs' / 'quickstart.yaml'}",
                f"--config={config}",
                f"--trainer.default_root_dir={folder}",
                f"--trainer.max_steps={WARM_UP + steps + 1}",
                # Nothing but steps: no validation and no save among them.
                "--trainer.limit_val_batches=0",
                "--checkpoint.every_n_steps=0",
                "--trainer.enable_progress_bar=false",
                f"--data.workers={workers}",
            ]
        )
    # From the moment batch WARM_UP is there to the moment the last one is: whole steps.
    last = WARM_UP + steps
    wall = ends[last] - ends[WARM_UP]
    waited = sum(waits[WARM_UP + 1 : last + 1])
    return {
        "wall": wall / steps,
        "wait": waited / steps,
        "longest": max(waits[WARM_UP + 1 : last + 1]),
        "share": waited / wall,
        "tokens": sum(tokens[WARM_UP + 1 : last + 1]) / wall,
    }


def child(config: str, workers: int, steps: int) -> dict[str, float]:
    """:func:`measure` in a process of its own."""
    words = ["--config", config, "--steps", str(steps), "--one", str(workers)]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", default=str(ROOT / "configs" / "mixture.yaml"))
    parser.add_argument("--steps", type=int, default=150, help="steps that are measured")
    parser.add_argument("--rounds", type=int, default=3, help="fits of each kind")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.config, options.one, options.steps)))
        return
    found: dict[int, list[dict[str, float]]] = {0: [], 2: []}
    for number in range(options.rounds):
        for workers in found:
            one = child(options.config, workers, options.steps)
            found[workers].append(one)
            print(
                f"round {number + 1}, {workers} workers: {1e3 * one['wall']:6.1f} ms a step, "
                f"{1e3 * one['wait']:6.2f} ms of it waiting ({one['share']:.2%}), longest "
                f"{1e3 * one['longest']:.0f} ms, {one['tokens']:,.0f} tokens/s"
            )
    share = {w: statistics.median(one["share"] for one in ones) for w, ones in found.items()}
    print(
        json.dumps(
            {
                "name": "mixture",
                "value": round(share[2], 5),
                "unit": "share of a fit's wall time spent waiting for data, 2 workers",
                "against": "no workers: the trainer's process makes the samples",
                "against_value": round(share[0], 5),
                "ratio": round(share[2] / share[0], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
