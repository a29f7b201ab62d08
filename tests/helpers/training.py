"""A small module, rows that are easy to learn and a trainer."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, Dataset

from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from tests.helpers.tiny import SIZES, VOCABULARY, packed

SMALL = LoRAConfig(rank=4, alpha=8, dropout=0.2)


class Rows(Dataset[dict[str, torch.Tensor]]):
    """Rows that repeat one token: easy to learn."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        batch = packed((5 + index % 7, 12), seed=index)
        batch["input_ids"] = torch.full_like(batch["input_ids"], index % 5)
        batch["labels"] = batch["input_ids"].masked_fill(batch["position_ids"] == 0, -100)
        return batch


class Data(LightningDataModule):
    text_fingerprint: dict[str, str]

    def __init__(self, skip: int = 0, **identity: str) -> None:
        super().__init__()
        self.skip, self.text_fingerprint = skip, identity

    def train_dataloader(self) -> Any:
        rows = Rows(10_000)
        order = range(self.skip, len(rows))
        return DataLoader(rows, batch_size=None, sampler=order)

    def val_dataloader(self) -> Any:
        return DataLoader(Rows(6), batch_size=None)

    test_dataloader = val_dataloader


class Losses(Callback):
    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        self.values.append(outputs["loss"].item())


def module(lora: LoRAConfig | None = SMALL, **options: Any) -> LoRAModule:
    return LoRAModule(
        **{
            "backbone": BackboneConfig(config=SIZES),
            "lora": lora,
            "optimizer": OptimizerConfig(lr=1e-2),
            "schedule": ScheduleConfig(name="linear", warmup_steps=2),
            "vocab_size": VOCABULARY,
        }
        | options
    )


def trainer(root: Path, steps: int, *callbacks: Callback, **options: Any) -> Trainer:
    return Trainer(
        **{
            "max_steps": steps,
            "accelerator": "cpu",
            "default_root_dir": str(root),
            "callbacks": [
                ModelCheckpoint(root, filename="{step}", save_top_k=-1, every_n_train_steps=5),
                *callbacks,
            ],
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "val_check_interval": 10,
            "check_val_every_n_epoch": None,
            "num_sanity_val_steps": 0,
        }
        | options
    )
