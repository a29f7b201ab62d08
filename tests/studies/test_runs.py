"""What a study runs, what its rows share, and what it does not do again."""

from pathlib import Path
from typing import Any

import pytest

from arcflow.studies import command as study
from tests.helpers.studies import (
    CHILD,
    STUDY,
    calls,
    changed,
    lines,
    roots,
    run,
    study_here,  # noqa: F401 (a fixture)
    write,
)


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
