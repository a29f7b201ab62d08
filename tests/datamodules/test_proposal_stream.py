"""Judged proposals in training: balanced labels, pure samples, held-out tasks, exact resume."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.datamodules.mixture import MixtureComponent, MixtureDataModule
from arcflow.datamodules.streams.proposal_stream import ProposalStream
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.sources.arc import load_split
from arcflow.sources.base import TaskList
from arcflow.sources.select import TaskSelection, load_tasks
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.kinds import get_kind
from arcflow.text.tokenizer import load_tokenizer
from tests.datamodules.test_mixture import fit_arguments, read_metrics, recorder
from tests.helpers.runs import read_losses, run_arcflow, weights
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]

WILD = AugmentConfig(keep_colors=0.0, move_background=1.0, compose=0.5, swap_train_test=0.5)
KINDS = {"verify-output": ("right", "wrong"), "select-output": ("first", "second")}


@cache
def encoder(kind: str) -> Encoder[Any]:
    return Encoder(load_tokenizer("characters"), TextConfig(), get_kind(kind))


def stream(kind: str, seed: int = 0) -> ProposalStream:
    tasks = [task for task in load_split("arc-agi-1/training") if size(task) <= 40]
    return ProposalStream(TaskList(tasks), encoder(kind), WILD, seed, 4096)


def size(task: Any) -> int:
    return max(grid.size for grid in task.grids())


def label(made: TaskStream, index: int) -> str:
    """The word that a sample teaches, read from its scored tokens."""
    example = made.sample(index)
    assert example is not None
    word = made._encoder.decode(example.labels[example.labels >= 0])[1]
    assert isinstance(word, str)
    return word


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_balanced_true_and_drawn_from_the_seed(kind: str) -> None:
    made = stream(kind)
    labels = [label(made, index) for index in range(120)]
    assert all(set(two) == set(KINDS[kind]) for two in zip(labels[::2], labels[1::2], strict=True))
    assert 10 < labels[::2].count(KINDS[kind][0]) < 50
    assert labels != [label(stream(kind, seed=1), index) for index in range(120)]
    for index in range(40):
        view = made.view(index)
        assert view is not None
        task, test_index = view
        first, second = (pair.output for pair in task.proposals)
        right = task.test[test_index].output
        assert first is not None
        assert second is not None
        assert right is not None
        is_first = np.array_equal(first, right)
        assert is_first != np.array_equal(second, right)
        assert labels[index] == KINDS[kind][0 if is_first else 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_a_function_of_seed_and_index(kind: str) -> None:
    made, again, other = stream(kind), stream(kind), stream(kind, seed=1)
    indices = [3, 47, 20, 999]
    drawn = [made.sample(index) for index in indices]
    for index, example in zip(reversed(indices), reversed(drawn), strict=True):
        same = again.sample(index)
        assert example is not None
        assert same is not None
        assert example.input_ids.tolist() == same.input_ids.tolist()
        assert example.labels.tolist() == same.labels.tolist()
    assert all(
        a is not None and b is not None and a.input_ids.tolist() != b.input_ids.tolist()
        for a, b in zip(drawn, map(other.sample, indices), strict=True)
    )
    plain = TaskStream(made.source, encoder(kind), WILD, 0, 4096)
    assert set(made.fingerprint()) - set(plain.fingerprint()) == {"wrong answers"}


def test_evaluated_tasks_are_never_judged_in_training() -> None:
    ids = ["0d3d703e", "25ff71a9"]
    data = MixtureDataModule(
        {
            "all": MixtureComponent(
                TaskSelection("arc-agi-1/training", max_side=4), kinds=dict.fromkeys(KINDS, 1.0)
            )
        },
        val=TaskSelection("arc-agi-1/training", ids=ids),
        max_tokens=600,
        tokens_per_batch=1024,
    )
    data.setup("fit")
    mixed: Any = data._stream
    assert [type(part) for part in mixed._parts] == [ProposalStream] * 2
    selected = {task.id for task in load_tasks(TaskSelection("arc-agi-1/training", max_side=4))}
    drawn = {part.task(index).id for part in mixed._parts for index in range(60)}
    assert drawn <= selected - set(ids)
    assert selected > set(ids)


def arguments(root: Path, workers: int) -> list[str]:
    kinds = "{output-from-examples: 2, verify-output: 1, select-output: 1}"
    return [
        *fit_arguments(root, workers),
        f"--data.parts.originals.kinds={kinds}",
        "--data.parts.re-arc.weight=0",
        "--data.parts.counting.weight=0",
    ]


def test_a_fit_draws_every_kind(tmp_path: Path) -> None:
    assert run_arcflow([*arguments(tmp_path, 0), "--trainer.max_steps=5"], tmp_path) == 0
    names = read_metrics(tmp_path)[-1].keys()
    for kind in ("output-from-examples", *KINDS):
        assert any(name.startswith(f"drawn_samples/originals, {kind}: ") for name in names)


@pytest.mark.slow
def test_a_fit_that_is_killed_and_resumed_equals_one_that_is_not(tmp_path: Path) -> None:
    whole, ours = tmp_path / "whole", tmp_path / "ours"
    assert run_arcflow([*arguments(whole, 0), *recorder(whole / "losses")], tmp_path) == 0
    log = ours / "losses"
    assert run_arcflow([*arguments(ours, 0), *recorder(log, 5)], tmp_path) == -9
    resume = [*arguments(ours, 1), "--ckpt_path=last"]
    assert run_arcflow([*resume, *recorder(log)], tmp_path) == 0
    assert read_losses(log) == read_losses(whole / "losses")
    last = [folder / "checkpoints" / "last.ckpt" for folder in (ours, whole)]
    found, wanted = (weights(path) for path in last)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
