"""Running of a study's processes, each once, even if any of them is killed in between."""

import fcntl
import shlex
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from arcflow.studies.plan import StudyRun
from arcflow.studies.run_folder import (
    DONE,
    FAILED,
    LOCK,
    LOG,
    RunFolderRecord,
    changes,
    check_empty,
    clear,
    tail,
)

ARCFLOW = (sys.executable, "-m", "arcflow")
BUSY = "busy"
_GRACE = 10.0
"""The seconds that a child has to end after it was asked to."""


@dataclass
class Failure:
    """A run that failed, the reason, and the last lines of its log."""

    run: StudyRun
    reason: str
    tail: list[str]


@dataclass
class Progress:
    """The state of a study that is running, for whoever shows it.

    Attributes:
        total: The number of the study's runs.
        left: The stage of each run that has not ended yet, including those under way.
        current: The time at which each run under way began, by the clock of `time.monotonic`.
        waiting: The runs that a process left behind by a killed study is still doing.
        seconds: For each stage, the wall-clock seconds of each run that was done without
            interruption.
        messages: The messages that were not shown yet, in order; whoever shows them removes them.
    """

    total: int
    left: list[str] = field(default_factory=list)
    current: dict[str, float] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def finished(self) -> int:
        """The number of runs that need nothing more, including failed ones."""
        return self.total - len(self.left)


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    since: float
    resumed: bool


def run_all(
    runs: Sequence[StudyRun], jobs: int, progress: Progress
) -> Generator[list[Failure], None, None]:
    """Run what is not done yet, ``jobs`` processes at a time.

    This is a generator that yields the failures so far each time it has looked after its children;
    whoever iterates decides how often. When it is closed or interrupted, the children are stopped.

    Args:
        runs: The runs in the order of their start, each after its parent.
        jobs: The number of processes at a time.
        progress: The state of the study, which is kept up to date.

    Yields:
        The failures so far.
    """
    under_way = _UnderWay(runs, jobs, progress)
    try:
        while under_way.left or under_way.children:
            under_way.collect()
            under_way.launch()
            progress.left = [run.stage.name for run in (*under_way.children, *under_way.left)]
            yield under_way.failures
    finally:
        _stop([child.process for child in under_way.children.values()])


class _UnderWay:
    """The runs of a study: those that are left, the children at work, and what has ended."""

    def __init__(self, runs: Sequence[StudyRun], jobs: int, progress: Progress) -> None:
        self.left, self.failures = list(runs), list[Failure]()
        self.children: dict[StudyRun, _Child] = {}
        self._jobs, self._progress = jobs, progress
        self._done, self._bad = set[StudyRun](), set[StudyRun]()

    def collect(self) -> None:
        """Take note of the children that have ended."""
        progress = self._progress
        for run, child in list(self.children.items()):
            code = child.process.poll()
            if code is None:
                continue
            del self.children[run], progress.current[run.name]
            seconds = time.monotonic() - child.since
            failure = _ended(run, code, None if child.resumed else seconds)
            if failure is not None:
                self._fail(failure)
                continue
            self._done.add(run)
            if not child.resumed:
                progress.seconds.setdefault(run.stage.name, []).append(seconds)
            progress.messages.append(f"{run.name}: done in {clock(seconds)}")

    def launch(self) -> None:
        """Start runs whose parents are done, as long as there are fewer children than jobs."""
        for run in list(self.left):
            if run.parent in self._bad:
                self._fail(Failure(run, f"its {run.parent.stage.name} failed", []))
            elif len(self.children) >= self._jobs or (
                run.parent is not None and run.parent not in self._done
            ):
                continue
            else:
                started = _start(run, self._progress)
                if isinstance(started, _Child):
                    self.children[run] = started
                elif started == DONE:
                    self._done.add(run)
                else:
                    continue
            self.left.remove(run)

    def _fail(self, failure: Failure) -> None:
        self._bad.add(failure.run)
        self.failures.append(failure)
        self._progress.messages.append(f"{failure.run.name}: failed ({failure.reason})")


def _start(run: StudyRun, progress: Progress) -> _Child | str:
    """Start a run and return its child, or "done", or "busy".

    It is busy if a child of a killed study still works in the folder.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if run.name not in progress.waiting:
                progress.waiting.add(run.name)
                progress.messages.append(f"{run.name}: waiting for a process left behind")
            return BUSY
        progress.waiting.discard(run.name)
        record = _record(run, progress)
        if record is not None and record.state == DONE and run.output.is_file():
            if record.seconds is not None:
                progress.seconds.setdefault(run.stage.name, []).append(record.seconds)
            return DONE
        RunFolderRecord(run.arguments).write(run.folder)
        words = [*ARCFLOW, *run.words(), "--trainer.enable_progress_bar=false"]
        with (run.folder / LOG).open("ab") as log:
            log.write(f"\n{time.strftime('%Y-%m-%d %H:%M:%S')} {shlex.join(words)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # The child keeps the lock for as long as it lives, even if this process dies.
                pass_fds=[lock.fileno()],
            )
    since = time.monotonic()
    progress.current[run.name] = since
    return _Child(process, since, resumed=record is not None)


def _record(run: StudyRun, progress: Progress) -> RunFolderRecord | None:
    """Return the record of an earlier start to resume, or clear what another study's run left."""
    record = RunFolderRecord.read(run.folder)
    if record is None:
        check_empty(run.folder)
        return None
    changed = changes(record.arguments, run.arguments)
    if not changed:
        return record
    progress.messages.append(f"{run.name}: to be done again, {'; '.join(changed)}")
    clear(run.folder)
    return None


def _ended(run: StudyRun, code: int, seconds: float | None) -> Failure | None:
    """Record how a child ended and return its failure, if any."""
    reason = ""
    if code != 0:
        reason = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
    elif not run.output.is_file():
        reason = f"no {run.output.name} afterwards"
    state = FAILED if reason else DONE
    RunFolderRecord(run.arguments, state, None if reason else seconds).write(run.folder)
    if not reason:
        return None
    return Failure(run, reason, tail(run.folder / LOG))


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    until = time.monotonic() + _GRACE
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def clock(seconds: float) -> str:
    """Return a duration in seconds as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
