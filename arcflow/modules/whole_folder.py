"""Folders of exported models and adapters that appear whole or not at all."""

import contextlib
import ctypes
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from arcflow.core.errors import CheckpointError
from arcflow.core.files import sync_folder
from arcflow.modules.adapter_files import RECORD

_EXPORTED = re.compile(
    r"(adapter_config|arcflow|config|generation_config|tokenizer\w*|special_tokens_map|"
    r"added_tokens|vocab)\.json|(adapter_)?model\S*\.(safetensors|bin|json)|merges\.txt|"
    r"chat_template\.\w+|tokenizer\.model"
)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextlib.contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """Replace an export at the block's end by what was written in the block.

    A new folder, and one that holds nothing but an older export, is replaced in one atomic step.
    In a folder that holds other files too, these stay, and the files of the export are replaced
    one by one, the record last.

    Args:
        folder: The folder of the export, which is made if it is missing.

    Yields:
        The folder to write to, an empty one beside it.

    Raises:
        CheckpointError: The disk is full or gone; the older export is unchanged.
    """
    # Resolved, as a folder such as "." can only be replaced by its full name.
    target = Path(folder).resolve()
    staging = target.parent / f".{target.name}.unfinished"
    try:
        shutil.rmtree(staging, ignore_errors=True)  # what a killed export left
        staging.mkdir(parents=True)
        yield staging
        _sync(staging)
        _move(staging, target)
    except (OSError, SafetensorError) as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(staging: Path, target: Path) -> None:
    try:
        found = [path.name for path in target.iterdir()]
    except FileNotFoundError:
        found = []
    if any(not _EXPORTED.fullmatch(name) for name in found):
        _move_files(staging, target)
    elif not found or not _exchange(staging, target):
        if found:
            # This file system cannot exchange two folders. Between the two steps there is none.
            old = staging.with_name(f".{target.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
            staging.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(staging, target)
    sync_folder(target.parent)


def _move_files(staging: Path, target: Path) -> None:
    """Replace an export file by file, beside other files; unfinished, it has no record."""
    (target / RECORD).unlink(missing_ok=True)
    new = sorted((path.name for path in staging.iterdir()), key=lambda name: name == RECORD)
    for path in target.glob("*model*.safetensors*"):
        if path.name not in new:  # a part of an older and larger model would be read with it
            path.unlink()
    for name in new:
        os.replace(staging / name, target / name)
    sync_folder(target)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one atomic step, and return whether the file system can do so."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    names = (os.fsencode(one), os.fsencode(other))
    done = renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    return bool(done == 0)


def _sync(folder: Path) -> None:
    """Flush the files of a folder to the disk."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    sync_folder(folder)


def _cannot_write(folder: str | Path, error: Exception) -> CheckpointError:
    why = error.strerror if isinstance(error, OSError) else None
    number = re.search(r"os error (\d+)", str(error))
    if number is not None:  # as safetensors reports it
        why = os.strerror(int(number[1]))
    return CheckpointError(
        f"the export cannot be written ({why or error})",
        value=str(folder),
        expected="a folder that can be written to, with room for one more export",
        next_step="Make room there. What was trained is in the run's checkpoints: export it with "
        "the same command, --ckpt_path last and one more of --trainer.max_steps.",
    )
