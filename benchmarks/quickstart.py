"""Processor time of the quickstart's training and evaluation, this version against another.

    python benchmarks/quickstart.py [--base CHECKOUT] [--seeds 0 1 2] [--output FILE]

Runs the commands ``arcflow fit`` and ``arcflow validate`` that the Makefile of each version has
for ``make quickstart``, for every seed with both versions in turns, and counts the seconds of
processor time (user and system) of each command with everything that it starts. What was solved
with test-time fine-tuning is printed beside them: a faster quickstart must not solve less. Without
--base this version alone is measured.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ("accuracy", "pass_n", "vote_1", "vote_2", "kaggle")


def processor_seconds(checkout: Path, words: list[str]) -> float:
    """Run one command of a checkout; user and system time of it and of its children."""
    command = [sys.executable, "-m", "arcflow", *words, "--trainer.enable_progress_bar=false"]
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime


def commands(checkout: Path) -> dict[str, list[str]]:
    """The words of ``arcflow fit`` and ``arcflow validate`` in a checkout's Makefile, by name."""
    recipe = (checkout / "Makefile").read_text().partition("\nquickstart: ")[2].partition("\n\n")[0]
    lines = [shlex.split(line)[1:] for line in recipe.splitlines() if "/arcflow " in line]
    return {words[0]: words for words in lines if words[0] in ("fit", "validate")}


def quickstart(checkout: Path, seed: int) -> dict[str, Any]:
    """Seconds of both commands, and the table of the evaluation."""
    with tempfile.TemporaryDirectory(prefix="quickstart-") as folder:
        more = [f"--seed_everything={seed}", f"--trainer.default_root_dir={folder}"]
        words = commands(checkout)
        fit = processor_seconds(checkout, [*words["fit"], *more])
        validate = processor_seconds(checkout, [*words["validate"], *more])
        table = json.loads((Path(folder) / "validate.results.json").read_text())
    return {"seed": seed, "fit": round(fit, 1), "validate": round(validate, 1), "table": table}


def line(name: str, run: dict[str, Any]) -> str:
    """One run in words: seconds, and percent of what was evaluated with test-time fine-tuning."""
    solved = run["table"]["variants"]["ttft"]
    shown = ", ".join(f"{metric} {100 * solved[metric]:.1f}" for metric in SHOWN)
    return (
        f"seed {run['seed']} {name:7} fit {run['fit']:6.1f} s, validate {run['validate']:6.1f} s; "
        f"{shown}, loss {solved['loss']:.4f}"
    )


def summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The mean seconds of both commands, of this version and of the one before."""
    seconds = {
        name: sum(run["fit"] + run["validate"] for run in runs) / len(runs)
        for name, runs in found.items()
    }
    result: dict[str, Any] = {
        "name": "quickstart, fit and validate",
        "value": round(seconds["now"], 1),
        "unit": "s of processor time",
    }
    if "before" in seconds:
        result |= {
            "against": "before",
            "against_value": round(seconds["before"], 1),
            "ratio": round(seconds["now"] / seconds["before"], 3),
        }
    return result


def main() -> None:
    """Measure, print, and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--base", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=Path, help="a JSON file for all figures")
    options = parser.parse_args()
    versions = {"now": ROOT} | ({"before": options.base.resolve()} if options.base else {})
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in versions}
    for seed in options.seeds:
        for name, checkout in versions.items():
            found[name].append(quickstart(checkout, seed))
            print(line(name, found[name][-1]), flush=True)
            if options.output:
                options.output.write_text(json.dumps(found, indent=1))
    print(json.dumps(summary(found)))


if __name__ == "__main__":
    main()
