"""Packing of an endless stream of samples of known lengths into rows of a token budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import ConfigError
from arcflow.text.encode import IGNORED_LABEL, Example

LOOKAHEAD = 128
PATIENCE = 10_000

Packing = Literal["packed", "padded"]


class PackerState(TypedDict):
    """The state of a packer as plain data.

    Attributes:
        next: The first index whose length was not read yet.
        pending: The indices that were read and wait for a row, oldest first.
        lengths: The lengths of the pending samples in tokens.
        skipped: The number of indices passed over so far because they had no length.
    """

    next: int
    pending: list[int]
    lengths: list[int]
    skipped: int


class Packer:
    """A packer of the indices 0, 1, 2, ... into rows; every index with a length is in one row.

    A row starts with the oldest waiting index, so that no sample waits longer than ``lookahead``
    rows and short samples are not favoured: the share of tokens of each task is that of the stream.
    The rest of the row is chosen among the waiting samples.

    Args:
        length: A function that returns the number of tokens of the sample with an index; 0 if there
            is no such sample.
        budget: The largest number of tokens of a row; in padded rows, with the padding.
        packing: "packed" fills a row as full as the waiting samples allow (a subset-sum over them,
            older ones preferred); "padded" takes samples of similar lengths, such that their number
            times the longest length stays within the budget.
        lookahead: The largest number of samples that wait.
    """

    def __init__(
        self,
        length: Callable[[int], int],
        budget: int,
        packing: Packing = "packed",
        lookahead: int = LOOKAHEAD,
    ) -> None:
        self._length, self._budget, self._lookahead = length, budget, lookahead
        self._choose = _fullest if packing == "packed" else _most_alike
        self._next = 0
        self._skipped = 0
        self._pending: list[int] = []
        self._lengths: list[int] = []

    def row(self) -> tuple[int, ...]:
        """Return the indices of the next row.

        Returns:
            The indices in ascending order.

        Raises:
            ConfigError: If a sample is longer than the budget, or if 10,000 indices in a row had no
                sample.
        """
        self._read_ahead()
        chosen = self._choose(self._lengths, self._budget)
        row = tuple(self._pending[i] for i in chosen)
        for i in reversed(chosen):
            del self._pending[i], self._lengths[i]
        return row

    def state(self) -> PackerState:
        """Return a copy of the packer's state."""
        return {
            "next": self._next,
            "pending": list(self._pending),
            "lengths": list(self._lengths),
            "skipped": self._skipped,
        }

    def restore(self, state: PackerState) -> None:
        """Continue exactly as the packer that returned the state.

        Args:
            state: A state from :meth:`state`.
        """
        self._next, self._skipped = state["next"], state["skipped"]
        self._pending, self._lengths = list(state["pending"]), list(state["lengths"])

    def _read_ahead(self) -> None:
        barren = 0
        while len(self._pending) < self._lookahead:
            length = self._length(self._next)
            if length > self._budget:
                raise ConfigError(
                    f"sample {self._next} is longer than a row",
                    value=length,
                    expected=f"at most {self._budget} tokens",
                    next_step="Lower the longest sample's length or raise the token budget.",
                )
            if length > 0:
                barren = 0
                self._pending.append(self._next)
                self._lengths.append(length)
            else:
                barren += 1
                self._skipped += 1
            self._next += 1
            if barren == PATIENCE:
                raise ConfigError(
                    "no training sample fits the context",
                    value=f"{PATIENCE} samples in a row without one that fits",
                    expected="tasks that fit after losing train pairs",
                    next_step="Raise the longest sample's length, or choose smaller tasks.",
                )


def _fullest(lengths: Sequence[int], budget: int) -> list[int]:
    """Return positions of the oldest sample and others that fill the budget best, ascending.

    A bit set of reachable sums grows by one sample at a time in order of age; the walk back takes
    the fewest young samples. It stops as soon as a full row is reachable.
    """
    capacity = budget - lengths[0]
    within = (1 << (capacity + 1)) - 1
    reachable = [1]
    for length in lengths[1:]:
        if reachable[-1] >> capacity:
            break
        reachable.append((reachable[-1] | reachable[-1] << length) & within)
    target = reachable[-1].bit_length() - 1
    chosen = []
    for i in range(len(reachable) - 1, 0, -1):
        if not reachable[i - 1] >> target & 1:
            chosen.append(i)
            target -= lengths[i]
    return [0, *reversed(chosen)]


def _most_alike(lengths: Sequence[int], budget: int) -> list[int]:
    """Return positions of the oldest sample and others of similar lengths, ascending.

    They form the rectangle within the budget that holds the most tokens.
    """
    by_length = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    oldest = by_length.index(0)
    until = [0, *accumulate(lengths[i] for i in by_length)]
    best = (0, 0, 0)
    for last in range(oldest, len(by_length)):
        first = max(0, last + 1 - budget // lengths[by_length[last]])
        if first > oldest:
            break
        best = max(best, (until[last + 1] - until[first], first, last + 1))
    return sorted(by_length[best[1] : best[2]])


@dataclass(frozen=True, slots=True, eq=False)
class PackedRow:
    """Samples one after the other, in int64 arrays of shape (T,) for T tokens in all.

    Attributes:
        input_ids: The token ids.
        labels: The labels, aligned with ``input_ids`` (not shifted), -100 where not scored; the
            first token of a sample is never scored, because only the sample before it could predict
            it.
        position_ids: The positions, which restart at 0 with every sample.
    """

    input_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    position_ids: NDArray[np.int64]


def pack_examples(examples: Sequence[Example]) -> PackedRow:
    """Join samples of any lengths into one row.

    Args:
        examples: One or more samples.

    Returns:
        The row, of shape (T,) for T tokens of all samples together.
    """
    labels = np.concatenate([e.labels for e in examples]).astype(np.int64)
    lengths = [len(e.input_ids) for e in examples]
    labels[[0, *accumulate(lengths[:-1])]] = IGNORED_LABEL
    return PackedRow(
        np.concatenate([e.input_ids for e in examples]).astype(np.int64),
        labels,
        np.concatenate([np.arange(n) for n in lengths]),
    )


def pad_examples(examples: Sequence[Example]) -> dict[str, NDArray[Any]]:
    """Return samples as the rows of a rectangle that is padded on the right.

    Args:
        examples: One or more samples.

    Returns:
        ``input_ids``, ``labels``, ``position_ids`` and ``attention_mask``, each int64 of shape (B,
        L) for B samples, of which the longest has L tokens. The padding has id 0, label -100 and
        mask 0.
    """
    shape = (len(examples), max(len(e.input_ids) for e in examples))
    input_ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    labels = np.full(shape, IGNORED_LABEL, np.int64)
    for i, example in enumerate(examples):
        n = len(example.input_ids)
        input_ids[i, :n], labels[i, 1:n], mask[i, :n] = example.input_ids, example.labels[1:], 1
    positions = np.broadcast_to(np.arange(shape[1]), shape).copy()
    return {
        "input_ids": input_ids,
        "labels": labels,
        "position_ids": positions,
        "attention_mask": mask,
    }
