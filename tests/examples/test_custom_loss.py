"""examples/custom_loss.py: a loss by class path, in training, validation and at test time."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import ConfigError
from arcflow.core.task import Pair, Task
from arcflow.evaluation.grid_requests import answer_loss
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.loss.causal_lm import causal_loss
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.tokenizer import CHARACTERS, load_tokenizer
from examples.custom_loss import FocalLoss
from tests.helpers.examples import tiny_run
from tests.helpers.runs import logged, run_arcflow
from tests.helpers.tiny import packed, tiny
from tests.helpers.training import SMALL, module

FOCAL = "--model.loss_fn=examples.custom_loss.FocalLoss"


def test_gamma_0_is_the_cross_entropy() -> None:
    model, batch = tiny().eval(), packed()
    ours, n = FocalLoss(gamma=0.0)(model, batch)
    theirs, m = causal_loss(model, batch)
    assert n == m
    torch.testing.assert_close(ours, theirs)
    assert FocalLoss(gamma=2.0)(model, batch)[0] < theirs


@pytest.mark.slow
def test_the_command_line_trains_validates_and_evaluates_with_it(tmp_path: Path) -> None:
    roots = {name: tmp_path / name for name in ("plain", "focal")}
    options = {"plain": [], "focal": [FOCAL, "--model.loss_fn.gamma=10"]}
    for name, root in roots.items():
        assert run_arcflow(tiny_run("fit", root, *options[name]), tmp_path) == 0
    for column in ("train_loss", "val_loss"):
        plain, focal = (logged(root, column) for root in roots.values())
        assert all(a < 0.95 * b for a, b in zip(focal, plain, strict=True))
    words = tiny_run("validate", roots["focal"], *options["focal"])
    assert run_arcflow(words, tmp_path) == 0
    header = json.loads((roots["focal"] / "validate.journal.jsonl").read_text().splitlines()[0])
    said = json.dumps(header)
    assert "examples.custom_loss.FocalLoss" in said
    assert '"model.loss_fn.gamma": 10.0' in said
    # A journal of one loss is not continued with another.
    assert run_arcflow(tiny_run("validate", roots["focal"]), tmp_path) == 2


def task() -> Task:
    grids = [torch.full((2, 2), i, dtype=torch.int8).numpy() for i in range(4)]
    pairs = tuple(Pair(a, b) for a, b in itertools.pairwise(grids))
    return Task("t", pairs, (Pair(grids[3], None),))


class Doubled(LoRAModule):
    """Its loss is twice what it would be."""

    def compute_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        loss, scored = super().compute_loss(batch)
        return 2 * loss, scored


TOKENIZER = load_tokenizer(CHARACTERS)


def characters_module(**options: Any) -> LoRAModule:
    return module(vocab_size=len(TOKENIZER), **options)


def first_loss(made: LoRAModule) -> float:
    made.configure_model()
    encoder = Encoder(TOKENIZER, TextConfig())
    losses: list[float] = []
    tuner = TestTimeFineTuning(steps=1, augment=AugmentConfig(dihedral=False, recolor=False))
    tuner.tune(made, encoder, [task()], on_step=lambda _task, _step, loss: losses.append(loss))
    return losses[0]


def test_test_time_fine_tuning_uses_an_overridden_compute_loss_and_loss_fn() -> None:
    plain = first_loss(characters_module())
    doubled = characters_module()
    doubled.__class__ = Doubled
    assert first_loss(doubled) == pytest.approx(2 * plain)
    assert first_loss(characters_module(loss_fn=FocalLoss(10.0))) < plain


def test_joint_tuning_refuses_it_by_name() -> None:
    tuner = TestTimeFineTuning(steps=1, tasks_together=2)
    plain = module(lora=type(SMALL)(rank=4, alpha=8))
    custom = module(lora=type(SMALL)(rank=4, alpha=8), loss_fn=FocalLoss())
    for made in (plain, custom):
        made.configure_model()
    tuner.check(plain, [task()], 1)
    with pytest.raises(ConfigError, match=r"tasks_together.*examples.custom_loss.FocalLoss"):
        tuner.check(custom, [task()], 1)


def test_the_loss_of_an_evaluation_is_the_one_that_is_trained() -> None:
    known = replace(task(), test=(Pair(task().test[0].input, task().train[0].input),))
    encoder = Encoder(TOKENIZER, TextConfig())
    losses = {}
    for loss_fn in (None, FocalLoss(0.0), FocalLoss(4.0)):
        made = characters_module(loss_fn=loss_fn)
        made.configure_model()
        nats, tokens = answer_loss(made, encoder, known, 1000)
        losses[getattr(loss_fn, "gamma", None)] = nats / tokens
    assert losses[0.0] == pytest.approx(losses[None], rel=1e-5)
    assert losses[4.0] < 0.99 * losses[None]


class OwnStep(LoRAModule):
    """Overrides the step alone, which test-time fine-tuning does not call."""

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        return 2 * super().training_step(batch, batch_idx)


class OwnStepAndLoss(OwnStep, Doubled):
    """Says with compute_loss what tuning is to minimise."""


def test_a_training_step_that_tuning_would_pass_by_is_refused() -> None:
    made = characters_module()
    made.configure_model()
    encoder = Encoder(TOKENIZER, TextConfig())
    made.__class__ = OwnStep
    tuner = TestTimeFineTuning(steps=1)
    with pytest.raises(ConfigError, match=r"overrides training_step.*got 'OwnStep'.*compute_loss"):
        tuner.check(made, [task()], 1)
    with pytest.raises(ConfigError, match=r"overrides training_step"):
        tuner.tune(made, encoder, [task()])
    TestTimeFineTuning(steps=0).check(made, [task()], 1)
    made.__class__ = OwnStepAndLoss
    tuner.check(made, [task()], 1)
