"""Accumulated gradients are those of the mean over all scored tokens, as of one large batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import DataLoader

from arcflow.core.errors import ConfigError
from arcflow.modules.accumulation import check_accumulation
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.loss.base import LossFunction
from arcflow.modules.loss.causal_lm import causal_loss
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from tests.helpers.tiny import LIGHTNING_WARNINGS, packed
from tests.helpers.training import module, trainer

pytestmark = [pytest.mark.filterwarnings(w) for w in LIGHTNING_WARNINGS]

LORA = LoRAConfig(rank=4, alpha=8)
SCORED = (78, 34, 78, 30, 5)
"""Scored tokens of the batches, which repeat."""


def batch(index: int, scored: Sequence[int] = SCORED) -> dict[str, Tensor]:
    row = packed((60, 50), seed=index)
    last = torch.arange(110) >= 110 - scored[index % len(scored)]
    row["labels"] = row["labels"].masked_fill(~last, -100)
    return row


def joined(batches: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([b[name] for b in batches], dim=1) for name in batches[0]}


def loader(batches: list[dict[str, Tensor]]) -> Any:
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


class Data(LightningDataModule):
    """Batches one by one, or a number of them joined to one."""

    def __init__(self, size: int = 1, scored: Sequence[int] = SCORED) -> None:
        super().__init__()
        self.size, self.scored = size, scored

    def train_dataloader(self) -> Any:
        every = [batch(index, self.scored) for index in range(24)]
        return loader([joined(every[i : i + self.size]) for i in range(0, 24, self.size)])

    def val_dataloader(self) -> Any:
        return loader([batch(0)])


class Watch(Callback):
    """Keeps each step's gradients, as the callbacks see them, and what was logged."""

    def __init__(self) -> None:
        self.gradients: list[dict[str, Tensor]] = []
        self.logged: list[dict[str, float]] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.gradients.append(
            {n: p.grad.clone() for n, p in pl_module.named_parameters() if p.grad is not None}
        )

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        if not trainer.fit_loop._should_accumulate():
            self.logged.append({k: v.item() for k, v in trainer.callback_metrics.items()})


class Focal(LossFunction):
    """A loss of one's own: hard tokens count more, and their number is its own too."""

    def __call__(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        inputs = {k: v for k, v in batch.items() if k != "labels"}
        logits, targets = model(**inputs).logits[0, :-1], batch["labels"][0, 1:]
        nats = nn.functional.cross_entropy(logits, targets, reduction="none", ignore_index=-100)
        kept = (targets != -100) & (targets % 3 > 0)
        return (nats * (1 - torch.exp(-nats)))[kept].sum() / kept.sum().clamp(min=1), int(
            kept.sum()
        )


def gentle(**options: Any) -> LoRAModule:
    """A module whose steps are small enough that rounding does not grow from step to step."""
    return module(
        **{
            "lora": LORA,
            "optimizer": OptimizerConfig(lr=1e-3, eps=1e-2),
            "schedule": ScheduleConfig(name="constant"),
        }
        | options
    )


def fit(root: Path, k: int, data: Data, model: LoRAModule | None = None, **options: Any) -> Watch:
    watch = Watch()
    model = model or gentle()
    steps = options.pop("max_steps", 3)
    run = trainer(root, steps, watch, accumulate_grad_batches=k, **options)
    run.fit(model, datamodule=data)
    return watch


def same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], within: float = 1e-6) -> None:
    assert ours.keys() == theirs.keys()
    apart = sum(float((ours[n] - g).detach().double().square().sum()) for n, g in theirs.items())
    whole = sum(float(g.detach().double().square().sum()) for g in theirs.values())
    assert (apart / whole) ** 0.5 < within


@pytest.mark.parametrize("loss_fn", [None, Focal()], ids=["cross entropy", "own loss"])
@pytest.mark.parametrize("lora", [None, LORA], ids=["whole weights", "LoRA"])
def test_four_batches_are_one_large_batch(
    tmp_path: Path, lora: LoRAConfig | None, loss_fn: LossFunction | None
) -> None:
    def made() -> LoRAModule:
        return gentle(lora=lora, loss_fn=loss_fn)

    clip = {"gradient_clip_val": 0.3}
    ours, theirs = made(), made()
    parts = fit(tmp_path / "parts", 4, Data(), ours, **clip)
    whole = fit(tmp_path / "whole", 1, Data(4), theirs, **clip)
    assert len(parts.gradients) == len(whole.gradients) == 3
    for mine, wanted in zip(parts.gradients, whole.gradients, strict=True):
        same(mine, wanted)
    same(ours.trained(), theirs.trained())
    for mine, wanted in zip(parts.logged, whole.logged, strict=True):
        assert mine["train_loss"] == pytest.approx(wanted["train_loss"], rel=1e-6)
        assert mine["lr"] == wanted["lr"]


def test_the_gradient_is_that_of_the_mean_over_all_scored_tokens(tmp_path: Path) -> None:
    model = gentle()
    [gradients] = fit(tmp_path, 4, Data(), model, max_steps=1).gradients
    again = gentle()
    again.configure_model()
    rows = [batch(i) for i in range(4)]
    causal_loss(again.model, joined(rows))[0].backward()
    wanted = {n: p.grad for n, p in again.named_parameters() if p.grad is not None}
    same(gradients, wanted)
    # What Lightning alone makes of the batches is another gradient.
    again.zero_grad()
    for row in rows:
        (causal_loss(again.model, row)[0] / 4).backward()
    with pytest.raises(AssertionError):
        same(gradients, {n: p.grad for n, p in again.named_parameters() if p.grad is not None}, 0.1)


def test_a_last_step_of_fewer_batches(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "limit_train_batches": 5,
        "val_check_interval": None,
        "check_val_every_n_epoch": 1,
    }
    watch = fit(tmp_path, 3, Data(), gentle(), max_steps=2, **options)
    model = gentle()
    again = fit(tmp_path / "again", 1, Halves(), model, max_steps=2, **options)
    for mine, wanted in zip(watch.gradients, again.gradients, strict=True):
        same(mine, wanted)


class Windows(Data):
    """Three epochs' batches at once, as a schedule of 2, 2, then 4 of them would join them."""

    def train_dataloader(self) -> Any:
        every = [batch(index) for index in range(4)]
        return loader([joined(every[:2]), joined(every[2:]), joined(every)])


class Four(Data):
    """An epoch of four batches."""

    def train_dataloader(self) -> Any:
        return loader([batch(index) for index in range(4)])


def test_the_number_of_batches_may_change_from_epoch_to_epoch(tmp_path: Path) -> None:
    schedule = GradientAccumulationScheduler({0: 2, 1: 4})
    options: dict[str, Any] = {"val_check_interval": None, "check_val_every_n_epoch": 1}
    watch = Watch()
    run = trainer(tmp_path, 3, watch, schedule, **options)
    run.fit(gentle(), datamodule=Four())
    again = fit(tmp_path / "again", 1, Windows(), gentle(), **options)
    assert len(watch.gradients) == 3
    for mine, wanted in zip(watch.gradients, again.gradients, strict=True):
        same(mine, wanted)


class Halves(Data):
    """The five batches that are an epoch, as three and two."""

    def train_dataloader(self) -> Any:
        every = [batch(index) for index in range(5)]
        return loader([joined(every[:3]), joined(every[3:])])


@pytest.mark.parametrize("scored", [(0, 40, 20, 0), (0, 0, 0, 0)])
def test_batches_in_which_nothing_is_scored(tmp_path: Path, scored: tuple[int, ...]) -> None:
    ours = fit(tmp_path / "parts", 4, Data(scored=scored), gentle(), max_steps=2)
    theirs = fit(tmp_path / "whole", 1, Data(4, scored), gentle(), max_steps=2)
    for mine, wanted in zip(ours.gradients, theirs.gradients, strict=True):
        assert all(torch.isfinite(g).all() for g in mine.values())
        if any(scored):
            same(mine, wanted)


def test_bf16(tmp_path: Path) -> None:
    ours = fit(tmp_path / "parts", 4, Data(), gentle(), max_steps=1, precision="bf16-mixed")
    theirs = fit(tmp_path / "whole", 1, Data(4), gentle(), max_steps=1, precision="bf16-mixed")
    same(ours.gradients[0], theirs.gradients[0], 3e-2)


def test_float16_and_its_loss_scaler(tmp_path: Path) -> None:
    """Lightning offers it on GPUs only; its plug-in works with the CPU's scaler all the same."""

    def half(name: str, k: int, data: Data) -> Watch:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        plugin = MixedPrecision("16-mixed", "cpu", scaler)
        options = {"plugins": [plugin], "gradient_clip_val": 0.3}
        return fit(tmp_path / name, k, data, gentle(), max_steps=2, **options)

    parts, whole = half("parts", 4, Data()), half("whole", 1, Data(4))
    for mine, wanted in zip(parts.gradients, whole.gradients, strict=True):
        same(mine, wanted, 5e-3)


class Manual(LoRAModule):
    """Overrides the step alone: what it returns is its own affair."""

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        return causal_loss(self.model, batch)[0]


def test_a_step_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    model = Manual(**_options())
    [gradients] = fit(tmp_path, 2, Data(), model, max_steps=1).gradients
    again = gentle()
    again.configure_model()
    for row in (batch(0), batch(1)):
        (causal_loss(again.model, row)[0] / 2).backward()
    same(gradients, {n: p.grad for n, p in again.named_parameters() if p.grad is not None})


def _options() -> dict[str, Any]:
    made = gentle()
    return {
        "backbone": made.backbone,
        "lora": made.lora,
        "optimizer": made.optimizer_config,
        "schedule": made.schedule_config,
        "vocab_size": made.vocab_size,
    }


def test_strategies_that_accumulate_themselves_are_refused() -> None:
    class DeepSpeed:
        handles_gradient_accumulation = True

    check_accumulation(SimpleNamespace(accumulate_grad_batches=1, strategy=DeepSpeed()))
    with pytest.raises(ConfigError) as error:
        check_accumulation(SimpleNamespace(accumulate_grad_batches=4, strategy=DeepSpeed()))
    assert "trainer.accumulate_grad_batches: this strategy weighs all micro-batches equally" in (
        str(error.value)
    )
    assert "'strategy': 'DeepSpeed'" in str(error.value)
