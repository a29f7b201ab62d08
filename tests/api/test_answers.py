"""Load, adapt, answer, vote, score and draw from Python, with the smallest of models."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import arcflow
from arcflow.api.models import Model
from arcflow.core.errors import ArcflowError, CheckpointError, ConfigError, DataError
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow
from tests.helpers.tiny import SIZES

FEW = {"steps": 3, "tokens_per_step": 300}


@pytest.fixture(scope="module")
def task() -> arcflow.Task:
    [task] = arcflow.load_tasks("arc-agi-1/training", ids=["25ff71a9"])
    return task


@pytest.fixture(scope="module")
def model() -> Model:
    return arcflow.load_model(arcflow.BackboneConfig(config=SIZES), device="cpu")


def test_tasks_are_filtered_and_refused_by_name() -> None:
    small = arcflow.load_tasks("arc-agi-1/training", max_side=3)
    assert small
    assert all(max(grid.shape) <= 3 for task in small for grid in task.grids())
    with pytest.raises(DataError, match="unknown tasks: got 'arc-agi-9'"):
        arcflow.load_tasks("arc-agi-9")


def test_fine_tuning_learns_and_leaves_the_model_as_it_was(
    model: Model, task: arcflow.Task
) -> None:
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    adapter = arcflow.fine_tune(model, task, **{**FEW, "steps": 12})
    assert len(adapter.losses) == adapter.ref.steps == 12
    assert adapter.losses[-1] < 0.8 * adapter.losses[0]
    plain = arcflow.answer(model, task, views=2)
    tuned = arcflow.answer(model, task, adapter, views=2)
    assert len(plain) == len(tuned) == 2 * len(task.test)
    assert [c.log_prob for c in plain] != [c.log_prob for c in tuned]
    after = model.module.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_answers_do_not_depend_on_the_test_outputs(model: Model, task: arcflow.Task) -> None:
    def texts(of: arcflow.Task) -> list[tuple[str, float]]:
        adapter = arcflow.fine_tune(model, of, **FEW)
        return [(c.text, c.log_prob) for c in arcflow.answer(model, of, adapter, views=2)]

    assert texts(task) == texts(task.without_answers())


def test_an_adapter_on_a_model_with_lora_options(model: Model, task: arcflow.Task) -> None:
    lora = arcflow.LoRAConfig(rank=2)
    adapter = arcflow.fine_tune(model, task, mode="fresh", lora=lora, **FEW)
    assert adapter.ref.kind == "lora"
    assert len(arcflow.answer(model, task, adapter, views=1)) == len(task.test)


def test_mistakes_are_told(model: Model, task: arcflow.Task) -> None:
    with pytest.raises(ConfigError, match=r"steps is too small: got -1"):
        arcflow.fine_tune(model, task, steps=-1)
    with pytest.raises(ConfigError, match="impossible number of answers"):
        arcflow.answer(model, task, views=0)
    with pytest.raises(ConfigError, match=r"no such folder: got .no/such/folder."):
        arcflow.load_model("no/such/folder")


def candidates(task: arcflow.Task, right: bool) -> list[arcflow.Candidate]:
    wrong = np.zeros((1, 1), np.int8)
    return [
        arcflow.Candidate(task.id, i, pair.output if right else wrong, -1.0, 2)
        for i, pair in enumerate(task.test)
        for _ in range(2)
    ]


def test_votes_submissions_and_scores(task: arcflow.Task, tmp_path: Path) -> None:
    [other] = arcflow.load_tasks("arc-agi-1/training", ids=["6e02f1e3"])
    answers = [*candidates(task, True), *candidates(other, False)]
    first = arcflow.vote(answers[: 2 * len(task.test)])
    assert [votes[0].count for votes in first] == [2] * len(task.test)
    assert arcflow.vote([]) == []
    with pytest.raises(DataError, match="candidates of another task"):
        arcflow.vote(answers)
    arcflow.write_submission(tmp_path / "s.json", arcflow.build_submission([task, other], answers))
    submission = arcflow.read_submission(tmp_path / "s.json")
    assert arcflow.score(submission, [task, other]) == 0.5
    with pytest.raises(DataError, match=f"task {task.id} cannot be scored"):
        arcflow.score(submission, [task.without_answers(), other])


def test_pictures(task: arcflow.Task, tmp_path: Path) -> None:
    votes = arcflow.vote(candidates(task, True))
    picture = arcflow.draw(task, tmp_path / "task.svg", answers=votes)
    arcflow.draw(task, tmp_path / "task.png", answers=votes)
    root = ElementTree.fromstring((tmp_path / "task.svg").read_text())
    groups = [e for e in root if e.tag.endswith("}g")]
    assert len(groups) == len(list(task.grids())) + len(task.test)
    assert all(len(group) == 9 for group in groups), "3x3 cells"
    assert (tmp_path / "task.png").read_bytes().startswith(b"\x89PNG")
    assert picture._repr_svg_() == (tmp_path / "task.svg").read_text()
    assert "train 0  3x3 -> 3x3" in str(picture)
    assert "answer test 1" in str(picture)
    assert str(arcflow.draw([[1, 2]])) == "1 2"
    hidden = arcflow.draw(task.without_answers())
    assert "3x3 -> ?" in str(hidden)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda task, folder: arcflow.draw(task, folder / "a.gif"), r"\.svg or \.png"),
        (lambda task, folder: arcflow.draw([[1], [2, 3]]), "row 1"),
        (lambda task, folder: arcflow.draw(task, answers=[[]] * 9), "too many answers"),
    ],
)
def test_bad_pictures(call: Any, message: str, task: arcflow.Task, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        call(task, tmp_path)


@pytest.mark.slow
def test_a_trained_run_is_loaded_with_its_own_settings(
    task: arcflow.Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        *("fit", "-c", str(ROOT / "configs" / "quickstart.yaml"), "--seed_everything=3"),
        *(
            "--trainer.max_steps=2",
            "--trainer.limit_val_batches=1",
            "--trainer.val_check_interval=2",
        ),
        *("--trainer.default_root_dir=run", "--data.val.max_side=3", "--data.train.max_side=4"),
        *("--model.lora={rank: 4}", "--data.max_tokens=400", "--pass_n.answer.views=3"),
        "--model.backbone.config={hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2}",
    ]
    assert run_arcflow(words, tmp_path) == 0
    model = arcflow.load_model(tmp_path / "run", device="cpu")
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    trained = model.module.trained()
    assert trained.keys() == saved["state_dict"].keys()
    assert all(torch.equal(saved["state_dict"][name], trained[name]) for name in trained)
    assert model.max_tokens == 400
    assert model.tuning["optimizer"].lr == 3e-3
    assert model.encoder.config.loss == "outputs"
    adapter = arcflow.fine_tune(model, task, **{**FEW, "lora": None})
    assert len(arcflow.answer(model, task, adapter)) == 3 * len(task.test)

    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        arcflow.load_model(tmp_path / "empty")
    for record in (tmp_path / "run").rglob("config.yaml"):
        record.unlink()
    with pytest.raises(ArcflowError, match="without a record of its options"):
        arcflow.load_model(tmp_path / "run")
