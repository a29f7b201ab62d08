"""Exports appear whole or not at all."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from arcflow.core.errors import CheckpointError
from arcflow.modules import whole_folder as whole_folder_module
from arcflow.modules.whole_folder import whole_folder
from tests.helpers.disks import mounted
from tests.helpers.training import module

FILES = ("config.json", "model.safetensors", "tokenizer_config.json", "arcflow.json")


def write(folder: Path, text: str, files: tuple[str, ...] = FILES) -> None:
    with whole_folder(folder) as new:
        for name in files:
            (new / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("exchange", [True, False])
def test_an_older_export_is_replaced_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(whole_folder_module, "_exchange", lambda *_: False)
    folder = tmp_path / "model"
    write(folder, "old", (*FILES, "model-00002-of-00002.safetensors"))
    write(folder, "new")
    assert content(folder) == dict.fromkeys(FILES, "new")
    assert os.listdir(tmp_path) == ["model"]


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    write(tmp_path, "old", (*FILES, "model-00002-of-00002.safetensors"))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "model of a car").mkdir()
    write(tmp_path, "new")
    shutil.rmtree(tmp_path / "model of a car")
    assert content(tmp_path) == dict.fromkeys(FILES, "new") | {"notes.txt": "mine"}


def test_an_export_that_fails_leaves_the_older_one(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    write(folder, "old")

    def fail() -> None:
        with whole_folder(folder) as new:
            (new / "config.json").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert content(folder) == dict.fromkeys(FILES, "old")
    assert os.listdir(tmp_path) == ["adapter"]


def test_killed_at_any_moment_an_export_is_whole(tmp_path: Path) -> None:
    folder, moments = tmp_path / "model", random.Random(0)
    write(folder, "0" * 50_000)
    for _ in range(25):
        child = os.fork()
        if child == 0:
            for i in range(1_000_000):
                write(folder, str(i % 10) * 50_000)
        time.sleep(0.002 + moments.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = content(folder)
        assert found.keys() == set(FILES)
        assert len(set(found.values())) == 1


@pytest.mark.parametrize("how", ["export", "merge"])
def test_a_full_disk_leaves_the_older_export_and_names_the_folder(tmp_path: Path, how: str) -> None:
    made = module(tokenizer="characters")
    made.configure_model()
    with mounted(tmp_path / "disk", "200k") as disk:
        folder = disk / "out"
        write(folder, "old")
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "ballast").write_bytes(b"x" * (free - 12_288))
        with pytest.raises(CheckpointError) as error:
            getattr(made, how)(folder)
        assert content(folder) == dict.fromkeys(FILES, "old")
        assert sorted(os.listdir(disk)) == ["ballast", "out"]
    message = str(error.value)
    assert message.startswith(
        f"the export cannot be written (No space left on device): got '{folder}'. "
    )
    assert ".unfinished" not in message
