"""Batches for each of several processes: from an endless stream (invariant 2), and from a list."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.datamodules.streams.prefetch import SamplePrefetcher, Stream
from arcflow.text.encode import IGNORED_LABEL, Example
from arcflow.text.pack import (
    LOOKAHEAD,
    Packer,
    Packing,
    pack_examples,
    pad_examples,
)

__all__ = ["LossLoader", "Stream", "StreamOfComponents", "TrainLoader", "check_rows"]

VERSION = 2
ENDLESS = 1_000_000_000

Batch = dict[str, Tensor]


@runtime_checkable
class StreamOfComponents(Protocol):
    """A stream that names the parts that its samples come from."""

    def part(self, index: int) -> str:
        """Return the name of the part that a sample comes from, by which samples are counted."""
        ...


def collate_packed(examples: Sequence[Example]) -> Batch:
    """Return samples as one row without padding.

    Returns:
        ``input_ids``, ``labels`` and ``position_ids``, each int64 of shape (1, T).
    """
    row = pack_examples(examples)
    return {
        "input_ids": torch.from_numpy(row.input_ids)[None],
        "labels": torch.from_numpy(row.labels)[None],
        "position_ids": torch.from_numpy(row.position_ids)[None],
    }


def collate_padded(examples: Sequence[Example]) -> Batch:
    """Return samples as the rows of a padded rectangle.

    Returns:
        ``input_ids``, ``labels``, ``position_ids`` and ``attention_mask``, which is 0 at padding,
        each int64 of shape (B, L).
    """
    return {name: torch.from_numpy(array) for name, array in pad_examples(examples).items()}


def check_rows(rows: int | None, world_size: int) -> None:
    """Refuse a number of rows that the processes cannot share equally.

    Args:
        rows: The rows of a batch of all processes; None is one row per process.
        world_size: The number of processes.

    Raises:
        ConfigError: If ``rows`` is not a multiple of ``world_size``.
    """
    if rows is not None and (rows < 1 or rows % world_size):
        raise ConfigError(
            "data.rows_per_batch: the processes cannot share the rows equally",
            value=rows,
            expected=f"a multiple of the number of processes, {world_size}",
            next_step=f"Set --data.rows_per_batch {world_size * max(1, rows // world_size)}, or "
            "change --trainer.devices.",
        )


class TrainLoader:
    """An endless, stateful loader of training batches.

    Lightning saves and restores its state with checkpoints. Workers make the samples in the order
    of their numbers, and the trainer's process decides which of them make a batch, so that the
    batches do not depend on the number of workers. The state is that of the batches handed out;
    samples that workers have made beyond them do not count. Samples that are pending when a state
    is saved are made again after it is restored.

    Args:
        stream: The stream of samples.
        tokens_per_batch: The token budget of a row.
        packing: "packed" or "padded"; see :class:`arcflow.text.pack.Packer`.
        workers: The number of processes that make samples.
        rank: This process's number among those that share the stream. Each of them makes all
            samples and packs all rows.
        world_size: The number of processes. Each takes an equal share of a batch's rows, joined to
            one batch of its own. "padded" rows are chosen as one rectangle, whose samples the
            processes share; a share may exceed its budget by up to one sample.
        rows: The rows of a batch of all processes; None is one row per process. Batches and state
            depend on this number alone, not on how many processes share the rows.

    Raises:
        ConfigError: If the budget is smaller than the stream's longest sample, or the processes
            cannot share the rows equally.
    """

    def __init__(
        self,
        stream: Stream,
        tokens_per_batch: int,
        packing: Packing = "packed",
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        rows: int | None = None,
    ) -> None:
        if tokens_per_batch < stream.max_tokens:
            raise ConfigError(
                "tokens_per_batch is smaller than the longest sample",
                value=tokens_per_batch,
                expected=f"at least max_tokens, {stream.max_tokens}",
                next_step="Raise tokens_per_batch or lower max_tokens.",
            )
        check_rows(rows, world_size)
        self._stream, self._budget, self._packing = stream, tokens_per_batch, packing
        self._workers, self._rank, self._world_size = workers, rank, world_size
        self._per_batch = rows or world_size
        self._batches = 0
        self._drawn: dict[str, list[int]] = {}
        self._passed: dict[str, int] = {}
        self._packer = Packer(_unread, self._budget, self._packing).state()
        # Lightning ends the workers of an iterator that it finds under this name.
        self._iterator: Any = None

    def __len__(self) -> int:
        """Return a number that is never reached.

        Lightning reads no batch ahead from a loader that has a length.
        """
        return ENDLESS

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches that follow the state; workers start with the first batch."""
        state = self._packer
        samples = SamplePrefetcher(self._stream, self._workers, state["pending"], state["next"])
        self._iterator = samples.iterator
        packer = self._new_packer(samples)
        packer.restore(state)
        collate = collate_packed if self._packing == "packed" else collate_padded
        pin = torch.cuda.is_available()
        while True:
            mine, others = self._share(packer)
            taken = [samples.take(index) for index in (*mine, *others)]
            for index, example in zip((*mine, *others), taken, strict=True):
                self._count(index, len(example.input_ids))
            for index in samples.take_skipped():
                part = self._part(index)
                self._passed[part] = self._passed.get(part, 0) + 1
            batch = collate(taken[: len(mine)])
            # Before the batch is used: a checkpoint written after its step must not repeat it.
            self._packer = packer.state()
            self._batches += 1
            yield {name: tensor.pin_memory() for name, tensor in batch.items()} if pin else batch

    @property
    def drawn(self) -> dict[str, tuple[int, int]]:
        """The samples and tokens that all processes were given so far, by part of the stream."""
        return {part: (samples, tokens) for part, (samples, tokens) in self._drawn.items()}

    @property
    def skipped_parts(self) -> dict[str, int]:
        """The number of samples that were passed over so far, by part of the stream."""
        return dict(self._passed)

    @property
    def skipped(self) -> int:
        """The number of samples that were passed over so far because they fit no context."""
        return self._packer["skipped"]

    def state_dict(self) -> dict[str, Any]:
        """Return the loader's state as plain data, which loads with ``weights_only=True``."""
        return {
            "version": VERSION,
            "identity": self._fingerprint(),
            "batches": self._batches,
            "packer": dict(self._packer),
            "drawn": {part: list(counts) for part, counts in self._drawn.items()},
            "skipped": dict(self._passed),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the batch after the last one that was handed out when a state was made.

        Args:
            state: A result of :meth:`state_dict`.

        Raises:
            CheckpointError: If the state belongs to another stream; the message names what differs.
        """
        if state.get("version") != VERSION:
            raise _refusal("version", state.get("version"), VERSION)
        # A state without this entry is that of one process.
        saved, here = {"rows_per_batch": "1"} | state["identity"], self._fingerprint()
        for name in here:
            if saved.get(name) != here[name]:
                raise _refusal(name, saved.get(name), here[name])
        self._batches = state["batches"]
        self._packer = state["packer"]
        self._drawn = {part: list(counts) for part, counts in state["drawn"].items()}
        self._passed = dict(state["skipped"])
        self._iterator = None

    def _fingerprint(self) -> dict[str, str]:
        return self._stream.fingerprint() | {
            "tokens_per_batch": str(self._budget),
            "packing": self._packing,
            "rows_per_batch": str(self._per_batch),
        }

    def _new_packer(self, samples: "SamplePrefetcher") -> Packer:
        if self._packing == "packed":
            return Packer(samples.length, self._budget, self._packing)
        # One wide rectangle: rows that were chosen apart differ in length, and would be mostly
        # padding when joined. It holds at least one sample per row, since that many always fit.
        return Packer(
            samples.length,
            self._budget * self._per_batch,
            self._packing,
            LOOKAHEAD * self._per_batch,
        )

    def _share(self, packer: Packer) -> tuple[list[int], list[int]]:
        """Return the sample numbers of the next batch: this process's, and the others'.

        Every process packs the rows of all, so that their states are equal.
        """
        if self._packing == "padded":
            row = packer.row()
            shares = [list(row[rank :: self._world_size]) for rank in range(self._world_size)]
        else:
            rows = [packer.row() for _ in range(self._per_batch)]
            mine = self._per_batch // self._world_size
            shares = [
                list(chain.from_iterable(rows[rank * mine : (rank + 1) * mine]))
                for rank in range(self._world_size)
            ]
        return shares.pop(self._rank), list(chain.from_iterable(shares))

    def _count(self, index: int, tokens: int) -> None:
        counts = self._drawn.setdefault(self._part(index), [0, 0])
        counts[0] += 1
        counts[1] += tokens

    def _part(self, index: int) -> str:
        stream = self._stream
        return stream.part(index) if isinstance(stream, StreamOfComponents) else "samples"


class LossLoader:
    """A loader of batches of known answers, with equally many batches on every process.

    Each batch is on one process. The numbers must be equal, because the other processes would
    wait for one that has no batch left. If they do not divide, the remaining processes get a batch
    in which nothing is scored. (Lightning's sampler would repeat batches, which would then count
    twice in a mean.)

    Args:
        batches: The batches of all processes.
        packing: "packed" or "padded"; see :class:`arcflow.text.pack.Packer`.
        rank: This process's number.
        world_size: The number of processes.
    """

    def __init__(
        self,
        batches: Sequence[Sequence[Example]],
        packing: Packing = "packed",
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        collate = collate_packed if packing == "packed" else collate_padded
        self._batches = [collate(examples) for examples in batches[rank::world_size]]
        if len(self._batches) < -(-len(batches) // world_size):
            fill = collate(batches[-1])
            self._batches.append(fill | {"labels": torch.full_like(fill["labels"], IGNORED_LABEL)})

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)


def _unread(_index: int) -> int:
    """Refuse to give a length: the packer that gets this only gives its first state."""
    raise AssertionError("no sample is read")


def _refusal(name: str, saved: object, here: object) -> CheckpointError:
    return CheckpointError(
        f"checkpoint of another training stream: {name} differs",
        value=saved,
        expected=repr(here),
        next_step="Resume with the options and tasks the run was started with, or start a new run.",
    )
