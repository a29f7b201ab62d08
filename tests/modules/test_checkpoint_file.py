"""Checkpoint files survive a kill and a full disk, and a changed byte is refused."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from arcflow.core.errors import CheckpointError
from arcflow.modules.checkpoint_file import read_checkpoint, write_checkpoint
from tests.helpers.disks import mounted

SHARED = torch.arange(40.0)


def checkpoint(step: int = 0, numbers: int = 1000) -> dict[str, Any]:
    return {
        "pytorch-lightning_version": "2.6",
        "state_dict": {
            "model.a.lora_A.weight": torch.full((numbers,), float(step)),
            "model.empty": torch.zeros(0),
            "model.b": SHARED.view(4, 10),
            "model.tied": SHARED,
        },
        "optimizer_states": [{"state": {0: {"exp_avg": torch.full((50,), float(step))}}}],
        "global_step": step,
    }


def changed(path: Path, what: torch.Tensor) -> None:
    """Change one bit of the first place where the tensor's bytes are."""
    data = bytearray(path.read_bytes())
    data[data.index(what.numpy().tobytes()) + 5] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (torch.full((1000,), 3.0), "tensor model.a.lora_A.weight"),
        (SHARED, "tensor model.b and model.tied"),
    ],
)
def test_a_changed_byte_is_refused_by_the_name_of_the_tensor(
    tmp_path: Path, what: torch.Tensor, name: str
) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(checkpoint(3), path)
    assert read_checkpoint(path)["global_step"] == 3
    changed(path, what)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert f"{path}: {name} is not what was written there" in str(error.value)
    assert "Use another checkpoint of the run" in str(error.value)


def test_the_state_of_the_optimizer_and_the_structure_are_verified_too(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    state = torch.rand(50)
    made = checkpoint()
    made["optimizer_states"][0]["state"][0]["exp_avg"] = state
    write_checkpoint(made, path)
    changed(path, state)
    with pytest.raises(CheckpointError, match=r"tensor optimizer_states\[0\]\.state\.0\.exp_avg"):
        read_checkpoint(path)
    write_checkpoint(made, path)
    data = path.read_bytes().replace(b"global_step", b"global_stop", 1)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="the structure around the tensors is not what was"):
        read_checkpoint(path)


@pytest.mark.parametrize("length", [0, 1, 700, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(checkpoint(), path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="not a checkpoint, or damaged"):
        read_checkpoint(path)


def test_checksums_are_written_even_where_torch_was_told_not_to(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        write_checkpoint(checkpoint(), tmp_path / "last.ckpt")
        assert torch.serialization.get_crc32_options() is False
    finally:
        torch.serialization.set_crc32_options(True)
    read_checkpoint(tmp_path / "last.ckpt")


def save_for_ever(path: Path) -> None:
    for step in range(1, 1_000_000):
        write_checkpoint(checkpoint(step, 500_000), path)


def test_killed_within_fifty_saves_a_whole_checkpoint_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder and the place for temporary files lie on two file systems."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    moments, within = random.Random(0), 0
    with mounted(tmp_path / "disk", "16m") as disk:
        path = disk / "last.ckpt"
        write_checkpoint(checkpoint(0, 500_000), path)
        for _ in range(50):
            child = os.fork()
            if child == 0:
                save_for_ever(path)
            time.sleep(0.003 + moments.random() * 0.02)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            found = read_checkpoint(path)
            assert found["state_dict"]["model.a.lora_A.weight"][-1] == found["global_step"]
            others = [p.name for p in disk.iterdir() if p != path]
            assert others in ([], [".unfinished.tmp"])
            within += len(others)
        assert within > 5  # killed within a save, not only between two
        write_checkpoint(checkpoint(), path)
        assert [p.name for p in disk.iterdir()] == ["last.ckpt"]


def test_a_full_disk_leaves_the_old_checkpoint_and_names_the_real_one(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "3m") as disk:
        path = disk / "last.ckpt"
        write_checkpoint(checkpoint(1, 500_000), path)
        with pytest.raises(CheckpointError) as error:
            write_checkpoint(checkpoint(2, 500_000), path)
        assert read_checkpoint(path)["global_step"] == 1
        assert [p.name for p in disk.iterdir()] == ["last.ckpt"]
    message = str(error.value)
    assert message.startswith(
        f"the checkpoint cannot be written (No space left on device): got '{path}'. "
    )
    assert "tmp" not in message.replace(str(tmp_path), "")


def test_the_space_of_two_checkpoints_is_enough(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "4300k") as disk:
        for step in range(4):
            write_checkpoint(checkpoint(step, 500_000), disk / "last.ckpt")
        assert read_checkpoint(disk / "last.ckpt")["global_step"] == 3
