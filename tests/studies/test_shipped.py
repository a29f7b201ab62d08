"""The studies that are shipped, in miniature, and the guide to studies."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arcflow.studies import command as study
from arcflow.studies import run_folder as study_folder
from arcflow.studies.plan import plan
from arcflow.studies.spec import find_study, read_study
from tests.helpers.paths import ROOT
from tests.helpers.studies import wait


def test_ttft_has_every_variant_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ttft = read_study(find_study("ttft"))
    runs = plan(ttft, Path("out"), ttft.seeds)
    assert len({run.parent.folder for run in runs.values() if run.parent}) == len(ttft.seeds)
    arguments = [json.dumps(runs[row.name, 0].arguments, sort_keys=True) for row in ttft.rows]
    assert len(set(arguments)) == len(ttft.rows) >= 20


SHIPPED = sorted(path.stem for path in (ROOT / "configs" / "studies").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_rows_of_shipped_studies_differ(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = read_study(find_study(name))
    assert len(found.seeds) >= 3
    runs = plan(found, Path("out"), found.seeds)
    # What a row does in its earlier stages is in the names of their folders.
    arguments = {
        json.dumps(runs[row.name, 0].arguments, sort_keys=True, default=str) for row in found.rows
    }
    assert len(arguments) == len(found.rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ttft", "temperature", "prompts", "kinds"])
def test_every_row_parses(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from tests.cli.test_main import call

    monkeypatch.chdir(ROOT)
    found = read_study(find_study(name))
    texts: dict[str, str] = {}
    for (row, _), one in plan(found, Path("out"), (0,)).items():
        for run in (one, one.parent):
            assert run is not None
            words = [word for word in run.words() if not word.startswith("--ckpt_path")]
            capsys.readouterr()
            assert call([*words, "--print_config"]) == 0, row
            out = capsys.readouterr().out.replace(str(run.folder), "")
            texts[row] = texts.get(row, "") + out
    assert len(set(texts.values())) == len(found.rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows"),
    [("temperature", "greedy,samples-2"), ("kinds", "three"), ("prompts", "chat-short")],
)
def test_miniatures(name: str, rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    small: dict[str, object] = {
        "fit.trainer.max_steps": 4,
        "fit.data.workers": 0,
        "trainer.val_check_interval": 4,
        "data.val.max_side": 3,
        "validate.test_time.steps": 0,
    }
    if name == "prompts":
        from tests.helpers.qwen import save_tiny_qwen

        small |= {
            "model.backbone.model": save_tiny_qwen(tmp_path / "model"),
            "trainer.accelerator": "cpu",
            "data.max_tokens": 1500,
            "data.tokens_per_batch": 1500,
            "fit.data.train.max_side": 4,
            "pass_n.answer.views": 2,
        }
    words = [f"--set={option}={value}" for option, value in small.items()]
    arguments = [name, "--only", rows, "--seeds=0", "--output=out", *words]
    assert study.main(arguments) == 0
    with Path("out/study.csv").open() as file:
        found = [line for line in csv.DictReader(file) if line["seed"] == "0"]
    assert [line["row"] for line in found] == rows.split(",")
    assert all(0 <= float(line["vote_2"]) <= 1 for line in found)
    assert Path("out/study.png").read_bytes().startswith(b"\x89PNG")
    done = {path: path.read_bytes() for path in Path("out").rglob(study_folder.LOG)}
    assert study.main(arguments) == 0
    assert {path: path.read_bytes() for path in done} == done


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
        for row, variant in (("baseline", "baseline"), ("n-1", "ttft"))
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
