"""What was drawn: counts of each source and kind, logged, shown, and kept over a resume."""

import csv
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger

from arcflow.callbacks.data_stats import Count, DataStatsLogger, drawn_table
from arcflow.datamodules.arc import ARCDataModule
from arcflow.datamodules.mixture import MixtureComponent, MixtureDataModule
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.sources.arc import load_split
from arcflow.sources.base import TaskList
from arcflow.sources.mixture import Mixed
from arcflow.sources.select import TaskSelection, largest_side
from tests.helpers.tiny import LIGHTNING_WARNINGS, SIZES

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]

SMALL = TaskSelection("arc-agi-1/training", max_side=6)
VAL = TaskSelection("arc-agi-1/evaluation", max_side=5)
CONTEXT = 256


class Seen(Callback):
    """Counts samples and tokens of the batches that are learned."""

    def __init__(self) -> None:
        self.samples = self.tokens = 0

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.samples += int((batch["position_ids"] == 0).sum())
        self.tokens += batch["input_ids"].numel()


def fit(data: Any, root: Path, steps: int) -> Seen:
    seen = Seen()
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        log_every_n_steps=2,
        logger=CSVLogger(root, name="log", version=""),
        callbacks=[seen, DataStatsLogger()],
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=False,
        default_root_dir=root,
    )
    trainer.fit(LoRAModule(backbone=BackboneConfig(config=SIZES), lora=None), data)
    return seen


def rows(root: Path) -> list[dict[str, str]]:
    """Of metrics.csv those with counts."""
    with (root / "log" / "metrics.csv").open() as file:
        return [
            row
            for row in csv.DictReader(file)
            if any(value for name, value in row.items() if name.startswith("drawn_"))
        ]


def mixed(max_tokens: int = CONTEXT) -> MixtureDataModule:
    """Two kinds of small tasks, and a mixture in which one of two sources never fits."""
    tasks = load_split("arc-agi-1/training")
    inner = Mixed(
        {
            "tiny": TaskList([task for task in tasks if largest_side(task) <= 5], "tiny"),
            "large": TaskList(
                [task for task in tasks if min(grid.size for grid in task.grids()) > 300], "large"
            ),
        }
    )
    kinds = {"output-from-examples": 3.0, "input-from-inputs": 1.0}
    parts = {"small": MixtureComponent(SMALL, kinds=kinds), "inner": MixtureComponent(source=inner)}
    return MixtureDataModule(parts, val=VAL, max_tokens=max_tokens, tokens_per_batch=512)


NAMES = [
    "small, output-from-examples: arc-agi-1/training",
    "small, input-from-inputs: arc-agi-1/training",
    "inner, output-from-examples: tiny",
    "inner, output-from-examples: large",
]


def test_samples_tokens_and_what_is_too_long_are_logged_by_source_and_kind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = fit(mixed(), tmp_path, 60)
    *_, row = rows(tmp_path)
    assert row["step"] == "60"

    def of(what: str) -> list[float]:
        return [float(row[f"drawn_{what}/{name}"]) for name in NAMES]

    assert sum(of("samples")) == seen.samples > 150
    assert sum(of("tokens")) == seen.tokens
    assert of("share") == [tokens / seen.tokens for tokens in of("tokens")]
    *learned, never = of("samples")
    assert all(learned)
    assert never == 0
    # Weights count samples, those that are too long among them.
    met = [a + b for a, b in zip(of("samples"), of("too_long"), strict=True)]
    wanted = [3 / 8, 1 / 8, 1 / 4, 1 / 4]
    assert met == pytest.approx([share * sum(met) for share in wanted], abs=40)  # those that wait
    said = [text for text in caplog.messages if "nothing was learned from it" in text]
    assert len(said) == 1
    assert said[0].startswith(f"{NAMES[3]}: nothing was learned from it, as none of its ")
    assert "Raise --data.max_tokens" in said[0]
    assert "what was drawn" in capsys.readouterr().out


def test_one_source_of_which_all_fits_has_nothing_to_tell(tmp_path: Path) -> None:
    fit(ARCDataModule(train=SMALL, val=VAL, max_tokens=2048, tokens_per_batch=2048), tmp_path, 2)
    assert not rows(tmp_path)


def test_the_table_has_a_row_for_what_never_fits() -> None:
    table = drawn_table({"b": Count(0, 0, 70), "a": Count(1200, 34567, 0)})
    cells = [list(column.cells) for column in table.columns]
    assert cells == [
        ["a", "b"],
        ["1,200", "0"],
        ["34,567", "0"],
        ["100.0%", "0.0%"],
        ["0", "70"],
    ]


def test_a_long_table_adds_up_the_sources_of_each_kind() -> None:
    parts = {f"p, kind-{i}: source {j}": Count(i, 10 * j, 1) for i in range(5) for j in range(3)}
    table = drawn_table(parts)
    columns = [list(column.cells) for column in table.columns]
    assert columns[0] == [f"p, kind-{i}" for i in range(5)]
    assert columns[1] == ["0", "3", "6", "9", "12"]
    assert columns[2] == ["30"] * 5
    assert columns[3] == ["20.0%"] * 5
    assert columns[4] == ["3"] * 5
    few = {name: parts[name] for name in list(parts)[:12]}
    assert drawn_table(few).row_count == 12
