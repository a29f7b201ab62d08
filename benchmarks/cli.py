"""How long the command line takes to answer, beside another checkout of it.

Each command is a new process. The two checkouts take turns, so that what else the machine does
meets both; what counts is the ratio of the medians.

    python benchmarks/cli.py --base ../arcflow-before
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CASES = {
    "arcflow --help": ["--help"],
    "fit --help": ["fit", "--help"],
    "refused option": ["fit", "--trainer.max_stepz=3"],
    "missing config": ["fit", "-c", "nowhere.yaml"],
}


def seconds(checkout: Path, words: list[str], folder: str) -> float:
    environ = os.environ | {"PYTHONPATH": str(checkout)}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "arcflow", *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - begin
    expected = 0 if "--help" in words else 2
    if done.returncode != expected or "Traceback" in done.stderr:
        raise SystemExit(f"{checkout}: {words} ended with {done.returncode}: {done.stderr[-500:]}")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, required=True, help="the other checkout's folder")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; default: 5")
    options = parser.parse_args()
    checkouts = {"this": ROOT, "base": options.base.resolve()}
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, words in CASES.items():
            for checkout in checkouts.values():  # the first run reads files from the disk
                seconds(checkout, words, folder)
            times: dict[str, list[float]] = {which: [] for which in checkouts}
            for i in range(options.repeats):
                order = list(checkouts.items())[:: 1 if i % 2 else -1]
                for which, checkout in order:
                    times[which].append(seconds(checkout, words, folder))
            median = {which: statistics.median(all_) for which, all_ in times.items()}
            ratio = median["this"] / median["base"]
            result[name] = {
                "this_s": round(median["this"], 3),
                "base_s": round(median["base"], 3),
                "this_range_s": [round(min(times["this"]), 3), round(max(times["this"]), 3)],
                "base_range_s": [round(min(times["base"]), 3), round(max(times["base"]), 3)],
                "ratio": round(ratio, 3),
            }
            print(f"{name}: {median['this']:.2f} s, base {median['base']:.2f} s: {ratio:.3f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
