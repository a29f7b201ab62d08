"""What a study refuses, and how it ends where it cannot go on."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from arcflow.core import files
from arcflow.studies import command as study
from arcflow.studies import run_folder as study_folder
from tests.helpers.studies import (
    STUDY,
    calls,
    changed,
    run,
    starting,
    study_here,  # noqa: F401 (a fixture)
    write,
)


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
        (["twice.yaml"], "twice.yaml, line 2, column 1: a key that occurs twice: got 'seeds'"),
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
    assert "the study cannot go on (No space left on device): got 'out/rows/" in err
    assert "run the same command again: what is done stays" in err
    assert run() == 0
