"""Batches for each of several processes: of a stream, exactly resumable (law 2), and of a list."""

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
    """A stream that says where its samples come from."""

    def part(self, index: int) -> str:
        """What a sample comes from, in a word or two, for the count of what was drawn."""
        ...


def collate_packed(examples: Sequence[Example]) -> Batch:
    """One row without padding: ``input_ids``, ``labels``, ``position_ids``, int64 (1, T)."""
    row = pack_examples(examples)
    return {
        "input_ids": torch.from_numpy(row.input_ids)[None],
        "labels": torch.from_numpy(row.labels)[None],
        "position_ids": torch.from_numpy(row.position_ids)[None],
    }


def collate_padded(examples: Sequence[Example]) -> Batch:
    """A rectangle: as packed, each int64 (B, L), and ``attention_mask`` (B, L), 0 on the fill."""
    return {name: torch.from_numpy(array) for name, array in pad_examples(examples).items()}


def check_rows(rows: int | None, world_size: int) -> None:
    """Refuse a number of rows that ``world_size`` processes cannot share equally.

    Raises:
        ConfigError: it is not a multiple of their number.
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
    """Sized, endless and stateful; Lightning saves and restores it with its checkpoints.

    Workers make the samples in the order of their numbers, the trainer's process decides which of
    them make a batch: the batches do not depend on how many workers there are. The state is that
    of the batches handed out: what workers have prepared beyond them is not counted. Samples that
    wait for a row when a state is taken are made again after it is restored.

    Args:
        stream: where samples come from.
        tokens_per_batch: token budget of a row.
        packing: "packed" or "padded"; see :class:`arcflow.text.pack.Packer`.
        workers: processes that prepare samples.
        rank: of ``world_size`` processes that share the stream, this one's number. Each of them
            makes all samples and packs all rows.
        world_size: each process takes an equal share of a batch's rows, joined to one batch of
            its own. "padded" rows are chosen as one rectangle, whose samples the processes share:
            a share may exceed its budget by up to one sample.
        rows: of a batch of all processes; None is one a process. Batches and state depend on it
            alone, not on how many processes share it.

    Raises:
        ConfigError: the budget is smaller than the stream's longest sample, or the processes
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
        """A number never reached: Lightning reads no batch ahead from a loader with a length."""
        return ENDLESS

    def __iter__(self) -> Iterator[Batch]:
        """Batches from the state on; workers start with the first."""
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
        """What was handed out to all processes so far: part of the stream -> samples, tokens."""
        return {part: (samples, tokens) for part, (samples, tokens) in self._drawn.items()}

    @property
    def skipped_parts(self) -> dict[str, int]:
        """:attr:`skipped` by part of the stream."""
        return dict(self._passed)

    @property
    def skipped(self) -> int:
        """Samples passed over so far because they fit no context."""
        return self._packer["skipped"]

    def state_dict(self) -> dict[str, Any]:
        """Plain data; loads with ``weights_only=True``."""
        return {
            "version": VERSION,
            "identity": self._fingerprint(),
            "batches": self._batches,
            "packer": dict(self._packer),
            "drawn": {part: list(counts) for part, counts in self._drawn.items()},
            "skipped": dict(self._passed),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the batch after the last one handed out when ``state`` was made.

        Raises:
            CheckpointError: the state belongs to another stream, named by what differs.
        """
        if state.get("version") != VERSION:
            raise _refusal("version", state.get("version"), VERSION)
        # A state that does not say is that of one process.
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
        # One wide rectangle: rows that were chosen apart differ in length, and joined would be
        # mostly fill. It holds a sample for each row at least, since that many of any length fit.
        return Packer(
            samples.length,
            self._budget * self._per_batch,
            self._packing,
            LOOKAHEAD * self._per_batch,
        )

    def _share(self, packer: Packer) -> tuple[list[int], list[int]]:
        """The sample numbers of the packer's next batch: this process's, and the others'.

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
    """Batches of known answers, each on one process, the same number on every process.

    Equal numbers, because a process that has none left would leave the others waiting; where
    they do not divide, the rest of the processes get a batch in which nothing is scored.
    (Lightning's sampler repeats batches instead, which count twice in a mean.)

    Args:
        batches: of all processes.
        packing: "packed" or "padded".
        rank: of ``world_size`` processes, this one's number.
        world_size: number of processes.
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
    """The length that a packer asks for which only lends its first state."""
    raise AssertionError("no sample is read")


def _refusal(name: str, saved: object, here: object) -> CheckpointError:
    return CheckpointError(
        f"checkpoint of another training stream: {name} differs",
        value=saved,
        expected=repr(here),
        next_step="Resume with the options and tasks the run was started with, or start a new run.",
    )
