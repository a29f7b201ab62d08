"""A fit whose numbers are no longer finite stops, and the last finite checkpoint stays."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from arcflow.callbacks.checkpoint import RunCheckpoint
from arcflow.callbacks.divergence import DivergedError, DivergenceWatch
from arcflow.core.errors import CheckpointError
from tests.end_to_end.test_resume import fit_arguments
from tests.helpers.runs import run_arcflow
from tests.helpers.tiny import LIGHTNING_WARNINGS
from tests.helpers.training import Data, module, trainer

pytestmark = [pytest.mark.filterwarnings(w) for w in LIGHTNING_WARNINGS]


class Poison(Callback):
    """Spoils numbers in a step."""

    def __init__(self, what: str, step: int) -> None:
        self.what, self.step = what, step

    def _poison(self, trainer: Any, pl_module: Any, what: str) -> None:
        if self.what == what and trainer.global_step + (what != "weight") == self.step:
            parameter = [p for p in pl_module.parameters() if p.requires_grad][-1]
            tensor = parameter.grad if what == "gradient" else parameter.data
            tensor.view(-1)[:] = float("nan")

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self._poison(trainer, pl_module, "loss")

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        self._poison(trainer, pl_module, "gradient")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self._poison(trainer, pl_module, "weight")


def fit(root: Path, *callbacks: Callback, steps: int = 8, **options: Any) -> None:
    saves = RunCheckpoint(every_n_steps=2, keep=1, export="trained")
    data = Data()
    made = module(tokenizer="characters", **options.pop("module", {}))
    trainer(root, steps, callbacks=[*callbacks, saves], **options).fit(made, datamodule=data)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_is_named_at_its_step(
    what: str, clip: float | None, accumulate: int, tmp_path: Path
) -> None:
    with pytest.raises(DivergedError) as error:
        fit(
            tmp_path,
            Poison(what, 5),
            gradient_clip_val=clip,
            accumulate_grad_batches=accumulate,
            val_check_interval=1000,
        )
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert str(error.value) == (
        f"training diverged: the {what} of step 5 is not finite: got 'nan or inf'. Expected finite "
        "numbers. Lower --model.optimizer.lr (now 0.01), or set --trainer.gradient_clip_val 1. "
        f"{last} holds the last finite weights. Nothing was written since."
    )
    saved = torch.load(last, weights_only=True)
    assert saved["global_step"] == 4
    assert all(bool(tensor.isfinite().all()) for tensor in saved["state_dict"].values())
    assert sorted(p.name for p in last.parent.iterdir()) == ["last.ckpt", "step=4.ckpt"]
    assert not (tmp_path / "adapter").exists()


def test_a_weight_is_looked_at_before_it_is_saved(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"a weight after step 2 is not finite: got 'model\."):
        fit(tmp_path, Poison("weight", 2))
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


def test_the_last_step_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="the gradient of step 8 is not finite"):
        fit(tmp_path, Poison("gradient", 8))
    assert not (tmp_path / "adapter").exists()


def test_a_validation_loss_that_is_not_finite(tmp_path: Path) -> None:
    class Spoilt(Callback):
        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            pl_module._nats = float("inf")

    with pytest.raises(DivergedError, match="the validation loss is not finite: got 'inf'"):
        fit(tmp_path, Spoilt(), val_check_interval=3)


def test_a_finite_run_ends_as_before(tmp_path: Path) -> None:
    fit(tmp_path)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ("1e30", "arcflow: training diverged: the "),
        (".inf", "arcflow: model.optimizer.lr: out of range: got inf. Expected a finite number"),
    ],
)
def test_on_the_command_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], rate: str, message: str
) -> None:
    words = [f"--model.optimizer.lr={rate}", "--checkpoint.export=trained"]
    assert run_arcflow([*fit_arguments(tmp_path, 0, 1, "step"), *words], tmp_path) == 2
    output = capfd.readouterr().out
    [line] = [line for line in output.splitlines() if line.startswith("arcflow: ")]
    assert line.startswith(message)
    assert "Traceback" not in output
    assert not (tmp_path / "adapter").exists()
    for path in tmp_path.glob("checkpoints/*.ckpt"):
        tensors = torch.load(path, weights_only=True)["state_dict"].values()
        assert all(bool(tensor.isfinite().all()) for tensor in tensors)


def test_a_checkpoint_an_adapter_and_a_start_that_are_not_finite_are_refused(
    tmp_path: Path,
) -> None:
    trainer(tmp_path, 5).fit(made := module(tokenizer="characters"), datamodule=Data())
    folder, path = made.export(tmp_path / "adapter"), tmp_path / "step=5.ckpt"
    saved = torch.load(path, weights_only=True)
    name, tensor = next(iter(saved["state_dict"].items()))
    tensor.view(-1)[0] = float("nan")
    torch.save(saved, path)
    with pytest.raises(CheckpointError, match=f"checkpoint: the numbers.*not finite.*got '{name}'"):
        trainer(tmp_path, 9).validate(module(), datamodule=Data(), ckpt_path=str(path))
    with pytest.raises(CheckpointError, match=f"start_from {path}: the numbers.*got '{name}'"):
        module(start_from=str(path)).configure_model()

    from safetensors.torch import load_file, save_file

    from arcflow.core.errors import ConfigError
    from arcflow.engines.served_adapters import check_folder

    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    name = sorted(tensors)[0]
    check_folder(folder)
    tensors[name].view(-1)[0] = float("inf")
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=f"adapter {folder}: the numbers of a tensor are not"):
        module(tokenizer="characters", adapter=str(folder)).configure_model()
    with pytest.raises(ConfigError, match=f"adapter {folder}: the numbers.*got '{name}'"):
        check_folder(folder)


def test_gradients_in_float16_may_overflow() -> None:
    watch, parameter = DivergenceWatch(), nn.Parameter(torch.zeros(2, dtype=torch.float16))
    parameter.grad = torch.full((2,), float("inf"), dtype=torch.float16)
    watch.note_gradients([parameter], 1)
    assert watch.first(wait=True) is None
    watch.note_loss(torch.tensor(1.0), 1)
    assert watch.first(wait=False) is None
    watch.note_loss(torch.tensor(float("nan")), 3)
    watch.note_loss(torch.tensor(float("nan")), 4)
    assert watch.first(wait=False) == (3, "loss")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_read_without_waiting() -> None:
    watch = DivergenceWatch()
    for step in range(1, 6):
        watch.note_loss(torch.tensor(float("inf" if step > 2 else 1), device="cuda"), step)
        watch.first(wait=False)
    assert watch.first(wait=True) == (3, "loss")
