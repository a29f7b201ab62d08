"""Studies: what is run once, what is shared, what survives a kill, and what the table says."""

import csv
import errno
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core import files
from arcflow.core.errors import DataError
from arcflow.tools import study, study_folder, study_runs
from arcflow.tools.option_tree import copied, flat, get, merge, put
from arcflow.tools.study_file import find_study, read_study
from arcflow.tools.study_plan import plan
from arcflow.tools.study_report import Spread, read_result
from arcflow.tools.study_runs import Progress

ROOT = Path(__file__).parent.parent

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
    variant = "frozen" if steps == 0 else "tuned"
    found = {"variants": {variant: values}, "tasks": 3}
    if variant == "tuned":
        found["variants"] = {"frozen": {"loss": 9.0, "accuracy": 0.0}, **found["variants"]}
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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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


# ---- what is run


def test_each_row_is_run_with_each_seed_and_equal_fits_once(here: Path) -> None:
    assert run() == 0
    assert len(roots("fit")) == 2
    assert len({root.split("/seed")[0] for root in roots("fit")}) == 1
    assert roots("validate") == [
        f"rows/{row}/seed-{seed}" for seed in (0, 1) for row in ("baseline", "four", "eight")
    ]
    [eight] = [
        words for words in calls() if "--trainer.default_root_dir=out/rows/eight/seed-1" in words
    ]
    fit = roots("fit")[1]
    assert eight == [
        "validate",
        *("-c", "base.yaml", "-c", "more.yaml"),
        *("--compare=false", "--steps=8", "--seed_everything=1"),
        "--trainer.default_root_dir=out/rows/eight/seed-1",
        f"--ckpt_path=out/{fit}/checkpoints/last.ckpt",
        "--trainer.enable_progress_bar=false",
    ]


def test_a_row_that_changes_the_fit_gets_its_own(here: Path) -> None:
    rows = {**STUDY["rows"], "lr": {"fit": {"lr": "x0.3"}}, "n": {"fit": {"data.n": 2}}}
    write(changed("rows", value=rows))
    assert run("--seeds", "0") == 0
    assert len(roots("fit")) == 3
    assert [w for words in calls() for w in words if "lr=" in w or "n=2" in w] == [
        "--lr=0.0009",
        "--data.n=2",
    ]


def test_what_is_done_is_not_done_again(here: Path, capsys: Any) -> None:
    assert run() == 0
    first, table = calls(), capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in Path("out/rows").rglob("*.json")}
    assert run() == 0
    assert calls() == first
    assert {path: path.stat().st_mtime_ns for path in before} == before
    again = capsys.readouterr().out
    assert again[again.index("A study") :] == table[table.index("A study") :]


def test_changed_arguments_are_done_again_and_said(here: Path, capsys: Any) -> None:
    assert run() == 0
    (Path("out/rows/eight/seed-0") / "validate.journal.jsonl").write_text("of the other run")
    write(changed("rows", "eight", "validate", value={"steps": 9}))
    done = len(calls())
    capsys.readouterr()
    assert run() == 0
    assert roots("validate")[-2:] == ["rows/eight/seed-0", "rows/eight/seed-1"]
    assert len(calls()) == done + 2
    out = capsys.readouterr().out
    assert "eight seed 0: to be done again, steps was 8, is 9\n" in out
    assert not (Path("out/rows/eight/seed-0") / "validate.journal.jsonl").exists()
    # A comment in a config is no change; a value in it is, for all that it concerns.
    text = Path("base.yaml").read_text()
    Path("base.yaml").write_text(f"# learning\n{text}")
    assert run() == 0
    assert len(calls()) == done + 2
    Path("base.yaml").write_text(text.replace("n: 1", "n: 5"))
    assert run() == 0
    assert len(calls()) == done + 2 + 8
    assert "data.n was 1, is 5" in capsys.readouterr().out


def test_a_failing_row_is_told_and_the_others_go_on(here: Path, capsys: Any) -> None:
    write(changed("rows", "four", value={"validate": {"fail": True}}))
    assert run() == 1
    err = capsys.readouterr().err
    assert [line["row"] for line in lines()] == ["baseline"] * 4 + ["eight"] * 4
    assert "four seed 0 failed: exit code 3\n  " in err
    assert "\n  loading\n  the model broke\n  log: out/rows/four/seed-0/log.txt\n" in err
    assert "four seed 1 failed" in err
    # It is tried again, and its first attempt's time is no measurement.
    write(changed("rows", "four", value={"validate": {"fail": False}}))
    done = len(calls())
    assert run() == 0
    assert len(calls()) == done + 2


def test_a_failing_fit_fails_what_needs_it(here: Path, capsys: Any) -> None:
    write(changed("stages", "fit", "options", value={"fail": True}))
    assert run("--jobs", "3") == 1
    assert roots("validate") == []
    err = capsys.readouterr().err
    assert "fit seed 0 failed: exit code 3" in err
    assert "eight seed 1 failed: its fit failed" in err


@pytest.mark.parametrize(
    ("option", "reason"),
    [("silent", "no validate.results.json afterwards"), ("sleep", "killed by signal 9")],
)
def test_other_ways_to_fail(here: Path, capsys: Any, option: str, reason: str) -> None:
    if option == "sleep":
        Path("child.py").write_text(f"{CHILD}\nimport os\nos.kill(os.getpid(), 9)\n")
    value = {"validate": {option: True}}
    write(changed("rows", "four", value=value))
    assert run("--only", "four", "--seeds", "1") == 1
    assert reason in capsys.readouterr().err


def test_several_at_a_time_give_the_same(here: Path) -> None:
    assert run("--jobs", "4") == 0
    several = Path("out/study.md").read_text()
    assert len(calls()) == 8
    assert study.main(["s.yaml", "--output", "one"]) == 0
    assert Path("one/study.md").read_text() == several


def test_options_from_the_command_line(here: Path) -> None:
    words = ["--set", "views=2", "--set", "validate.steps=6", "--set", "data.n=[1, 2]"]
    assert run("--only", "eight,four", "--seeds", "7", *words) == 0
    assert roots("validate") == ["rows/four/seed-7", "rows/eight/seed-7"]
    fit, four, eight = calls()
    assert "--views=2" in fit
    assert not [word for word in fit if "steps" in word]
    assert "--steps=6" in four
    assert "--steps=12" in eight
    assert "--data.n=[1, 2]" in eight


def test_dry_run_prints_what_would_run(here: Path, capsys: Any) -> None:
    assert run("--dry-run", "--seeds", "0") == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in out] == [["arcflow", "fit"]] + [
        ["arcflow", "validate"]
    ] * 3
    assert not Path("out").exists()


# ---- rows that start from a stage


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


def starts() -> dict[str, str | None]:
    """Folder of each fit that was started -> what it starts from, its own checkpoint as "last"."""
    found: dict[str, str | None] = {}
    for words in calls():
        option = {name: value for name, _, value in (word.partition("=") for word in words)}
        if words[0] == "fit":
            root = option["--trainer.default_root_dir"].removeprefix("out/stages/")
            start = option.get("--model.start_from", "").removeprefix("out/stages/")
            found[root] = " then ".join(filter(None, (start, option.get("--ckpt_path")))) or None
    return found


def test_rows_start_from_one_run_of_their_stage_a_seed(here: Path) -> None:
    write(starting("counted", "again"))
    assert run() == 0
    found = starts()
    assert sorted(root.split("-")[0] for root in found) == ["count"] * 2 + ["fit"] * 4
    for seed in ("seed-0", "seed-1"):
        [count] = [root for root in found if root.startswith("count") and root.endswith(seed)]
        fits = {root: found[root] for root in found if root[:3] == "fit" and root.endswith(seed)}
        # From scratch, and, once for both rows, from the stage that is run for them alone.
        assert found[count] is None
        assert sorted(map(str, fits.values())) == ["None", f"{count}/checkpoints/last.ckpt"]
        [fit] = [root for root, start in fits.items() if start is not None]
        checkpoints = {
            row: [w for c in calls() if f"out/rows/{row}/{seed}" in str(c) for w in c][-2]
            for row in ("counted", "again", "scratch")
        }
        assert checkpoints["counted"] == checkpoints["again"]
        assert checkpoints["counted"] == f"--ckpt_path=out/stages/{fit}/checkpoints/last.ckpt"
        assert checkpoints["scratch"] != checkpoints["counted"]
    assert [line["row"] for line in lines() if line["seed"] == "1"] == [
        "scratch",
        "counted",
        "again",
    ]


def test_what_rows_start_from_is_run_only_for_them(here: Path) -> None:
    write(starting("counted"))
    assert run("--only", "scratch") == 0
    assert not [root for root in roots("fit") if "count" in root]
    done = len(calls())
    assert run() == 0
    assert len(calls()) == done + 6
    assert run() == 0
    assert len(calls()) == done + 6


def test_a_row_may_change_what_it_starts_from(here: Path) -> None:
    write(starting("counted", "again", count={"lr": "x2"}))
    assert run("--seeds", "0", "--set", "count.data.n=3") == 0
    counts = [words for words in calls() if "--count=true" in words]
    assert [[w for w in words if "lr" in w or "data" in w] for words in counts] == [
        ["--data.n=3", "--lr=0.006"],
        ["--data.n=3"],
    ]
    assert len({start for start in starts().values() if start}) == 2


@pytest.mark.parametrize("stage", ["count", "fit"])
def test_a_fit_that_started_there_goes_on_from_its_own_checkpoint(here: Path, stage: str) -> None:
    write(starting("counted"))
    assert run("--seeds", "0") == 0
    parent = plan(read_study(Path("s.yaml")), Path("out"), (0,))["counted", 0].parent
    assert parent is not None
    one = parent if stage == "fit" else parent.parent
    assert one is not None
    record = json.loads((one.folder / study_folder.RECORD).read_text())
    (one.folder / study_folder.RECORD).write_text(json.dumps({**record, "state": "started"}))
    done = len(calls())
    assert run("--seeds", "0") == 0
    [words] = calls()[done:]
    assert words[-2] == "--ckpt_path=last"
    assert ("--model.start_from=null" in words) == (stage == "fit")


def test_a_start_in_a_config_is_left_out_when_the_fit_goes_on(here: Path) -> None:
    write(changed("stages", "fit", "options", value={"model.start_from": "a.ckpt"}))
    assert run("--only", "four", "--seeds", "0") == 0
    assert "--model.start_from=a.ckpt" in calls()[0]
    folder = Path("out") / roots("fit")[0]
    record = json.loads((folder / study_folder.RECORD).read_text())
    (folder / study_folder.RECORD).write_text(json.dumps({**record, "state": "started"}))
    assert run("--only", "four", "--seeds", "0") == 0
    assert calls()[-1][-3:-1] == ["--model.start_from=null", "--ckpt_path=last"]


def test_a_stage_that_fails_fails_the_rows_that_start_from_it(here: Path, capsys: Any) -> None:
    obj = starting("counted")
    obj["stages"]["count"]["options"]["fail"] = True
    write(obj)
    assert run("--seeds", "0") == 1
    assert {line["row"] for line in lines()} == {"scratch"}
    err = capsys.readouterr().err
    assert "count seed 0 failed: exit code 3" in err
    assert "fit seed 0 failed: its count failed" in err
    assert "counted seed 0 failed: its fit failed" in err


def test_a_changed_start_is_done_again_with_all_that_builds_on_it(here: Path, capsys: Any) -> None:
    write(starting("counted"))
    assert run("--seeds", "0") == 0
    done = len(calls())
    assert run("--seeds", "0", "--set", "count.lr=1.0") == 0
    assert [words[0] for words in calls()[done:]] == ["fit", "fit", "validate"]
    assert "counted seed 0: to be done again, checkpoint was" in capsys.readouterr().out


# ---- what is killed


def start(here: Path, *words: str) -> "subprocess.Popen[bytes]":
    """The study in a process of its own."""
    code = (
        "import sys\n"
        "from arcflow.tools import study, study_runs\n"
        f"study_runs.ARCFLOW = (sys.executable, '-S', {str(here / 'child.py')!r})\n"
        f"sys.exit(study.main(['s.yaml', '--output', 'out', *{list(words)!r}]))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait(what: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize("started", [1, 2, 4])
def test_a_killed_study_goes_on(here: Path, started: int) -> None:
    assert study.main(["s.yaml", "--output", "whole"]) == 0
    Path("calls.txt").unlink()
    write(changed("stages", "validate", "options", value={"sleep": 0.2}))
    process = start(here)
    wait(lambda: len(calls()) == started)
    process.kill()
    process.wait()
    assert run() == 0
    # The run that was under way is done again: nobody saw how it ended.
    assert len(set(roots("fit"))) == 2
    assert len(set(roots("validate"))) == 6
    assert len(calls()) <= 9
    assert Path("out/study.md").read_text() == Path("whole/study.md").read_text()


def test_a_process_left_behind_is_waited_for(here: Path) -> None:
    four = plan(read_study(Path("s.yaml")), Path("out"), (0,))["four", 0]
    assert four.parent is not None
    four.folder.mkdir(parents=True)
    progress = Progress(2)
    with (four.folder / study_folder.LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        steps = study_runs.run_all([four.parent, four], 2, progress)
        wait(lambda: next(steps) == [] and progress.waiting == {"four seed 0"})
        assert "four seed 0: waiting for a process left behind" in progress.messages
        next(steps)
        assert [words[0] for words in calls()] == ["fit"]
    assert [failures for failures in steps if failures] == []
    assert [words[0] for words in calls()] == ["fit", "validate"]
    assert progress.finished == 2
    assert progress.waiting == set()


def test_a_stopped_study_leaves_no_child_and_shows_what_is_there(here: Path) -> None:
    write(changed("rows", "four", value={"validate": {"sleep": 60}}))
    process = start(here)
    wait(lambda: len(calls()) == 3)
    with pytest.raises(BlockingIOError):
        lock(Path("out/rows/four/seed-0"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130
    lock(Path("out/rows/four/seed-0"))
    assert [line["row"] for line in lines()] == ["baseline"] * 3


def lock(folder: Path) -> None:
    with (folder / study_folder.LOCK).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_one_study_a_folder(here: Path, capsys: Any) -> None:
    with study_folder.only_study(Path("out")):
        assert run() == 2
    assert "another study is running in this folder: got 'out'" in capsys.readouterr().err
    assert calls() == []


def test_a_fit_goes_on_from_its_checkpoint(here: Path) -> None:
    assert run("--seeds", "0") == 0
    folder = Path("out") / roots("fit")[0]
    record = json.loads((folder / study_folder.RECORD).read_text())
    (folder / study_folder.RECORD).write_text(json.dumps({**record, "state": "started"}))
    assert run("--seeds", "0") == 0
    assert "--ckpt_path=last" in calls()[-1]
    assert json.loads((folder / study_folder.RECORD).read_text())["state"] == "done"
    assert json.loads((folder / study_folder.RECORD).read_text())["seconds"] is None


# ---- what is shown


def test_the_csv_has_every_seed_and_the_spread(here: Path) -> None:
    assert run() == 0
    eight = [line for line in lines() if line["row"] == "eight"]
    assert [line["seed"] for line in eight] == ["0", "1", "mean", "deviation"]
    losses = [float(line["loss"]) for line in eight]
    assert losses[:2] == pytest.approx([1.2, 1.21])
    assert losses[2] == pytest.approx(np.mean(losses[:2]))
    assert losses[3] == pytest.approx(np.std(losses[:2], ddof=1))
    assert eight[0]["label"] == "eight steps"
    assert eight[0]["tasks"] == "3"
    assert float(eight[0]["seconds"]) >= 0
    # Tuned where there is test-time fine-tuning.
    assert {line["row"]: line["variant"] for line in lines()} == {
        "baseline": "frozen",
        "four": "tuned",
        "eight": "tuned",
    }


def test_the_table_in_words_and_markdown(here: Path, capsys: Any) -> None:
    assert run() == 0
    assert Path("out/study.md").read_text().splitlines() == [
        "| row | loss | accuracy % | seeds |",
        "|---|---:|---:|---:|",
        "| no steps | 2.0050 ± 0.0071 | 1.0 ± 1.4 | 2 |",
        "| four | 1.6050 ± 0.0071 | 21.0 ± 1.4 | 2 |",
        "| eight steps | **1.2050 ± 0.0071** | **41.0 ± 1.4** | 2 |",
        "",
        "3 tasks; mean ± sample standard deviation over seeds.",
    ]
    out = capsys.readouterr().out
    assert "A study [of nothing]" in out
    assert "1.2050 ± 0.0071" in out
    assert Path("out/study.png").read_bytes().startswith(b"\x89PNG")
    assert run("--seeds", "1") == 0
    assert "| four | 1.6100 | 22.0 | 1 |" in Path("out/study.md").read_text()


def test_equal_rows_have_no_best(here: Path) -> None:
    write(changed("rows", "eight", value={"validate": {"steps": 0, "other": 1}}))
    assert run("--only", "baseline,eight") == 0
    assert "**" not in Path("out/study.md").read_text()


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6))
def test_spread_is_the_sample_standard_deviation(values: list[float]) -> None:
    found = Spread.of(values)
    assert found is not None
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    if len(values) == 1:
        assert found.deviation is None
    else:
        assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([], "not the results that the study shows: got []"),
        ({"variants": {}, "tasks": 1}, 'an object with "variants" and "tasks"'),
        ({"variants": {"tuned": {"loss": 1.0}}, "tasks": 1}, "got 'accuracy'. Expected a column"),
    ],
)
def test_bad_results_are_refused(tmp_path: Path, obj: object, message: str) -> None:
    path = tmp_path / "validate.results.json"
    path.write_text(json.dumps(obj))
    with pytest.raises(DataError) as error:
        read_result(path, ["loss", "accuracy"])
    assert message in str(error.value)


def test_a_column_that_is_not_measured_fails_its_rows(here: Path, capsys: Any) -> None:
    write(changed("columns", value=["loss", "beauty"]))
    assert run("--only", "four", "--seeds", "0") == 1
    assert "Expected a column that is there: loss, accuracy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "left", "under_way", "jobs", "expected"),
    [
        ({}, "fvvv", [5.0], 1, None),
        ({"f": [100.0]}, "fvvv", [], 1, None),
        ({"f": [100.0], "v": [10.0, 20.0]}, "v", [], 1, 15.0),
        ({"f": [100.0], "v": [10.0, 20.0]}, "fv", [15.0], 2, 50.0),
        ({"v": [10.0]}, "v", [30.0], 1, 0.0),
    ],
)
def test_the_estimate(
    seconds: dict[str, list[float]],
    left: str,
    under_way: list[float],
    jobs: int,
    expected: float | None,
) -> None:
    progress = Progress(total=4, left=list(left), seconds=seconds)
    assert progress.finished == 4 - len(left)
    assert study.remaining(progress, jobs, under_way) == expected


# ---- what is refused


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (changed("colour", value=1), "s.yaml: unknown key: got 'colour'"),
        (changed("seeds", value=None), "s.yaml: missing key 'seeds'"),
        (changed("seeds", value=[0, 0]), "s.yaml: seeds: wrong list: got [0, 0]"),
        (changed("stages", "fit", "comand", value="fit"), "stage fit: unknown key: got 'comand'"),
        (changed("stages", "fit", "command", value="train"), "fit: command: got 'train'"),
        (changed("stages", "validate", "checkpoint", value="fitt"), "validate: checkpoint: got"),
        (changed("stages", "validate", value=None), "the last stage measures: got 'fit'"),
        (changed("stages", "fit", "configs", value=["no.yaml"]), "no such config: got 'no.yaml'"),
        (changed("rows", "eight", "steps", value=3), "row eight: unknown key: got 'steps'"),
        (changed("rows", "a/b", value={}), "row a/b: a name for folders: got 'a/b'"),
        (changed("rows", "again", value={}), "rows four and again both set nothing"),
        (changed("plot", value=["vote_2"]), "plot: got ['vote_2']. Expected some of the columns"),
        (
            changed("rows", "same", value={"validate": {"steps": 4}}),
            "row same changes nothing: got {'validate': {'steps': 4}}. Expected an option",
        ),
        (
            changed("rows", "half", value={"validate": {"views": "x0.5"}}),
            "row half, views: a factor of what is no number: got None",
        ),
        (starting("a", start="validate"), "row a: start: got 'validate'. Expected a fit stage"),
        (starting("a", start="fit"), "row a: start: got 'fit'. Expected a stage with another fit"),
        (starting("a", start=3), "row a: start: wrong type: got 3"),
        (
            changed("rows", value={"a": {"start": "fit"}}),
            "row a: start: got 'fit'. Expected a stage with another fit after it",
        ),
        (
            {**starting("a"), "rows": {"a": {"start": "count"}, "b": {"count": {"lr": 1.0}}}},
            "row b: options of a stage that it does not run: got 'count'. Expected start: count",
        ),
        (
            starting("a", fit={"model.start_from": "other"}),
            "row a starts from stage count, and stage fit from elsewhere: got 'model.start_from: "
            "other'",
        ),
        (changed("stages", "start", value=STUDY["stages"]["fit"]), "stage start: a name for"),
        (
            changed("rows", "own", value={"validate": {"ckpt_path": "last"}}),
            "the study itself gives this option: got 'ckpt_path'",
        ),
    ],
)
def test_bad_study_files(here: Path, capsys: Any, obj: object, message: str) -> None:
    write(obj)
    assert run() == 2
    assert message in capsys.readouterr().err
    assert calls() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["s.yaml", "--only", "five"],
            "--only: no such row: got 'five'. Expected some of baseline",
        ),
        (["s.yaml", "--seeds", "a"], "--seeds: not numbers: got 'a'"),
        (["s.yaml", "--jobs", "0"], "--jobs is too small: got 0"),
        (["s.yaml", "--set", "views"], "--set: not an option and its value: got 'views'"),
        (["s.yaml", "--output", "s.yaml"], "--output: the folder cannot be used"),
        (["nothing"], "no such study: got 'nothing'. Expected a study file, or one of counting"),
        (["twice.yaml"], "the key seeds occurs twice"),
    ],
)
def test_bad_words(here: Path, capsys: Any, words: list[str], message: str) -> None:
    Path("twice.yaml").write_text("seeds: [0]\nseeds: [1]\n")
    assert study.main(words) == 2
    assert message in capsys.readouterr().err


def test_files_of_somebody_else_are_left_alone(here: Path, capsys: Any) -> None:
    mine = Path("out/rows/four/seed-0/thesis.txt")
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert run() == 2
    assert "holds files that are not this study's: got ['thesis.txt']" in capsys.readouterr().err
    assert mine.read_text() == "mine"


def test_a_full_disk_ends_it_in_words(here: Path, capsys: Any) -> None:
    assert run("--only", "four") == 0
    record = json.dumps({"arguments": {}, "state": "done", "seconds": 1.0})
    (Path("out/rows/four/seed-0") / study_folder.RECORD).write_text(record)
    with pytest.MonkeyPatch.context() as patch:

        def full(number: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(files.os, "fsync", full)
        assert run() == 2
    err = capsys.readouterr().err
    assert "the study cannot go on (No space left on device): got 'out'" in err
    assert "run the same command again: what is done stays" in err
    assert run() == 0


# ---- options by name


NAMES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map(".".join)


@given(NAMES, st.integers(), NAMES, st.integers())
def test_what_was_put_is_found(first: str, one: int, second: str, two: int) -> None:
    tree: dict[str, Any] = {"a": {"class_path": "C", "init_args": {"b": 0}}}
    put(tree, first, one)
    before = copied(tree)
    put(tree, second, two)
    assert get(tree, second) == two
    assert flat(tree)[second] == two
    if not (first.startswith(second) or second.startswith(first)):
        assert get(tree, first) == one
    again: dict[str, Any] = {}
    merge(again, before)
    assert again == before


def test_options_of_a_class_lie_in_its_arguments() -> None:
    tree: dict[str, Any] = {"data": {"class_path": "D", "init_args": {"val": {"n": 1}}}}
    put(tree, "data.val.n", 2)
    put(tree, "data.seed", 3)
    put(tree, "data", "E")
    assert tree == {"data": {"class_path": "E", "init_args": {"val": {"n": 2}, "seed": 3}}}
    assert flat(tree) == {"data.class_path": "E", "data.val.n": 2, "data.seed": 3}


# ---- the shipped study


def test_ttft_has_every_variant_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ttft = read_study(find_study("ttft"))
    runs = plan(ttft, Path("out"), ttft.seeds)
    assert len({run.parent.folder for run in runs.values() if run.parent}) == len(ttft.seeds)
    arguments = [json.dumps(runs[row.name, 0].arguments, sort_keys=True) for row in ttft.rows]
    assert len(set(arguments)) == len(ttft.rows) >= 20


@pytest.mark.slow
def test_every_row_of_ttft_parses(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from tests.test_cli import call

    monkeypatch.chdir(ROOT)
    ttft = read_study(find_study("ttft"))
    found: dict[str, str] = {}
    for (row, _), one in plan(ttft, Path("out"), (0,)).items():
        words = [word for word in one.words() if not word.startswith("--ckpt_path")]
        capsys.readouterr()
        assert call([*words, "--print_config"]) == 0, row
        found[row] = capsys.readouterr().out.replace(f"rows/{row}/", "")
    assert len(set(found.values())) == len(ttft.rows)


@pytest.mark.slow
def test_a_miniature_of_counting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    small = {
        "counting.trainer.max_steps": 4,
        "counting.data.workers": 0,
        "fit.trainer.max_steps": 8,
        "trainer.val_check_interval": 4,
        "data.val.max_side": 3,
        "pass_n.answer.views": 2,
    }
    words = [f"--set={name}={value}" for name, value in small.items()]
    assert study.main(["counting", "--seeds=0", "--output=out", *words]) == 0
    folders = {folder.name.split("-")[0]: folder for folder in Path("out/stages").iterdir()}
    assert len(list(Path("out/stages").iterdir())) == 4
    [started] = [
        folder
        for folder in Path("out/stages").glob("fit-*/seed-0")
        if "--model.start_from" in (folder / study_folder.LOG).read_text()
    ]
    assert f"{folders['counting']}/seed-0/checkpoints/last.ckpt" in (
        (started / study_folder.LOG).read_text()
    )
    with Path("out/study.csv").open() as file:
        found = [line["row"] for line in csv.DictReader(file) if line["seed"] == "0"]
    assert found == ["scratch", "from-counting", "half"]
    done = {path: path.read_bytes() for path in Path("out").rglob(study_folder.LOG)}
    assert study.main(["counting", "--seeds=0", "--output=out", *words]) == 0
    assert {path: path.read_bytes() for path in done} == done


def test_the_guide_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    guide = (ROOT / "docs" / "studies.md").read_text()
    folder = tmp_path / "configs" / "studies"
    folder.mkdir(parents=True)
    (tmp_path / "configs" / "quickstart.yaml").symlink_to(ROOT / "configs" / "quickstart.yaml")
    monkeypatch.chdir(tmp_path)
    [text] = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    (folder / "data.yaml").write_text(text)
    assert study.main(["data", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.count("arcflow fit ") == 6
    assert out.count("arcflow fit -c configs/quickstart.yaml --data.train.fraction=0.5 ") == 3
    commands = [shlex.split(c, comments=True) for c in re.findall(r"^arcflow .*", guide, re.M)]
    assert len(commands) == 5
    for command in commands:
        assert study.main([*command[2:], "--dry-run"]) == 0
        assert "arcflow validate " in capsys.readouterr().out


@pytest.mark.slow
def test_a_miniature_of_ttft_killed_and_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    small = {
        "fit.trainer.max_steps": 4,
        "fit.trainer.val_check_interval": 2,
        "fit.checkpoint.every_n_steps": 2,
        "data.val.max_side": 4,
        "test_time.steps": 2,
        "pass_n.answer.views": 2,
    }
    words = ["ttft", "--only", "baseline,n-1"]
    words += [word for name, value in small.items() for word in ("--set", f"{name}={value}")]
    out, whole = tmp_path / "out", tmp_path / "whole"
    command = [sys.executable, "-m", "arcflow", "study", *words]
    process = subprocess.Popen(
        [*command, "--seeds=0,1", f"--output={out}"], start_new_session=True, cwd=tmp_path
    )
    row = out / "rows" / "n-1" / "seed-0"
    journal = row / "validate.journal.jsonl"
    wait(lambda: journal.exists() and journal.read_bytes().count(b"\n") == 2, 200)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = journal.read_bytes()
    assert not (row / "validate.results.json").exists()

    monkeypatch.chdir(tmp_path)
    assert study.main([*words, "--seeds=0,1", f"--output={out}"]) == 0
    assert journal.read_bytes().startswith(before)
    with (out / "study.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [(line["row"], line["seed"], line["variant"]) for line in found] == [
        (row, seed, variant)
        for row, variant in (("baseline", "frozen"), ("n-1", "tuned"))
        for seed in ("0", "1", "mean", "deviation")
    ]
    assert {line["tasks"] for line in found[:2]} == {"3"}
    logs = {path: path.read_bytes() for path in out.rglob(study_folder.LOG)}
    assert len(logs) == 6
    capsys.readouterr()
    assert study.main([*words, "--seeds=0,1", f"--output={out}"]) == 0
    assert {path: path.read_bytes() for path in logs} == logs
    assert "done in" not in capsys.readouterr().out

    assert study.main([*words[:2], "n-1", *words[3:], "--seeds=0", f"--output={whole}"]) == 0
    results = Path("rows", "n-1", "seed-0", "validate.results.json")
    assert (out / results).read_bytes() == (whole / results).read_bytes()
