"""Samples by number, made by worker processes or here, the same and in the same order."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from arcflow.core.errors import ArcflowError
from arcflow.text.encode import Example

CHUNK = 16
"""Samples that a worker makes at a time."""


class Stream(Protocol):
    """Where samples come from; ``TaskStream`` is one."""

    max_tokens: int

    def sample(self, index: int) -> Example | None:
        """The sample; None where there is none of this number."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """What the samples depend on."""
        ...


class SamplePrefetcher:
    """Samples by number, made in order and kept until they are taken.

    Args:
        stream: makes them.
        workers: processes that do; 0 makes them here.
        pending: numbers that come first, ascending.
        begin: the numbers from here on follow.
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
        """Tokens of a sample that was not taken yet, 0 where there is none."""
        while index > self._last:  # numbers come ascending: what is missing below never comes
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
        """The sample; it is not kept any longer."""
        self.length(index)  # one that waited when the state was taken may not be made yet
        example = self._made.pop(index)
        assert example is not None
        return example

    def take_skipped(self) -> list[int]:
        """Numbers without a sample that were met since this was last asked."""
        skipped, self._skipped = self._skipped, []
        return skipped


class _Numbers:
    """Sampler: chunks of numbers, those that wait first."""

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
    """A user's mistake on its way out of a worker: raised there, torch could not make it anew
    from its message alone, and its words would end a page of both processes' code."""

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
    """Map-style: numbers to samples."""

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
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    torch.set_num_threads(1)
    # A forked tokenizer has no threads left; without this it says so on every start.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _end_with(parent: int) -> None:
    """End this process soon after its parent, however that ended.

    torch's own watch does not do: a worker whose samples fill the pipe to a parent that was
    killed waits for somebody to read them, and no end of the pipe closes while workers hold it.
    """
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
