"""Rows of a study that start from a stage which is run for them alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from arcflow.studies import run_folder as study_folder
from arcflow.studies.plan import plan
from arcflow.studies.spec import read_study
from tests.helpers.studies import (
    calls,
    changed,
    lines,
    roots,
    run,
    starting,
    study_here,  # noqa: F401 (a fixture)
    write,
)


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
