"""A user's mistake is told once by the processes of a run."""

import os
import time
from pathlib import Path

import pytest

from arcflow.cli import report_once as told_once
from arcflow.cli.report_once import already_reported
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_together

CONFIGS = ROOT / "configs"
FIRST, SECOND = {"LOCAL_RANK": "0"}, {"LOCAL_RANK": "1"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(told_once, "PATIENCE", 0.1)
    return tmp_path


def test_the_first_process_tells_and_the_others_do_not() -> None:
    assert not already_reported("a mistake", FIRST)
    assert already_reported("a mistake", SECOND)  # with one parent, as under torchrun
    assert not already_reported("another mistake", SECOND)
    assert not already_reported("a mistake", FIRST)


def test_the_first_process_may_have_started_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not already_reported("a mistake", FIRST)
    first = os.getpid()
    monkeypatch.setattr(os, "getppid", lambda: first)
    assert already_reported("a mistake", SECOND)
    monkeypatch.setattr(os, "getppid", lambda: first + 1)
    assert not already_reported("a mistake", SECOND)


def test_what_an_earlier_run_said_does_not_count(folder: Path) -> None:
    assert not already_reported("a mistake", FIRST)
    for file in folder.iterdir():
        os.utime(file, (time.time() - 100,) * 2)
    assert not already_reported("a mistake", SECOND)
    assert not already_reported("another", FIRST)
    assert len(list(folder.iterdir())) == 2  # the old ones are gone


def test_a_single_process_tells_and_leaves_nothing(folder: Path) -> None:
    assert not already_reported("a mistake", {})
    assert not list(folder.iterdir())


def test_without_a_folder_it_is_told_rather_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder / "none"))
    assert not already_reported("a mistake", FIRST)
    assert not already_reported("a mistake", SECOND)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["--data.nonsense=1", "--data.rows_per_batch=3"])
def test_two_processes_tell_it_once(
    word: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", f"--config={CONFIGS / 'quickstart.yaml'}", word]
    assert run_together([*words, f"--trainer.default_root_dir={folder}"], folder, 2) == 2
    assert capfd.readouterr().out.count("arcflow: ") == 1
