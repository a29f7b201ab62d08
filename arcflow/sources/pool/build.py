"""Building of pools: many processes generate tasks of a source, and one writes them in order."""

import contextlib
import fcntl
import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from arcflow.core.errors import ArcflowError, ConfigError, DataError
from arcflow.core.files import put_in_place
from arcflow.core.grid import grid_key
from arcflow.core.task import Pair, Task
from arcflow.sources.base import Source, check_not_empty
from arcflow.sources.pool.file import PoolWriter, record_of

CHUNK = 32
"""The number of tasks that a process generates at a time."""

_Failure = tuple[str, Any, str, str]


@dataclass(frozen=True)
class Built:
    """What :func:`build_pool` wrote.

    Attributes:
        tasks: The number of tasks in the pool.
        pairs: The number of pairs in the pool.
        families: The number of families that the tasks belong to.
        bytes: The size of the file, in bytes.
        left_out: The number of tasks that the source could not give, or that had fewer than two
            pairs.
        reasons: The reasons why the first few of these are left out.
    """

    tasks: int
    pairs: int
    families: int
    bytes: int
    left_out: int
    reasons: tuple[str, ...]


@dataclass
class _Chunk:
    """Each task's family, source, number of pairs and record, and the error of each failure.

    Errors are held as their fields, as an ArcflowError cannot be sent back by another process.
    """

    tasks: list[tuple[str, str, int, bytes]]
    failures: list[_Failure]
    fatal: _Failure | None = None


def build_pool(
    path: str | Path,
    source: Source,
    tasks: int,
    *,
    seed: int = 0,
    processes: int = 1,
    overwrite: bool = False,
    strict: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Built:
    """Write tasks 0 to ``tasks`` - 1 of a source as a pool, whole or not at all.

    The bytes depend on the source, the seed and the number of tasks alone. Train and test pairs of
    a task are stored together, without pairs whose input occurs earlier in the task or whose output
    is not known.

    Args:
        path: The file to make.
        source: The source, which has to pickle if there are several processes.
        tasks: The number of tasks to generate, at least 1.
        seed: The seed of the tasks.
        processes: The number of processes that generate tasks.
        overwrite: Whether a file that exists is replaced.
        strict: Whether the first task that the source cannot give ends the build; otherwise it is
            left out.
        progress: A function that is called with the number of tasks made since its last call.

    Returns:
        What was written, and what was left out.

    Raises:
        ConfigError: A number is out of its range.
        DataError: The file exists, the disk is full, a process died, the source gives no task (with
            ``strict``: not all), or a task's original cannot be told from its id.
    """
    path = Path(path).expanduser()
    _check_target(path, tasks, processes, seed, overwrite)
    check_not_empty(source)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as file:
            built = _write(PoolWriter(file), source, tasks, seed, processes, strict, progress)
    except OSError as error:
        raise DataError(
            f"the pool cannot be written ({error.strerror})",
            value=str(error.filename or path),
            expected="a path to a file in a folder that can be written to, with room in it",
            next_step="Choose another path, or make room there.",
        ) from error
    except BrokenProcessPool as error:
        raise DataError(
            "a process that draws tasks died",
            value=f"{processes} processes",
            expected="processes that live until the pool is built; memory may have run out",
            next_step="Take fewer with --processes; with 1 the source's own error is seen.",
        ) from error
    return Built(**built, bytes=path.stat().st_size)


def _check_target(path: Path, tasks: int, processes: int, seed: int, overwrite: bool) -> None:
    """Refuse numbers out of their range, and a file that exists unless it may be replaced."""
    for name, value, low in (("tasks", tasks, 1), ("processes", processes, 1), ("seed", seed, 0)):
        if value < low:
            raise ConfigError(
                f"pool: bad number of {name}" if name != "seed" else "pool: bad seed",
                value=value,
                expected=f"at least {low}",
                next_step=f"Correct {name}.",
            )
    if path.exists() and not overwrite:
        raise DataError(
            f"{path}: there already",
            value=str(path),
            expected="a path where nothing is yet",
            next_step="Choose another path, or replace it with --overwrite.",
        )


def family_of(task_id: str, index: int, base_tasks: Collection[str], where: str = "") -> str:
    """Return the original that a task comes from, as its id tells.

    The original is the id, as it is or without the task's number, or the one word in it that is an
    original's id: ``00d62c1b``, ``00d62c1b/17`` and ``re-arc-00d62c1b-17`` come from 00d62c1b. For
    a source without originals the family is the id without the number, which is its generator.

    Args:
        task_id: The id of the task.
        index: The task's number in the source.
        base_tasks: The ids of the originals; empty if the source has none.
        where: The source, for error messages.

    Raises:
        DataError: There are originals, and the id names none or several.
    """
    stem = re.sub(rf"[-_./]{index}$", "", task_id)
    for family in (stem, task_id):
        if not base_tasks or family in base_tasks:
            return family
    found = {word for word in re.split(r"[^0-9A-Za-z]+", stem) if word in base_tasks}
    if len(found) == 1:
        return found.pop()
    raise DataError(
        f"{where}: cannot tell which original a task comes from".removeprefix(": "),
        value=task_id,
        expected=f"a task id such as ORIGINAL/{index}, so that the guard finds evaluated tasks",
        next_step="Let the source name its tasks so.",
    )


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that is moved to ``path`` once it is whole.

    It has one fixed name until then, so a build that was killed leaves at most one file, which the
    next build takes over.
    """
    # The same folder, because os.replace is atomic only within one file system.
    temporary = path.parent / f".{path.name}.tmp"
    with os.fdopen(os.open(temporary, os.O_RDWR | os.O_CREAT, 0o666), "rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous holder of the lock may have moved the file to its place.
            mine = os.path.samestat(os.fstat(file.fileno()), temporary.stat())
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise DataError(
                f"{path}: being built by another process",
                value=str(temporary),
                expected="one build of a pool at a time",
                next_step="Wait for it, or choose another path.",
            )
        try:
            file.truncate()
            yield file
            put_in_place(file, temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def _write(
    writer: PoolWriter,
    source: Source,
    tasks: int,
    seed: int,
    processes: int,
    strict: bool,
    progress: Callable[[int], None] | None,
) -> dict[str, Any]:
    """Write the whole pool and return the fields of :class:`Built` except ``bytes``."""
    numbers: dict[str, int] = {}
    families: list[dict[str, str]] = []
    pairs, left_out, reasons = 0, 0, dict[str, None]()
    starts = range(0, tasks, CHUNK)
    with contextlib.closing(_chunks(source, seed, starts, tasks, processes)) as chunks:
        for start, chunk in zip(starts, chunks, strict=True):
            if chunk.fatal is not None:
                raise _error(chunk.fatal)
            for failure in chunk.failures:
                error = _error(failure)
                if strict:
                    raise error
                left_out += 1
                if len(reasons) < 5:
                    reasons[str(error)] = None
            for family, origin, number, record in chunk.tasks:
                if family not in numbers:
                    numbers[family] = len(families)
                    families.append({"id": family, "source": origin})
                writer.add(record, numbers[family])
                pairs += number
            if progress is not None:
                progress(min(CHUNK, tasks - start))
    if not len(writer):
        raise _no_task(source, next(iter(reasons), None))
    writer.finish(
        {
            "name": source.name,
            "identity": source.fingerprint(),
            "seed": seed,
            "drawn": tasks,
            "left_out": left_out,
            "pairs": pairs,
            "families": families,
        },
        [
            {"id": task.id, "source": task.source, "task": task.to_json()}
            for task in source.base_tasks()
            if task.id in numbers
        ],
    )
    return {
        "tasks": len(writer),
        "pairs": pairs,
        "families": len(families),
        "left_out": left_out,
        "reasons": tuple(reasons),
    }


def _no_task(source: Source, reason: str | None) -> DataError:
    return DataError(
        f"{source.name}: no task for a pool",
        value=reason,
        expected="at least one task of two pairs",
        next_step="Choose another source or other options of it.",
    )


def _chunks(
    source: Source, seed: int, starts: range, tasks: int, processes: int
) -> Generator[_Chunk, None, None]:
    """Yield the chunks that begin at ``starts``, in order."""
    ends = [min(start + CHUNK, tasks) for start in starts]
    # Here, so that a source that cannot be read says so once, and not in processes that then die.
    base_tasks = frozenset(task.id for task in source.base_tasks())
    if processes == 1:
        for start, end in zip(starts, ends, strict=True):
            yield _draw(source, base_tasks, seed, start, end)
        return
    # Processes are spawned, as forking is unsafe with the thread of a progress bar.
    executor = ProcessPoolExecutor(
        min(processes, len(starts)),
        multiprocessing.get_context("spawn"),
        _begin,
        (source, base_tasks, seed),
    )
    waiting: deque[Future[_Chunk]] = deque()
    try:
        for start, end in zip(starts, ends, strict=True):
            waiting.append(executor.submit(_drawn, start, end))
            if len(waiting) > 4 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


_worker: tuple[Source, frozenset[str], int]


def _begin(source: Source, base_tasks: frozenset[str], seed: int) -> None:
    """Set up what a process keeps between its chunks."""
    global _worker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C goes to all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = source, base_tasks, seed


def _end_with_parent() -> None:
    """End this process when the first one dies, as it would otherwise wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _drawn(start: int, end: int) -> _Chunk:
    source, base_tasks, seed = _worker
    return _draw(source, base_tasks, seed, start, end)


def _draw(source: Source, base_tasks: frozenset[str], seed: int, start: int, end: int) -> _Chunk:
    chunk = _Chunk([], [])
    for index in range(start, end):
        try:
            task = source.task(seed, index)
            pairs = _different(task)
            if len(pairs) < 2:
                raise DataError(
                    f"{source.name}, task {task.id}: too few pairs",
                    value=len(pairs),
                    expected="at least 2 with different inputs and known outputs",
                    next_step="Leave this task out of the source.",
                )
            record = record_of(pairs, f"{source.name}, task {task.id}")
        except ArcflowError as error:
            chunk.failures.append(_fields(error))
            continue
        try:
            family = family_of(task.id, index, base_tasks, source.name)
        except DataError as error:
            # A task that the guard could not find must not be in a pool, nor be left out silently.
            chunk.fatal = _fields(error)
            break
        chunk.tasks.append((family, task.source, len(pairs), record))
    return chunk


def _fields(error: ArcflowError) -> _Failure:
    return error.what, error.value, error.expected, error.next_step


def _error(failure: _Failure) -> DataError:
    what, value, expected, next_step = failure
    return DataError(what, value=value, expected=expected, next_step=next_step)


def _different(task: Task) -> list[Pair]:
    """Return a task's pairs with known outputs, each input once, at most 255 pairs."""
    found: dict[Any, Pair] = {}
    for pair in (*task.train, *task.test):
        if pair.output is not None:
            found.setdefault(grid_key(pair.input), pair)
    return list(found.values())[:255]
