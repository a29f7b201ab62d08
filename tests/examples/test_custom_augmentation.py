"""examples/custom_augmentation.py: an augmentation by class path, in training and evaluation."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcflow.core.augment import (
    Augmentation,
    Chain,
    Dihedral,
    Recolor,
    Reorder,
    SwapTrainTest,
    augmentation_from_json,
)
from arcflow.core.augment_sampling import (
    AugmentConfig,
    order_alone,
    sample_augmentation,
    sample_training_view,
)
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import make_grid
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.evaluation.views import evaluation_views
from examples.custom_augmentation import Roll
from tests.helpers.examples import tiny_run
from tests.helpers.runs import logged, run_arcflow

PATH = "examples.custom_augmentation.Roll"
WITH = AugmentConfig(extra=(PATH,))


def task(code: str | None = None) -> Task:
    a, b, c = (
        make_grid(np.random.default_rng(i).integers(0, 9, (3, 4)).tolist()) for i in range(3)
    )
    return Task("t", (Pair(a, b), Pair(b, c)), (Pair(c, a),), code=code)


@given(st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 30), st.integers(1, 30))
def test_it_obeys_the_law_and_json_both_ways(
    down: int, right: int, height: int, width: int
) -> None:
    grid = make_grid((np.arange(height * width).reshape(height, width) % 10).tolist())
    view = Chain((Dihedral(True, 1), Roll(down, right)))
    shown = view.apply_grid(grid)
    np.testing.assert_array_equal(view.invert(shown), grid)
    assert not shown.flags.writeable
    written = json.loads(json.dumps(view.to_json()))
    assert written["parts"][1] == {"kind": PATH, "down": down, "right": right}
    assert augmentation_from_json(written) == view


def test_it_is_sampled_after_all_others_which_stay_as_they_are() -> None:
    seen = 0
    for i in range(200):
        plain = sample_augmentation(AugmentConfig(), task(), rng(0, "t", i)).parts
        rolled = sample_augmentation(WITH, task(), rng(0, "t", i)).parts
        assert rolled[: len(plain)] == plain
        assert all(isinstance(part, Roll) for part in rolled[len(plain) :])
        seen += len(rolled) > len(plain)
    assert 170 < seen < 200  # all but 1 of 25


def test_the_views_that_are_answered_can_be_undone() -> None:
    views = evaluation_views(task(), 16, WITH)
    assert any("roll" in view.name for view in views)
    for view in views:
        answer = view.apply(task()).test[0].output
        assert answer is not None
        np.testing.assert_array_equal(view.invert(answer), task().test[0].output)


@dataclass(frozen=True, slots=True)
class Twice(Augmentation):
    """The train pairs twice: a program stays right."""

    keeps_programs: ClassVar[bool] = True

    @classmethod
    def sample(cls, task: Task, rng: np.random.Generator) -> "Twice":
        return cls()

    @property
    def name(self) -> str:
        return "twice"

    def apply(self, task: Task) -> Task:
        return replace(task, train=task.train * 2)


def test_with_programs_only_those_that_keep_them_are_used() -> None:
    config = AugmentConfig(compose=0.5, extra=(PATH, f"{__name__}.Twice"))
    kept = order_alone(config)
    assert kept == replace(
        config, dihedral=False, recolor=False, compose=0.0, extra=(f"{__name__}.Twice",)
    )
    for i in range(20):
        view, _ = sample_training_view(kept, task("def task(grid): ..."), rng(0, "t", i))
        assert view.code == "def task(grid): ..."
        assert len(view.train) == 4


@pytest.mark.parametrize(
    "augmentation",
    [
        Dihedral(),
        Recolor(tuple(range(10))),
        Reorder((1, 0)),
        SwapTrainTest(0, 0),
        Chain(),
        Roll(1, 0),
    ],
)
def test_each_says_itself_whether_a_program_stays_right(augmentation: Augmentation) -> None:
    code = augmentation.apply(task("def task(grid): ...")).code
    assert (code is not None) == augmentation.keeps_programs


def test_a_chain_keeps_programs_where_all_its_parts_do() -> None:
    assert Chain((Reorder((1, 0)), Twice())).keeps_programs
    assert not Chain((Reorder((1, 0)), Roll(1, 0))).keeps_programs


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match="did you mean 'Roll'"):
        AugmentConfig(extra=("examples.custom_augmentation.Rolls",))
    with pytest.raises(ConfigError, match="not a subclass of Augmentation"):
        AugmentConfig(extra=("examples.custom_loss.FocalLoss",))
    with pytest.raises(ConfigError, match=r"not complete.*'sample'"):
        AugmentConfig(extra=("arcflow.core.augment.Dihedral",))
    with pytest.raises(DataError, match="view: kind: not a subclass of Augmentation"):
        augmentation_from_json({"kind": "examples.custom_loss.FocalLoss"}, "view")
    with pytest.raises(DataError, match="view: missing field 'right'"):
        augmentation_from_json({"kind": PATH, "down": 1}, "view")


@pytest.mark.slow
def test_the_command_line_trains_tunes_and_answers_with_it(tmp_path: Path) -> None:
    extra = [f"--data.augment.extra=[{PATH}]", f"--test_time.augment.extra=[{PATH}]"]
    words = tiny_run("fit", tmp_path, "--trainer.max_steps=4", *extra, "--data.workers=1")
    assert run_arcflow(words, tmp_path) == 0
    assert run_arcflow(tiny_run("fit", tmp_path / "plain", "--trainer.max_steps=4"), tmp_path) == 0
    losses = [logged(root, "train_loss") for root in (tmp_path, tmp_path / "plain")]
    assert len(losses[0]) == len(losses[1]) == 4
    assert losses[0] != losses[1]
    answer = f"--pass_n.answer.augment.extra=[{PATH}]"
    assert run_arcflow(tiny_run("validate", tmp_path, *extra, answer), tmp_path) == 0
    header, *lines = (tmp_path / "validate.journal.jsonl").read_text().splitlines()
    assert PATH in header
    views = [c["view"] for line in lines for c in json.loads(line)["entry"]["candidates"]]
    assert any("roll_" in view for view in views)
