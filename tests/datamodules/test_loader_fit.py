"""A fit of Lightning's that is killed goes on with the very batches that were to come."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn

from tests.helpers.streams import loader


class Tiny(LightningModule):
    """Learns a number a token; its loss depends on every token of the batch and its place."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1000, 2)
        self.losses: list[tuple[int, float]] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        where = batch["position_ids"][..., None] + 1
        loss = (self.embedding(batch["input_ids"]) * where - 1).square().mean()
        self.losses.append((batch_idx, loss.item()))
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.1)


class Kill(Callback):
    """Ends the process without a chance to clean up."""

    def __init__(self, after_batches: int) -> None:
        self.left = after_batches

    def on_train_batch_start(self, *_args) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def fit(
    folder: Path,
    workers: int,
    accumulate: int,
    when: str,
    resume: bool = False,
    kill: int | None = None,
) -> Tiny:
    torch.manual_seed(0)
    model = Tiny()
    interval = {"every_n_train_steps": 2} if when == "step" else {"every_n_epochs": 1}
    save = ModelCheckpoint(folder, filename="{step}", save_last=True, **interval)
    trainer = Trainer(
        max_steps=8,
        accumulate_grad_batches=accumulate,
        val_check_interval=2 * accumulate,
        check_val_every_n_epoch=None,
        callbacks=[save] if kill is None else [save, Kill(kill)],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(
        model,
        loader(workers=workers),
        torch.zeros(1, 1),
        ckpt_path=folder / "last.ckpt" if resume else None,
        weights_only=True,
    )
    return model


@pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty:UserWarning")
@pytest.mark.parametrize(
    ("workers", "accumulate", "when"),
    [(0, 1, "step"), (2, 2, "step"), (0, 2, "validation"), (2, 1, "validation")],
)
def test_a_killed_fit_goes_on_exactly(
    tmp_path: Path, workers: int, accumulate: int, when: str
) -> None:
    whole = fit(tmp_path / "whole", workers, accumulate, when)
    options = {"kill": 5 * accumulate}
    killed = multiprocessing.get_context("fork").Process(
        target=fit, args=(tmp_path / "run", workers, accumulate, when), kwargs=options
    )
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    resumed = fit(tmp_path / "run", workers, accumulate, when, resume=True)
    assert len(whole.losses) == 8 * accumulate
    assert resumed.losses == whole.losses[4 * accumulate :]
    assert torch.equal(resumed.embedding.weight, whole.embedding.weight)
