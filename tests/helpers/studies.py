"""A study whose runs are stand-ins: its folder, running it, and what it leaves."""

import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from arcflow.studies import command as study
from arcflow.studies import runner as study_runs

# Stands in for `python -m arcflow`: notes that it ran, and leaves what a run leaves.
CHILD = """
import json, pathlib, sys, time
words = sys.argv[1:]
option = {w.split("=")[0]: w.partition("=")[2] for w in words if w.startswith("--")}
root = pathlib.Path(option["--trainer.default_root_dir"])
with open("calls.txt", "a") as calls:
    calls.write(json.dumps(words) + "\\n")
time.sleep(float(option.get("--sleep", 0)))
if option.get("--fail") == "true":
    print("loading\\n\\nthe model broke")
    sys.exit(3)
if words[0] == "fit":
    (root / "checkpoints").mkdir(exist_ok=True)
    (root / "checkpoints" / "last.ckpt").write_text("")
elif option.get("--silent") != "true":
    assert pathlib.Path(option["--ckpt_path"]).is_file()
    steps, seed = int(option.get("--steps", 4)), int(option["--seed_everything"])
    values = {"loss": 2.0 - 0.1 * steps + 0.01 * seed, "accuracy": 0.05 * steps + 0.02 * seed}
    variant = "baseline" if steps == 0 else "ttft"
    found = {"variants": {variant: values}, "tasks": 3}
    if variant == "ttft":
        found["variants"] = {"baseline": {"loss": 9.0, "accuracy": 0.0}, **found["variants"]}
    (root / "validate.results.json").write_text(json.dumps(found))
"""

STUDY: dict[str, Any] = {
    "title": "A study [of nothing]",
    "seeds": [0, 1],
    "columns": ["loss", "accuracy"],
    "stages": {
        "fit": {"command": "fit", "configs": ["base.yaml"]},
        "validate": {
            "command": "validate",
            "configs": ["base.yaml", "more.yaml"],
            "checkpoint": "fit",
            "options": {"compare": False},
        },
    },
    "rows": {
        "baseline": {"label": "no steps", "validate": {"steps": 0}},
        "four": None,
        "eight": {"label": "eight steps", "validate": {"steps": "x2"}},
    },
}


@pytest.fixture(name="here")
def study_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study, its configs and the stand-in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "child.py").write_text(CHILD)
    (tmp_path / "base.yaml").write_text("lr: 3.0e-3\ndata:\n  class_path: D\n  init_args: {n: 1}\n")
    (tmp_path / "more.yaml").write_text("steps: 4\n")
    monkeypatch.setattr(study_runs, "ARCFLOW", (sys.executable, "-S", str(tmp_path / "child.py")))
    monkeypatch.setattr(study, "_LOOK", 0.01)
    write(STUDY)
    return tmp_path


def write(obj: object) -> None:
    Path("s.yaml").write_text(yaml.safe_dump(obj, sort_keys=False))


def changed(*path: str, value: Any) -> dict[str, Any]:
    """STUDY with another value at a path."""
    obj: dict[str, Any] = json.loads(json.dumps(STUDY))
    inner = obj
    for name in path[:-1]:
        inner = inner[name]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return obj


def run(*words: str) -> int:
    return study.main(["s.yaml", "--output", "out", *words])


def calls() -> list[list[str]]:
    path = Path("calls.txt")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def roots(command: str) -> list[str]:
    """The folders of the runs that were started, in order, without the study's own."""
    return [
        word.removeprefix("--trainer.default_root_dir=out/")
        for words in calls()
        for word in words
        if words[0] == command and word.startswith("--trainer.default_root_dir=")
    ]


def lines() -> list[dict[str, str]]:
    with Path("out/study.csv").open() as file:
        return list(csv.DictReader(file))


def starting(*rows: str, **options: Any) -> dict[str, Any]:
    """STUDY with a stage "count" before its fit, and rows that start from it."""
    obj = changed("rows", value={"scratch": {}, **dict.fromkeys(rows)})
    count = {"command": "fit", "configs": ["base.yaml"], "options": {"count": True}}
    obj["stages"] = {"count": count, **obj["stages"]}
    for i, row in enumerate(rows):
        obj["rows"][row] = {"start": "count", "validate": {"steps": 5 + i}}
    for path, value in options.items():
        obj["rows"][rows[0]][path] = value
    return obj


def wait(what: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)
