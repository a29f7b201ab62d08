"""More than one process: ``fit`` takes one process's steps, and resumes exactly."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch.strategies import Strategy

from arcflow.cli.main import main
from arcflow.core.errors import CheckpointError
from arcflow.core.seeds import rng
from arcflow.datamodules.streams.resumable_loader import LossLoader, TrainLoader
from arcflow.modules.sharding import wrap_policy
from arcflow.text.encode import Example
from tests.helpers.paths import ROOT
from tests.helpers.runs import logged, read_losses, run_arcflow, run_together, weights
from tests.helpers.tiny import SIZES

CONFIGS = ROOT / "configs"
CONFIG = str(CONFIGS / "quickstart.yaml")
STEPS = 8
LORA = '--model.lora={"rank": 4}'


def fit_arguments(root: Path, *words: str) -> list[str]:
    return [
        "fit",
        f"--config={CONFIG}",
        f"--trainer.default_root_dir={root}",
        f"--trainer.max_steps={STEPS}",
        "--trainer.enable_progress_bar=false",
        "--trainer.log_every_n_steps=1",
        "--trainer.val_check_interval=4",
        "--checkpoint.every_n_steps=2",
        "--data.max_tokens=300",
        "--data.tokens_per_batch=600",
        "--data.rows_per_batch=2",
        "--data.train.max_tokens=300",
        "--data.val.max_tokens=300",
        f"--model.backbone.config={json.dumps(SIZES)}",
        *words,
    ]


def recorder(root: Path, kill_at: int = 0) -> list[str]:
    return [
        "--trainer.callbacks+=tests.helpers.runs.Recorder",
        f"--trainer.callbacks.path={root / 'losses'}",
        f"--trainer.callbacks.kill_at={kill_at}",
    ]


def losses(root: Path) -> dict[int, float]:
    return {n: float.fromhex(loss) for n, loss in read_losses(root / "losses").items()}


def last(root: Path) -> dict[str, torch.Tensor]:
    return weights(root / "checkpoints" / "last.ckpt")


def same_run(ours: Path, theirs: Path, rel: float) -> None:
    """Both have the same losses, of training and validation, and almost the same weights."""
    assert losses(ours) == pytest.approx(losses(theirs), rel=rel)
    assert logged(ours, "val_loss") == pytest.approx(logged(theirs, "val_loss"), rel=rel)
    for name, tensor in last(theirs).items():
        torch.testing.assert_close(last(ours)[name], tensor, rtol=1e-3, atol=1e-4)


class Numbers:
    """A stream of samples of 1 to 40 tokens, every token the sample's number."""

    max_tokens = 40

    def length(self, index: int) -> int:
        return int(rng(0, "length", index).integers(1, 41))

    def sample(self, index: int) -> Example:
        ids = np.full(self.length(index), index, np.int32)
        return Example(ids, ids)

    def fingerprint(self) -> dict[str, str]:
        return {"seed": "0"}


def samples(batch: dict[str, torch.Tensor]) -> list[int]:
    """The numbers of the samples in a batch, in their order."""
    first = batch["input_ids"][batch["position_ids"] == 0]
    return [int(number) for number in first]


def loaders(rows: int | None, processes: int, packing: str = "packed") -> list[TrainLoader]:
    return [TrainLoader(Numbers(), 64, packing, 0, r, processes, rows) for r in range(processes)]


@pytest.mark.parametrize("packing", ["packed", "padded"])
def test_any_number_of_processes_shares_the_same_batches(packing: str) -> None:
    whole = list(islice(loaders(6, 1, packing)[0], 12))
    for processes in (2, 3, 6):
        shares = loaders(6, processes, packing)
        batches = [list(islice(share, 12)) for share in shares]
        for k, alone in enumerate(whole):
            held = [samples(of[k]) for of in batches]
            assert all(held)
            assert sorted(number for share in held for number in share) == sorted(samples(alone))
            for of in batches:
                limit = 6 // processes * 64 + (40 if packing == "padded" else 0)
                assert of[k]["input_ids"].numel() <= limit
        assert all(share.state_dict() == shares[0].state_dict() for share in shares)
        again = loaders(6, 1, packing)[0]
        again.load_state_dict(shares[0].state_dict())
        assert samples(next(iter(again))) == samples(
            next(islice(loaders(6, 1, packing)[0], 12, 13))
        )
    assert max(batch["input_ids"].numel() for batch in whole) <= 6 * 64


def test_rows_of_one_process_become_one_row_without_padding() -> None:
    single, joined = loaders(None, 1)[0], loaders(3, 1)[0]
    rows = list(islice(single, 9))
    for k, batch in enumerate(islice(joined, 3)):
        for name, tensor in batch.items():
            parts = [row[name] for row in rows[3 * k : 3 * k + 3]]
            assert torch.equal(tensor, torch.cat(parts, dim=1))


def test_padded_rows_of_one_process_are_a_full_rectangle_of_like_samples() -> None:
    batches = list(islice(loaders(4, 1, "padded")[0], 20))
    for batch in batches:
        real = batch["attention_mask"].sum(1)
        assert (batch["labels"] != -100).sum() == (real - 1).sum()
        assert batch["input_ids"].numel() <= 4 * 64
    assert sum(float(b["attention_mask"].float().mean()) for b in batches) / 20 > 0.8


def test_without_a_number_of_rows_the_number_of_processes_is_part_of_the_state() -> None:
    with pytest.raises(CheckpointError, match=r"rows_per_batch differs: got '2'\. Expected '3'"):
        loaders(None, 3)[0].load_state_dict(loaders(None, 2)[0].state_dict())
    loaders(2, 1)[0].load_state_dict(loaders(None, 2)[0].state_dict())


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_every_known_answer_is_scored_once_and_all_processes_have_as_many_batches(
    count: int,
) -> None:
    batches = [[Numbers().sample(i)] for i in range(1, count + 1)]
    shares = [list(LossLoader(batches, "packed", rank, 3)) for rank in range(3)]
    assert {len(share) for share in shares} == {-(-count // 3)}
    scored = [b for share in shares for b in share if (b["labels"] != -100).any()]
    expected = [i for i in range(1, count + 1) if Numbers().length(i) > 1]
    assert sorted(number for b in scored for number in samples(b)) == expected
    assert len(LossLoader([], "packed", 2, 3)) == 0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A run of one process with some options, made once."""
    made: dict[tuple[str, ...], Path] = {}

    def run(*words: str) -> Path:
        if words not in made:
            root = made[words] = tmp_path_factory.mktemp("alone")
            assert run_arcflow([*fit_arguments(root, *words), *recorder(root)], root) == 0
        return made[words]

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        (),
        (LORA,),
        (
            "--trainer.accumulate_grad_batches=2",
            "--checkpoint.every_n_steps=0",
            "--data.packing=padded",
            "--data.workers=1",
            "--model.backbone.attention=sdpa",
        ),
    ],
    ids=["whole weights", "LoRA", "accumulation, padded"],
)
def test_two_processes_take_the_steps_of_one(
    words: tuple[str, ...], alone: Callable[..., Path], tmp_path: Path
) -> None:
    arguments = [*fit_arguments(tmp_path, *words), *recorder(tmp_path)]
    assert run_together(arguments, tmp_path, 2) == 0
    same_run(tmp_path, alone(*words), rel=1e-6)
    assert len(losses(tmp_path)) == STEPS


@pytest.mark.slow
@pytest.mark.parametrize("sharding", [False, True], ids=["ddp", "fsdp"])
def test_accumulated_rows_of_several_processes_are_one_large_batch(
    sharding: bool, alone: Callable[..., Path], tmp_path: Path
) -> None:
    large = alone(LORA, "--data.rows_per_batch=4", "--trainer.gradient_clip_val=0.5")
    words = [LORA, "--trainer.accumulate_grad_batches=2", "--trainer.gradient_clip_val=0.5"]
    if sharding:
        words += sharded("tests.helpers.sharded.CPUSharding")
    arguments = fit_arguments(tmp_path, *words, "--trainer.val_check_interval=8")
    # Killed between the batches of a step, and resumed.
    assert run_together([*arguments, *recorder(tmp_path, 7)], tmp_path, 2) == -9
    resume = [*arguments, *recorder(tmp_path), "--ckpt_path=last"]
    assert run_together(resume, tmp_path, 2) == 0
    steps = {number // 2: loss for number, loss in losses(tmp_path).items()}
    assert steps == pytest.approx(losses(large), rel=1e-6)
    for name, tensor in last(large).items():
        torch.testing.assert_close(last(tmp_path)[name], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_killed_together_and_resumed_is_the_same_run_bit_for_bit(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for root in (whole, killed):
        root.mkdir()
    dropout = '--model.lora={"rank": 4, "dropout": 0.1}'
    arguments = fit_arguments(killed, dropout)
    assert run_together([*fit_arguments(whole, dropout), *recorder(whole)], tmp_path, 2) == 0
    assert run_together([*arguments, *recorder(killed, 5)], tmp_path, 2) == -9
    resume = [*arguments, *recorder(killed), "--ckpt_path=last"]
    assert run_together(resume, tmp_path, 2) == 0
    assert read_losses(killed / "losses") == read_losses(whole / "losses")
    for name, tensor in last(whole).items():
        assert torch.equal(last(killed)[name], tensor), name


@pytest.mark.slow
def test_the_number_of_processes_may_change_at_a_resume(
    alone: Callable[..., Path], tmp_path: Path
) -> None:
    arguments = fit_arguments(tmp_path)
    assert run_together([*arguments, *recorder(tmp_path, 3)], tmp_path, 2) == -9
    resume = [*arguments, "--ckpt_path=last"]
    assert run_arcflow([*resume, *recorder(tmp_path, 5)], tmp_path) == -9
    assert run_together([*resume, *recorder(tmp_path)], tmp_path, 2) == 0
    same_run(tmp_path, alone(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "arcflow"])
def test_as_a_person_starts_it(launcher: str, alone: Callable[..., Path], tmp_path: Path) -> None:
    start = [sys.executable, "-m"]
    if launcher == "torchrun":
        start += ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    run = subprocess.run(
        [
            *start,
            "arcflow",
            *fit_arguments(tmp_path, "--trainer.devices=2", "--trainer.strategy=ddp"),
            "--checkpoint.export=trained",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    output = run.stdout + run.stderr
    assert output.count("exported: ") == 1
    assert "Warning" not in output
    assert (tmp_path / "model" / "model.safetensors").exists()
    theirs = logged(alone(), "train_loss")
    assert logged(tmp_path, "train_loss") == pytest.approx(theirs, rel=1e-5)
    assert len(list(tmp_path.glob("logs/*"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--data.rows_per_batch=3"],
            "data.rows_per_batch: the processes cannot share the rows equally: got 3. Expected a "
            "multiple of the number of processes, 2. Set --data.rows_per_batch 2, or change "
            "--trainer.devices.",
        ),
        (
            ["--data.rows_per_batch=0"],
            "data.rows_per_batch is too small: got 0. Expected at least 1.",
        ),
    ],
)
def test_rows_that_cannot_be_shared(
    words: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_together([*fit_arguments(tmp_path), *words], tmp_path, 2) == 2
    output = capfd.readouterr().out
    assert message in output
    assert "Traceback" not in output
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for devices that are not there")
def test_devices_that_are_not_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--trainer.accelerator=gpu", "--trainer.devices=2"]
    assert run_arcflow(fit_arguments(tmp_path, *words), tmp_path) == 2
    output = capfd.readouterr().out
    assert "arcflow: the trainer cannot work so: No supported gpu backend found!" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_another_runs_folder_is_refused_by_every_process(
    alone: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_together(fit_arguments(alone()), tmp_path, 2) == 2
    output = capfd.readouterr().out
    assert "this folder holds the checkpoints of another run" in output
    assert "Traceback" not in output


def sharded(name: str) -> list[str]:
    """The options of configs/devices/fsdp.yaml for another class."""
    trainer = yaml.safe_load((CONFIGS / "devices" / "fsdp.yaml").read_text())["trainer"]
    options = trainer["strategy"]["init_args"]
    return [
        f"--trainer.strategy={name}",
        *(f"--trainer.strategy.{key}={value}" for key, value in options.items()),
    ]


@pytest.mark.slow
def test_a_sharded_model_takes_the_steps_of_a_whole_one(
    alone: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = fit_arguments(tmp_path, LORA, *sharded("tests.helpers.sharded.CPUSharding"))
    assert run_together([*arguments, *recorder(tmp_path, 5)], tmp_path, 2) == -9
    resume = [*arguments, "--ckpt_path=last", *recorder(tmp_path)]
    assert run_together(resume, tmp_path, 2) == 0
    assert "UserWarning" not in capfd.readouterr().out
    same_run(tmp_path, alone(LORA), rel=1e-5)

    # What it saved, one process loads, and exports.
    more = [*fit_arguments(tmp_path, LORA), "--ckpt_path=last", f"--trainer.max_steps={STEPS + 1}"]
    assert run_arcflow([*more, "--checkpoint.export=trained"], tmp_path) == 0
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [LORA, "--checkpoint.export=trained"],
            "checkpoint.export: no process has the whole model",
        ),
        (
            ['--model.lora={"rank": 4, "dora": true}'],
            "model.lora.dora: FSDP cannot shard such weights",
        ),
    ],
)
def test_what_a_sharded_model_cannot_do(
    words: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one = [*sharded("tests.helpers.sharded.CPUSharding"), "--trainer.devices=1"]
    assert run_arcflow(fit_arguments(tmp_path, *words, *one), tmp_path) == 2
    output = capfd.readouterr().out
    assert f"arcflow: {message}" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("name", ["ddp", "nodes", "fsdp"])
def test_device_configs_parse_beside_another(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(
            ["fit", "-c", CONFIG, "-c", str(CONFIGS / "devices" / f"{name}.yaml"), "--print_config"]
        )
    assert stop.value.code == 0
    trainer = yaml.safe_load(capsys.readouterr().out)["trainer"]
    own = yaml.safe_load((CONFIGS / "devices" / f"{name}.yaml").read_text())["trainer"]
    strategy = own.pop("strategy")
    assert trainer.items() >= own.items()
    assert trainer["max_steps"] == 3000
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Strategy, "strategy")
    made = parser.instantiate(parser.parse_object({"strategy": trainer["strategy"]})).strategy
    assert type(made).__name__ == strategy["class_path"].rpartition(".")[2]
    options = getattr(made, "kwargs", None) or made._ddp_kwargs
    assert options.get("auto_wrap_policy", wrap_policy) is wrap_policy
    assert options.get("gradient_as_bucket_view", True) is True
