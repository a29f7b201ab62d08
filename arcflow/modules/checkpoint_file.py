"""Checkpoint files: written whole or not at all, and verified before they are used.

A checkpoint is a zip archive of torch. The archive holds a checksum (CRC-32) of every tensor and
of the structure around them, which torch writes but does not look at when it loads.
"""

import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_crc32_options, set_crc32_options

from arcflow.core.errors import CheckpointError
from arcflow.core.files import replacing

_UNFINISHED = ".unfinished.tmp"
_CHUNK = 1 << 22
_ANOTHER = "Use another checkpoint of the run, or start it again."

_verified: set[tuple[str, int, int]] = set()
"""Files that this process has verified: path, size in bytes, time of change in ns."""


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint in place of the one at ``path``, in one atomic step.

    The old checkpoint stays until the new one is complete beside it, in the same folder.

    Args:
        checkpoint: The checkpoint as Lightning makes it.
        path: The file to write.

    Raises:
        CheckpointError: The disk is full or gone; the old checkpoint is unchanged.
    """
    checksums = get_crc32_options()
    try:
        set_crc32_options(True)
        with replacing(path, _UNFINISHED) as file:
            torch.save(checkpoint, file)  # type: ignore[arg-type]
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint cannot be written ({error.strerror})",
            value=str(path),
            expected="a folder that can be written to, with room for one more checkpoint",
            next_step="Make room there, and continue from the last checkpoint with --ckpt_path "
            "last; what was at this path before is unchanged.",
        ) from error
    finally:
        set_crc32_options(checksums)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Verify and read a checkpoint; its tensors stay on the disk until they are used.

    Args:
        path: The checkpoint's file.

    Returns:
        The checkpoint as Lightning wrote it.

    Raises:
        CheckpointError: If the file is damaged, or is not one of Lightning's checkpoints.
    """
    verify_checkpoint(path)
    try:
        found = _load(path)
    except PermissionError:
        raise
    except Exception as error:  # bytes that are no checkpoint can raise any error
        raise _damaged(path, error) from error
    if not isinstance(found, dict) or not {"pytorch-lightning_version", "state_dict"} <= set(found):
        raise CheckpointError(
            f"{path}: written in another format",
            value=sorted(map(str, found))[:5] if isinstance(found, dict) else type(found).__name__,
            expected="a checkpoint of arcflow fit",
            next_step="Use a checkpoint of arcflow fit; an adapter goes to --model.adapter, a "
            "model folder to --model.backbone.model.",
        )
    return found


def verify_checkpoint(path: Path) -> None:
    """Compare everything in a checkpoint with its checksums, once for each file and process.

    Args:
        path: The checkpoint's file.

    Raises:
        CheckpointError: If a byte has changed since it was written; the message names the file
            and the tensor.
    """
    status = os.stat(path)
    key = (str(path.absolute()), status.st_size, status.st_mtime_ns)
    if key in _verified:
        return
    try:
        with zipfile.ZipFile(path) as archive:
            records = sorted(archive.infolist(), key=lambda record: record.header_offset)
            damaged = next((r for r in records if _checksum(archive, r) != r.CRC), None)
    except PermissionError:
        raise
    # What is no archive, or is cut off, can raise any of these.
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from error
    if damaged is not None:
        raise CheckpointError(
            f"{path}: {_described(path, records, damaged)} is not what was written there",
            value=f"a checksum that differs, in {damaged.filename}",
            expected=f"checksum {damaged.CRC:08x}",
            next_step=_ANOTHER,
        )
    _verified.add(key)


def _checksum(archive: zipfile.ZipFile, record: zipfile.ZipInfo) -> int:
    """Return the CRC-32 of a record's bytes as they are now."""
    value, expected = 0, record.CRC
    # The reader would stop at the first difference with an error that does not say where.
    with archive.open(record) as stream:
        stream._expected_crc = None  # type: ignore[attr-defined]
        while chunk := stream.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value if record.file_size else expected


def _described(path: Path, records: Sequence[zipfile.ZipInfo], damaged: zipfile.ZipInfo) -> str:
    """Return the names of the tensors that a record holds, or what else the record is."""
    held = [r for r in records if "/data/" in r.filename and r.file_size]
    if damaged not in held:
        return "the structure around the tensors"
    try:
        tensors = list(_tensors(_load(path)))
    except Exception:  # noqa: BLE001 (the structure may be damaged too)
        return f"a tensor ({damaged.filename})"
    places = sorted(
        {tensor.untyped_storage().data_ptr() for _, tensor in tensors if tensor.numel()}
    )
    names: list[str] = []
    if len(places) == len(held):
        # Mapped from the file, the tensors lie in memory in the order of their records.
        wanted = places[held.index(damaged)]
        names = [name for name, t in tensors if t.untyped_storage().data_ptr() == wanted]
    return f"tensor {' and '.join(names[:3])}" if names else f"a tensor ({damaged.filename})"


def _tensors(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor in nested containers, with the keys that lead to it."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            # The name of a parameter says enough; its dots are not a path.
            below = str(key) if name == "state_dict" else f"{name}.{key}".removeprefix(".")
            yield from _tensors(inner, below)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _tensors(inner, f"{name}[{number}]")


def _load(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pickles of other programs
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _damaged(path: Path, error: BaseException) -> CheckpointError:
    return CheckpointError(
        f"{path}: not a checkpoint, or damaged",
        value=f"{type(error).__name__}, {path.stat().st_size} bytes",
        expected="a whole checkpoint of arcflow fit",
        next_step=_ANOTHER,
    )
