#!/usr/bin/env bash
# reasoning-gym 0.1.25: the right answer to a saved ARC task is scored as wrong.
#
# Guess before running: a data set's entries are plain dictionaries of texts and numbers, so they
# can be written to a file of JSON lines, read again, and score_answer gives the entry's own answer
# 1.0 as it did before.
# Seen: it gives 0.05, what a grid that is wrong gets. The true grid stands in the metadata as tuples
# of tuples; JSON makes lists of them, and a tuple is never equal to a list. "arc_agi" and "rearc"
# do the same; of "arc_1d", which compares texts, the answer is still right.
#
# Exits 0 if this behaviour is seen, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check reasoning-gym==0.1.25
cd "$work"
cat > reward.py <<'PY'
import json
import sys
from importlib.metadata import version

import reasoning_gym

seen = {}
for name in ("arc_agi", "rearc", "arc_1d"):
    data = reasoning_gym.create_dataset(name, seed=0, size=5)
    fresh = [data.score_answer(item["answer"], item) for item in data]
    read = [json.loads(json.dumps(item)) for item in data]
    saved = [data.score_answer(item["answer"], item) for item in read]
    seen[name] = (fresh, saved)
    print(f"{name}: as made {fresh}, after JSON {saved}")
print("reasoning-gym", version("reasoning-gym"))
expected = {"arc_agi": 0.05, "rearc": 0.05, "arc_1d": 1.0}
same = all(seen[k] == ([1.0] * 5, [v] * 5) for k, v in expected.items())
sys.exit(0 if same else 1)
PY
"$work/venv/bin/python" reward.py
