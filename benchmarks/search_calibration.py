"""Fit the confidence of search's answers on half A of the training tasks, and check it on half B.

    python benchmarks/search_answers.py runs/search/whole.jsonl --no-twins
    python benchmarks/search_calibration.py runs/search/whole.jsonl --plot docs/images/search.png

Prints the weights for ``arcflow/search/calibration.py``, a table of confidence against how often
answers were right, and the Brier score; ``--plot`` draws both halves.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.search.calibration import BIAS, WEIGHTS, confidence_of, evidence_of, features
from arcflow.search.ranking import MAX_ANSWERS

BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


def read_tasks(path: Path) -> list[dict[str, Any]]:
    """Return what search_answers.py wrote of each task."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def ranked(task: dict[str, Any], test: int, twins: bool = False) -> list[dict[str, Any]]:
    """Return the distinct answers to one test input, as the solver ranks them."""
    views = [view for view in task["views"] if twins or not view["twins"]]
    rows = [row for view in views for row in view["tests"][test]]
    best: dict[int, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (-row["fitted"], row["cost"])):
        best.setdefault(row["answer"], row)
    return list(best.values())[:MAX_ANSWERS]


def examples(tasks: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Any, bool]]:
    """Yield half, evidence and outcome of each answer."""
    for task in tasks:
        for test in range(len(task["views"][0]["tests"])):
            rows = ranked(task, test)
            stacks = [(row["fitted"], row["cost"], row["layers"]) for row in rows]
            for row, evidence in zip(rows, evidence_of(stacks), strict=True):
                yield task["half"], evidence, row["right"]


def fit(x: NDArray[Any], y: NDArray[Any]) -> tuple[float, tuple[float, ...]]:
    """Return bias and weights of a logistic regression over standardised features."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = x.mean(0), x.std(0)
    model = LogisticRegression(C=1.0, max_iter=5000).fit((x - mean) / scale, y)
    weights = model.coef_[0] / scale
    bias = float(model.intercept_[0] - weights @ mean)
    return round(bias, 2), tuple(round(float(weight), 2) for weight in weights)


def reliability(sure: NDArray[Any], right: NDArray[Any]) -> Iterator[tuple[int, float, float]]:
    """Yield number, mean confidence and share of right ones of the answers in each bin."""
    for low, high in itertools.pairwise(BINS):
        chosen = (sure >= low) & ((sure < high) | (high == 1.0))
        if chosen.any():
            yield int(chosen.sum()), float(sure[chosen].mean()), float(right[chosen].mean())
        else:
            yield 0, np.nan, np.nan


def plot(path: Path, halves: dict[str, tuple[NDArray[Any], NDArray[Any]]]) -> None:
    """Draw the share of right answers over their confidence, with 68 % intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    panel.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for half, color in (("A", "tab:blue"), ("B", "tab:red")):
        bins = [row for row in reliability(*halves[half]) if row[0]]
        n, mean, share = (np.array(column) for column in zip(*bins, strict=True))
        error = np.sqrt(mean * (1 - mean) / n)
        label = f"half {half}" + (", fitted" if half == "A" else ", held out")
        panel.errorbar(mean, share, error, marker="o", capsize=3, color=color, label=label)
    panel.set_ylim(-0.03, 1.03)
    panel.set_xlabel("confidence")
    panel.set_ylabel("share of right answers")
    panel.legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("answers", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    tasks = read_tasks(options.answers)
    rows = list(examples(tasks))
    half = np.array([row[0] for row in rows])
    x = np.array([features(row[1]) for row in rows])
    y = np.array([row[2] for row in rows])
    bias, weights = fit(x[half == "A"], y[half == "A"])
    print(f"{len(tasks)} tasks: BIAS = {bias}, WEIGHTS = {weights}; in use: {BIAS}, {WEIGHTS}")
    sure = np.array([confidence_of(row[1]) for row in rows])
    halves = {name: (sure[half == name], y[half == name]) for name in "AB"}
    print("| confidence | half A: answers | mean | right | half B: answers | mean | right |")
    both = zip(*(reliability(*halves[name]) for name in "AB"), strict=True)
    for (low, high), (a, b) in zip(itertools.pairwise(BINS), both, strict=True):
        cells = " | ".join(f"{n} | {mean:.1%} | {share:.1%}" for n, mean, share in (a, b))
        print(f"| {low:.0%} to {high:.0%} | {cells} |")
    for name, (of, right) in halves.items():
        mean = right.mean()
        print(f"half {name}: Brier {((of - right) ** 2).mean():.4f}, mean {mean * (1 - mean):.4f}")
    if options.plot:
        plot(options.plot, halves)


if __name__ == "__main__":
    main()
