"""Samples by number, made by worker processes or in this one, always in the same order."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from arcflow.core.errors import ArcflowError
from arcflow.text.encode import Example

CHUNK = 16
"""The number of samples that a worker makes at a time."""


class Stream(Protocol):
    """A stream of samples, such as ``TaskStream``.

    Attributes:
        max_tokens: The longest sample, in tokens.
    """

    max_tokens: int

    def sample(self, index: int) -> Example | None:
        """Return the sample with this number, or None if there is none."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """Return what the samples depend on, as strings by name."""
        ...


class SamplePrefetcher:
    """The samples of a stream, made in order and kept until they are taken.

    Args:
        stream: The stream of samples.
        workers: The number of processes that make samples; 0 makes them in this process.
        pending: The numbers of the samples that are made first, ascending.
        begin: The number from which on all samples follow.

    Attributes:
        iterator: The iterator over the worker processes' results.
    """

    def __init__(self, stream: Stream, workers: int, pending: Sequence[int], begin: int) -> None:
        loader = DataLoader(
            _Chunks(stream),
            sampler=_Numbers(pending, begin),
            batch_size=None,
            num_workers=workers,
            collate_fn=_same,
            worker_init_fn=_init_worker,
            # Its own generator: the default would draw from torch's global one.
            generator=torch.Generator(),
        )
        self.iterator = iter(loader)
        self._made: dict[int, Example | None] = {}
        self._last = -1
        self._skipped: list[int] = []

    def length(self, index: int) -> int:
        """Return the number of tokens of a sample that was not taken yet, or 0 without a sample.

        Args:
            index: The sample's number.

        Raises:
            ArcflowError: If making the sample failed because of a user's mistake.
        """
        while index > self._last:  # numbers come ascending, so a skipped one never comes
            made = next(self.iterator)
            if isinstance(made, _Mistake):
                raise made.error()
            self._made.update(made)
            self._last = made[-1][0]
        example = self._made[index]
        if example is None:
            del self._made[index]
            self._skipped.append(index)
            return 0
        return len(example.input_ids)

    def take(self, index: int) -> Example:
        """Return a sample and drop it.

        Args:
            index: The number of a sample that exists and was not taken yet.
        """
        self.length(index)  # a sample that was pending when the state was saved may not be made
        example = self._made.pop(index)
        assert example is not None
        return example

    def take_skipped(self) -> list[int]:
        """Return the numbers without a sample that were met since the last call."""
        skipped, self._skipped = self._skipped, []
        return skipped


class _Numbers:
    """A sampler that yields chunks of numbers, the pending ones first."""

    def __init__(self, pending: Sequence[int], begin: int) -> None:
        self._pending, self._begin = list(pending), begin

    def __iter__(self) -> Iterator[list[int]]:
        for at in range(0, len(self._pending), CHUNK):
            yield self._pending[at : at + CHUNK]
        begin = self._begin
        while True:
            yield list(range(begin, begin + CHUNK))
            begin += CHUNK


_Made = list[tuple[int, Example | None]]


@dataclass(frozen=True)
class _Mistake:
    """A user's mistake on its way out of a worker.

    An error that is raised in a worker arrives as its message alone, from which torch cannot make
    an ArcflowError again, below a traceback of both processes. It is therefore returned.
    """

    kind: type[ArcflowError]
    what: str
    value: object
    expected: str
    next_step: str

    def error(self) -> ArcflowError:
        return self.kind(
            self.what, value=self.value, expected=self.expected, next_step=self.next_step
        )


class _Chunks(Dataset[_Made | _Mistake]):
    """A map-style dataset from numbers to samples."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __getitem__(self, numbers: Sequence[int]) -> _Made | _Mistake:
        try:
            return [(index, self._stream.sample(index)) for index in numbers]
        except ArcflowError as e:
            return _Mistake(type(e), e.what, e.value, e.expected, e.next_step)


def _same(batch: Any) -> Any:
    return batch


def _init_worker(_worker: int) -> None:
    # Whoever ends a run sends SIGTERM to all of its processes, but the trainer's still needs its
    # samples to finish a step.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    torch.set_num_threads(1)
    # A forked tokenizer has no threads left; without this it warns of that at every start.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _end_with(parent: int) -> None:
    """End this process soon after its parent, however that ended, or when the parent says so.

    torch's own watch is not enough: a worker whose samples fill the pipe to a parent that was
    killed waits until they are read, and the pipe stays open as long as workers hold its ends.
    """
    while os.getppid() == parent:
        info = signal.sigtimedwait({signal.SIGTERM}, 1)
        if info is not None and info.si_pid == parent:
            os._exit(0)
    os._exit(1)
