"""The folder of a model, whatever names it; GGUF files are converted once and kept in a cache."""

import contextlib
import functools
import hashlib
import importlib.metadata
import logging
import math
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.core.file_lock import FileLock
from arcflow.modules.gguf.checks import checked_header
from arcflow.modules.gguf.header import GGUFHeader
from arcflow.modules.gguf.tokenizer import unknown_splitting
from arcflow.modules.whole_folder import whole_folder
from arcflow.text.model_name import OPTION, gguf_file, package_folder

_log = logging.getLogger(__name__)

_FORMAT = 1
"""The version of what is written into a folder."""

_WAIT_SECONDS = 0.2


def model_folder(name: str) -> str:
    """Return what transformers and vLLM load for the name of a model.

    A GGUF file is converted to safetensors in float32, with its tokenizer, in a folder of
    ``~/.cache/arcflow/models`` (``$XDG_CACHE_HOME`` in place of ``~/.cache`` if it is set). The
    folder's name depends on all bytes of the file and on the versions of transformers and gguf, so
    a file is converted once, and any of its copies is found again.

    Args:
        name: The name as the user gave it: a GGUF file, a folder with one and no other weights,
            ``package:NAME`` for the folder of an installed package, or any other name.

    Returns:
        The folder; any other name unchanged.

    Raises:
        ConfigError: If a GGUF file cannot be read or converted.
    """
    file = gguf_file(name)
    if file is None:
        return package_folder(name)
    status = file.stat()
    return str(_converted(_cache(), file.resolve(), (status.st_mtime_ns, status.st_size)))


def tokenizer_folder(name: str) -> str:
    """Return what the tokenizer of a model is loaded from; see :func:`model_folder`.

    Args:
        name: The name of the model or of a tokenizer.

    Raises:
        ConfigError: As :func:`model_folder`, and if the file splits texts in an unknown way.
    """
    folder, file = model_folder(name), gguf_file(name)
    if file is not None and not (Path(folder) / "tokenizer.json").is_file():
        raise ConfigError(
            f"{OPTION}: the tokenizer in the GGUF file splits texts in a way that is not known",
            value={"tokenizer.ggml.pre": unknown_splitting(checked_header(file))},
            expected="a way that transformers reads, such as llama-bpe, qwen2 or smollm",
            next_step="Set --model.tokenizer to a folder with the model's own tokenizer.json.",
        )
    return folder


@functools.cache
def _converted(cache: Path, file: Path, stamp: tuple[int, int]) -> Path:
    """Return the folder of a file, made if it is missing; a file with a new stamp is read anew."""
    folder = cache / f"{re.sub(r'[^A-Za-z0-9._-]', '_', file.stem)[:80]}-{_digest(file)}"
    if (folder / "config.json").is_file():
        return folder
    header = checked_header(file)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _check_room(folder.parent, header)
        with _alone(folder):
            if not (folder / "config.json").is_file():  # another process may have been first
                _convert(file, header, folder)
    except (OSError, CheckpointError) as error:
        raise _unwritable(folder, error) from error
    return folder


def _convert(file: Path, header: GGUFHeader, folder: Path) -> None:
    from arcflow.modules.gguf.convert import convert

    _log.warning(
        "%s is converted to float32 in %s (%.1f GB), which takes about a minute and is done once.",
        file.name,
        folder,
        _bytes(header) / 1e9,
    )
    with whole_folder(folder) as new:
        convert(file, header, new)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "arcflow" / "models"


def _digest(file: Path) -> str:
    """Return a name for the content of a file and for what converts it."""
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256")
    except OSError as error:
        raise ConfigError(
            f"{OPTION}: the file cannot be read ({error.strerror})",
            value=str(file),
            expected="a GGUF file that this user may read",
            next_step="Correct the file's permissions.",
        ) from error
    versions = [importlib.metadata.version("transformers")]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        versions.append(importlib.metadata.version("gguf"))
    digest.update(repr((_FORMAT, versions)).encode())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process writes the folder, and keep others out meanwhile."""
    path = folder.with_name(f".{folder.name}.lock")
    while (lock := FileLock.acquire(path)) is None:
        time.sleep(_WAIT_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _bytes(header: GGUFHeader) -> int:
    return 4 * sum(math.prod(entry.shape) for entry in header.tensors.values())


def _check_room(folder: Path, header: GGUFHeader) -> None:
    free, needed = shutil.disk_usage(folder).free, _bytes(header)
    if free < needed:
        raise ConfigError(
            f"{OPTION}: there is no room for the model in float32",
            value=f"{free / 1e9:.1f} GB free in {folder}",
            expected=f"at least {needed / 1e9:.1f} GB",
            next_step="Make room there, or set XDG_CACHE_HOME to a folder on another disk.",
        )


def _unwritable(folder: Path, error: Exception) -> ConfigError:
    cause = error.__cause__ if isinstance(error, CheckpointError) else error
    return ConfigError(
        f"{OPTION}: the GGUF file cannot be converted ({cause})",
        value=str(folder),
        expected="a folder that can be written to",
        next_step="Make room there, or set XDG_CACHE_HOME to a folder on another disk.",
    )
