"""The folder of one run in a study: its record, its lock, and its clearing."""

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
    """The record in a run's folder.

    Attributes:
        arguments: All that the result depends on.
        state: "started", "failed" or "done".
        seconds: The wall-clock time in seconds of the process that did everything, or None if the
            run was interrupted.
    """

    arguments: Mapping[str, Any]
    state: str = STARTED
    seconds: float | None = None

    def write(self, folder: Path) -> None:
        """Replace the folder's record in one atomic step."""
        write_whole(folder / RECORD, json.dumps(vars(self), indent=1, default=str).encode())

    @classmethod
    def read(cls, folder: Path) -> "RunFolderRecord | None":
        """Return the folder's record, or None if it has none.

        Raises:
            DataError: The record is not one of a study.
        """
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
    """Return the last lines of a log that are not blank, at most eight."""
    text = log.read_text("utf-8", errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-_TAIL:]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a text for each argument that differs between two records."""
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
    """Refuse a folder that holds anything that no study put there.

    Raises:
        ConfigError: The folder holds other files; the message names some.
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
    """Remove what a run with other arguments left in the folder, its record last."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RECORD):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


@contextlib.contextmanager
def only_study(output: Path) -> Iterator[None]:
    """Keep other studies out of the folder while the block runs.

    Raises:
        ConfigError: Another study is running there, or the folder cannot be made.
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
