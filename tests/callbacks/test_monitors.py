"""Callbacks that wait for a value are told at once where nothing measures it."""

from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint

from arcflow.callbacks.checkpoint import RunCheckpoint
from arcflow.callbacks.monitors import MEASURED, check_monitors
from arcflow.core.errors import ConfigError
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora_module import LoRAModule
from tests.helpers.tiny import SIZES


def trainer(*callbacks: Callback) -> Any:
    return SimpleNamespace(callbacks=list(callbacks))


def module(kind: type[LoRAModule] = LoRAModule) -> LoRAModule:
    return kind(BackboneConfig(config=SIZES))


class Own(LoRAModule):
    """Logs what it likes."""


class Logging(Callback):
    """Logs what it likes."""


@pytest.mark.parametrize(
    "callback",
    [EarlyStopping("val_los"), ModelCheckpoint(monitor="val_los"), EarlyStopping("val_los", 0.1)],
)
def test_an_unknown_value_is_refused(callback: Callback) -> None:
    with pytest.raises(ConfigError) as error:
        check_monitors(trainer(LearningRateMonitor(), callback), module())
    assert str(error.value) == (
        f"trainer.callbacks: {type(callback).__name__} monitors a value that is not measured "
        "(did you mean 'val_loss'?): got 'val_los'. Expected one of val_loss, train_loss, lr, "
        "tokens_per_s. Correct its monitor."
    )


def test_what_may_be_measured_passes() -> None:
    for name in MEASURED:
        check_monitors(trainer(EarlyStopping(name), ModelCheckpoint(), Callback()), module())
    check_monitors(trainer(RunCheckpoint(keep=1)), module())
    check_monitors(trainer(EarlyStopping("mine")), module(Own))
    check_monitors(trainer(EarlyStopping("mine"), Logging()), module())
