"""The callback of test-time fine-tuning: what it refuses before any time is spent."""

from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from arcflow.callbacks.pass_n import PassN
from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.errors import ConfigError
from arcflow.datamodules.arc import ARCDataModule
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.sources.select import TaskSelection
from tests.helpers.tiny import LIGHTNING_WARNINGS, SIZES

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]


def validate(folder: Path, *callbacks: object, inference_mode: bool = False) -> None:
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=inference_mode,
        default_root_dir=str(folder),
        callbacks=list(callbacks),
    )
    data = ARCDataModule(
        val=TaskSelection("arc-agi-1/evaluation", max_side=5, stop=1),
        max_tokens=512,
        tokens_per_batch=512,
    )
    trainer.validate(LoRAModule(BackboneConfig(config=SIZES)), data, verbose=False)


def tuning(steps: int = 1) -> TestTimeFineTuning:
    return TestTimeFineTuning(steps, tokens_per_step=300, lora=LoRAConfig(rank=2))


def test_without_a_callback_that_answers_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no callback answers.*TestTimeFineTuning.*Add .*PassN"):
        validate(tmp_path, tuning())


def test_switched_off_it_may_stand_alone(tmp_path: Path) -> None:
    validate(tmp_path, tuning(steps=0))


def test_inference_mode_is_refused(tmp_path: Path) -> None:
    pass_n = PassN(AnswerConfig(views=1))
    with pytest.raises(ConfigError, match=r"Set --trainer.inference_mode false"):
        validate(tmp_path, pass_n, tuning(), inference_mode=True)


def test_pass_n_answers_with_the_adapters_and_writes_the_submission(tmp_path: Path) -> None:
    pass_n = PassN(AnswerConfig(views=1), submission=str(tmp_path / "answers.json"))
    validate(tmp_path, pass_n, tuning())
    assert list(pass_n.results) == ["baseline", "ttft"]
    assert (tmp_path / "answers.json").is_file()
