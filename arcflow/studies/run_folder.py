"""A run's folder in a study: what it says of itself, its lock, and what is cleared away."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.files import write_whole
from arcflow.core.json_file import read_json

RECORD, LOG, LOCK = "study.json", "log.txt", ".study.lock"
DONE, STARTED, FAILED = "done", "started", "failed"
_TAIL = 8


@dataclass
class RunFolderRecord:
    """What a run's folder says of itself.

    Attributes:
        arguments: all that the result depends on.
        state: "started", "failed" or "done".
        seconds: wall clock of the process that did it all; None where it was interrupted.
    """

    arguments: Mapping[str, Any]
    state: str = STARTED
    seconds: float | None = None

    def write(self, folder: Path) -> None:
        """Replace the folder's record, atomically."""
        write_whole(folder / RECORD, json.dumps(vars(self), indent=1, default=str).encode())

    @classmethod
    def read(cls, folder: Path) -> "RunFolderRecord | None":
        """The folder's record; None where it has none."""
        if not (folder / RECORD).is_file():
            return None
        obj = read_json(folder / RECORD)
        if not isinstance(obj, dict) or set(obj) != {"arguments", "state", "seconds"}:
            raise DataError(
                f"{folder / RECORD}: not a record of a study",
                value=obj,
                expected="arguments, state and seconds",
                next_step="Remove the folder; its run is done again then.",
            )
        return cls(**obj)


def tail(log: Path) -> list[str]:
    """The last lines of a log that say something."""
    text = log.read_text("utf-8", errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-_TAIL:]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs, one text an argument."""
    now = json.loads(json.dumps(now, default=str))
    missing = object()
    return [
        f"{name} was {_shown(before, name)}, is {_shown(now, name)}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name, missing) != now.get(name, missing)
    ]


def _shown(arguments: Mapping[str, Any], name: str) -> str:
    return json.dumps(arguments[name]) if name in arguments else "not set"


def check_empty(folder: Path) -> None:
    """Refuse a folder with anything in it that no study put there.

    Raises:
        ConfigError: naming some of it.
    """
    others = sorted({path.name for path in folder.iterdir()} - {LOCK, f".{RECORD}.tmp"})
    if others:
        raise ConfigError(
            f"{folder}: holds files that are not this study's",
            value=others[:5],
            expected="an empty folder, or one of an earlier start of this study",
            next_step="Choose another --output, or remove the folder.",
        )


def clear(folder: Path) -> None:
    """Remove what a run with other arguments left; its record goes last."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RECORD):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


@contextlib.contextmanager
def only_study(output: Path) -> Iterator[None]:
    """Keep a second study out of the folder while the block runs.

    Raises:
        ConfigError: another one is running there, or the folder cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = (output / LOCK).open("w")
    except OSError as error:
        raise ConfigError(
            f"--output: the folder cannot be used ({error.strerror})",
            value=str(output),
            expected="a folder that can be made and written to",
            next_step="Choose another --output.",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "another study is running in this folder",
                value=str(output),
                expected="one at a time",
                next_step="Wait for it, or choose another --output.",
            ) from None
        yield
