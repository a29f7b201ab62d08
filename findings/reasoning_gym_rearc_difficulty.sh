#!/usr/bin/env bash
# reasoning-gym 0.1.25: the difficulty of its RE-ARC tasks is the test pair's alone.
#
# Guess before running: rng_difficulty_ranges says how hard a whole task is, so with a range of
# 0.9 to 1.0 all of its pairs are drawn from there and their grids are larger.
# Seen: only the test pair is. The train pairs are always drawn from diff_lb to diff_ub, 0 to 0.2
# unless set, in another option that has no range of its own in the curriculum. A task that was
# asked for as hard shows three to five easy pairs and asks for a hard one.
#
# Exits 0 if this behaviour is seen, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check reasoning-gym==0.1.25
cd "$work"
cat > difficulty.py <<'PY'
import re
import sys
from importlib.metadata import version

import reasoning_gym


def cells(low, high, n=60):
    """Return the mean number of input cells of train pairs, and of test pairs."""
    data = reasoning_gym.create_dataset(
        "rearc", seed=1, size=n, rng_difficulty_ranges=[(low, high)], rng_difficulty_weights=[1],
        pso_difficulty_ranges=[(0, 1)], pso_difficulty_weights=[1],
    )
    train, test = [], []
    for item in data:
        inputs = re.findall(r"Input:\n((?:[0-9 ]+\n)+)", item["question"])
        sizes = [len(grid.split()) for grid in inputs]
        train += sizes[:-1]
        test.append(sizes[-1])
    return sum(train) / len(train), sum(test) / len(test)


easy, hard = cells(0.0, 0.1), cells(0.9, 1.0)
print("reasoning-gym", version("reasoning-gym"), "mean input cells (train pairs, test pair)")
for name, (train, test) in {"difficulty 0.0 to 0.1": easy, "difficulty 0.9 to 1.0": hard}.items():
    print(f"{name}: {train:.0f}, {test:.0f}")
sys.exit(0 if hard[1] > 2 * easy[1] and hard[0] < 1.5 * easy[0] else 1)
PY
"$work/venv/bin/python" difficulty.py
