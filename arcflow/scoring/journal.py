"""The journal of an evaluation: append-only, checksummed lines that survive a killed writer.

Each line is a JSON object ``{"crc32":"xxxxxxxx","entry":{...}}``, whose checksum is taken over the
exact bytes of the entry. The first entry is the header: the format's number and a description of
the run that the journal belongs to. Appended entries are on the disk when ``append`` returns.
"""

import contextlib
import errno
import fcntl
import json
import logging
import os
import weakref
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from arcflow.core.errors import CheckpointError, ConfigError, DataError
from arcflow.core.files import sync_folder, write_whole
from arcflow.core.json_file import read_bytes

FORMAT = 1

_START, _MIDDLE, _END = b'{"crc32":"', b'","entry":', b"}"
_ENTRY = len(_START) + 8 + len(_MIDDLE)  # the offset of the entry in its line

_ANOTHER_RUN = (
    "Give this run another folder (--trainer.default_root_dir), or start the evaluation anew "
    "with --pass_n.overwrite true."
)
_DAMAGED = (
    "The file was changed or damaged after it was written: put a good copy back, or start the "
    "evaluation anew with --pass_n.overwrite true."
)

_log = logging.getLogger(__name__)
_open: "weakref.WeakSet[Journal]" = weakref.WeakSet()


class Journal:
    """A journal that is open for appending by one writer at a time; :meth:`open` makes it.

    Attributes:
        path: The file of the journal.
        entries: All entries that are on the disk, without the header.
    """

    def __init__(self, path: Path, handle: int, entries: list[dict[str, Any]], end: int) -> None:
        self.path, self.entries = path, entries
        self._handle, self._end = handle, end
        # Garbage collection closes it too: a lock that nobody can release would block the next run.
        self._close = weakref.finalize(self, os.close, handle)
        _open.add(self)

    @classmethod
    def open(cls, path: str | Path, run: Mapping[str, Any]) -> "Journal":
        """Begin a journal, or continue the one that is there.

        A torn last line, which a killed writer leaves, is cut off, and a warning is logged.

        Args:
            path: The file; its folder is made if it is missing.
            run: What the run's results depend on, as plain JSON values by name.

        Returns:
            The journal, locked for this process.

        Raises:
            CheckpointError: The journal is of another run or format; the message names the first
                field that differs.
            ConfigError: Another process has the journal open.
            DataError: A line before the last is damaged, the file is no journal, or it cannot be
                written.
        """
        path = Path(path)
        handle = _open_locked(path)
        try:
            data = read_bytes(path)
            header, entries, end = _parse(data, path)
            if header is None:
                line = _line(_header(run))
                _write(handle, 0, line, path, 0)
                sync_folder(path.parent)
                end = len(line)
            else:
                check_run(header, run, path)
                if end < len(data):
                    os.ftruncate(handle, end)
                    os.fsync(handle)
        except BaseException:
            os.close(handle)
            raise
        return cls(path, handle, entries, end)

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write entries to the disk, all of them or, if that fails, none.

        Args:
            entries: The entries, each plain JSON values by name.

        Raises:
            DataError: The disk is full or gone; the journal is left as it was.
            ValueError: An entry holds NaN or an infinity, which are not JSON.
        """
        lines = [_line(entry) for entry in entries]
        data = b"".join(lines)
        _write(self._handle, self._end, data, self.path, len(self.entries))
        self._end += len(data)
        # Stored as a reader would get them, so that the caller may change its own objects.
        self.entries.extend(json.loads(line[_ENTRY : -len(_END) - 1]) for line in lines)

    def close(self) -> None:
        """Close the file and release its lock; closing again does nothing."""
        self._close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _close_in_child() -> None:
    # A lock lasts as long as any process has the file open, so a loader's worker or an engine that
    # outlives a killed evaluation would keep the next one out.
    for journal in list(_open):
        journal.close()


os.register_at_fork(after_in_child=_close_in_child)


def read_journal(path: str | Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the header and entries of a journal, which may still be written to.

    A torn last line is left out.

    Returns:
        The header ``{"format": 1, "run": {...}}``, and the entries in the order in which they were
        appended.

    Raises:
        CheckpointError: The journal has another format.
        DataError: The file is missing, is no journal, or has a damaged line before the last.
    """
    header, entries, _ = _parse(read_bytes(path), Path(path))
    if header is None:
        _not_a_journal(Path(path), b"")
    return header, entries


def is_journal(data: bytes) -> bool:
    """Return whether a file that begins with these bytes is a journal."""
    return data.startswith(_START)


def write_journal(
    path: str | Path, run: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]
) -> None:
    """Write a whole journal in place of the file at ``path``, in one atomic step.

    Args:
        path: The file to replace.
        run: What the run's results depend on, as plain JSON values by name.
        entries: All entries, each plain JSON values by name.

    Raises:
        ConfigError: The journal at ``path`` is open, in this process or another.
        DataError: The file cannot be written.
    """
    path = Path(path)
    data = b"".join([_line(_header(run)), *map(_line, entries)])
    handle = _open_locked(path) if path.exists() else None
    try:
        write_whole(path, data)
    except OSError as error:
        raise _no_place(path, error) from error
    finally:
        if handle is not None:
            os.close(handle)


def _header(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "run": dict(run)}


def _line(entry: Mapping[str, Any]) -> bytes:
    body = json.dumps(dict(entry), separators=(",", ":"), allow_nan=False).encode()
    return b"%s%08x%s%s%s\n" % (_START, zlib.crc32(body), _MIDDLE, body, _END)


def _read_line(line: bytes) -> dict[str, Any] | None:
    """Return the entry of a line without its line end, or None if the line is damaged."""
    body = line[_ENTRY : -len(_END)]
    if line != b"%s%08x%s%s%s" % (_START, zlib.crc32(body), _MIDDLE, body, _END):
        return None
    try:
        entry = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _parse(data: bytes, path: Path) -> tuple[dict[str, Any] | None, list[dict[str, Any]], int]:
    """Return the header, the entries and the length of the intact part of a journal in bytes.

    A torn header has no entries behind it: the header is then None and the length 0.
    """
    *lines, torn = data.split(b"\n")
    found: list[dict[str, Any]] = []
    end = 0
    for number, line in enumerate(lines, start=1):
        entry = _read_line(line)
        if entry is None:
            if number == 1 and not is_journal(line):
                _not_a_journal(path, line)
            if number < len(lines) or torn:
                raise DataError(
                    f"{path}, line {number}: not what was written there",
                    value=line,
                    expected="a line whose checksum is right",
                    next_step=_DAMAGED,
                )
            torn = line
            break
        if number == 1:
            _check_format(entry, path)
        found.append(entry)
        end += len(line) + 1
    if torn:
        if not found and not (_START.startswith(torn[: len(_START)]) or not torn.strip(b"\0")):
            _not_a_journal(path, torn)
        _log.warning(
            "%s, line %d: torn (%d bytes); dropped. A writer was stopped there; the %d entries "
            "before it are good.",
            path,
            len(found) + 1,
            len(data) - end,
            max(len(found) - 1, 0),
        )
    if not found:
        return None, [], 0
    return found[0], found[1:], end


def _check_format(header: Mapping[str, Any], path: Path) -> None:
    if header.get("format") != FORMAT or not isinstance(header.get("run"), dict):
        raise CheckpointError(
            f"{path}: a journal of another format",
            value=header.get("format"),
            expected=f"format {FORMAT}",
            next_step=_ANOTHER_RUN,
        )


def check_run(header: Mapping[str, Any], run: Mapping[str, Any], path: Path) -> None:
    """Refuse the journal of another run.

    Args:
        header: The header, as :func:`read_journal` returns it.
        run: What this run's results depend on, as plain JSON values by name.
        path: The path of the journal, for the message.

    Raises:
        CheckpointError: The runs differ; the message names the first field that does.
    """
    there = header["run"]
    for name in [*run, *(name for name in there if name not in run)]:
        was, is_now = (
            json.dumps(of[name], sort_keys=True) if name in of else "(nothing)"
            for of in (there, run)
        )
        if was != is_now:
            raise CheckpointError(
                f"{path}: the journal of another run, {name} differs",
                value=there.get(name, "(nothing)"),
                expected=f"{is_now} as in this run",
                next_step=_ANOTHER_RUN,
            )


def _open_locked(path: Path) -> int:
    """Open a file for reading and writing, creating it if needed, and take the writer's lock."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise _no_place(path, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                os.close(handle)
                if error.errno != errno.EWOULDBLOCK:
                    raise _no_place(path, error) from error
                raise ConfigError(
                    "another evaluation is writing this journal",
                    value=str(path),
                    expected="one evaluation at a time in a folder",
                    next_step="Wait until it has ended, or give this run another folder "
                    "(--trainer.default_root_dir).",
                ) from None
            _log.warning("%s: its file system has no locks; let only one run write it.", path)
        # The previous holder of the lock may have replaced the file that was opened here.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        os.close(handle)


def _write(handle: int, at: int, data: bytes, path: Path, entries: int) -> None:
    """Write ``data`` to the disk at the file's end, ``at``, or leave the file as it was."""
    written = 0
    try:
        os.ftruncate(handle, at)
        while written < len(data):  # a disk that fills up writes only a part
            written += os.pwrite(handle, data[written:], at + written)
        os.fsync(handle)
    except BaseException as error:
        # If even this fails, a torn line stays, which the next start drops.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, at)
            os.fsync(handle)
        if not isinstance(error, OSError):
            raise
        raise DataError(
            f"{path}: the journal cannot be written ({error.strerror})",
            value=f"{written} of {len(data)} bytes written",
            expected="free space on its disk",
            next_step=f"The journal is intact up to entry {entries}. Make room and run the same "
            "command again: it goes on from there.",
        ) from error


def _no_place(path: Path, error: OSError) -> DataError:
    return DataError(
        f"the journal cannot be written ({error.strerror})",
        value=str(path),
        expected="a path to a file in a folder that can be written to",
        next_step="Choose another folder, or make room there.",
    )


def _not_a_journal(path: Path, data: bytes) -> NoReturn:
    raise DataError(
        f"{path}: not a journal",
        value=data[:60],
        expected="a journal, as an evaluation writes it",
        next_step="Check the path.",
    )
