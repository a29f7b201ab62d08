"""TrainLoader: training batches from a stream, exactly resumable (law 2)."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.text.encode import Example
from arcflow.text.pack import Packer, PackerState, Packing, pack_examples, pad_examples

VERSION = 1
ENDLESS = 1_000_000_000

Batch = dict[str, Tensor]


class Stream(Protocol):
    """Where samples come from; :class:`arcflow.datamodules.stream.TaskStream` is one."""

    max_tokens: int

    def length(self, index: int) -> int:
        """Tokens of the sample, 0 where there is none."""
        ...

    def sample(self, index: int) -> Example:
        """The sample."""
        ...

    def identity(self) -> dict[str, str]:
        """What the samples depend on."""
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


class TrainLoader:
    """Sized, endless and stateful; Lightning saves and restores it with its checkpoints.

    The trainer's process decides which samples make a batch and hands the numbers to the
    workers, so that the batches do not depend on how many workers there are. The state is that
    of the batches handed out: what workers have prepared beyond them is not counted.

    Args:
        stream: where samples come from.
        tokens_per_batch: token budget of a batch of one process.
        packing: "packed" or "padded"; see :class:`arcflow.text.pack.Packer`.
        workers: processes that prepare samples.
        rank: of ``world_size`` processes that share the stream, this one's number.
        world_size: each process takes every ``world_size``-th row.

    Raises:
        ConfigError: the budget is smaller than the stream's longest sample.
    """

    def __init__(
        self,
        stream: Stream,
        tokens_per_batch: int,
        packing: Packing = "packed",
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if tokens_per_batch < stream.max_tokens:
            raise ConfigError(
                "tokens_per_batch is smaller than the longest sample",
                value=tokens_per_batch,
                expected=f"at least max_tokens, {stream.max_tokens}",
                next_step="Raise tokens_per_batch or lower max_tokens.",
            )
        self._stream, self._budget, self._packing = stream, tokens_per_batch, packing
        self._workers, self._rank, self._world_size = workers, rank, world_size
        self._batches = 0
        self._packer = self._new_packer().state()
        # Lightning ends the workers of an iterator that it finds under this name.
        self._iterator: Any = None

    def __len__(self) -> int:
        """A number never reached: Lightning reads no batch ahead from a loader with a length."""
        return ENDLESS

    def __iter__(self) -> Iterator[Batch]:
        """Batches from the state on; workers start with the first."""
        rows = _Rows(self._new_packer(), self._packer, self._rank, self._world_size)
        loader = DataLoader(
            _Batches(self._stream, self._packing),
            sampler=rows,
            batch_size=None,
            num_workers=self._workers,
            collate_fn=_same,
            worker_init_fn=_init_worker,
            pin_memory=torch.cuda.is_available(),
            # Its own generator: the default would draw from torch's global one.
            generator=torch.Generator(),
        )
        self._iterator = iterator = iter(loader)
        for batch in iterator:
            # Before the batch is used: a checkpoint written after its step must not repeat it.
            self._packer = rows.after.popleft()
            self._batches += 1
            yield batch

    @property
    def skipped(self) -> int:
        """Samples passed over so far because they fit no context."""
        return self._packer["skipped"]

    def state_dict(self) -> dict[str, Any]:
        """Plain data; loads with ``weights_only=True``."""
        return {
            "version": VERSION,
            "identity": self._identity(),
            "batches": self._batches,
            "packer": dict(self._packer),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the batch after the last one handed out when ``state`` was made.

        Raises:
            CheckpointError: the state belongs to another stream, named by what differs.
        """
        if state.get("version") != VERSION:
            raise _refusal("version", state.get("version"), VERSION)
        saved, here = state["identity"], self._identity()
        for name in here:
            if saved.get(name) != here[name]:
                raise _refusal(name, saved.get(name), here[name])
        self._batches = state["batches"]
        self._packer = state["packer"]
        self._iterator = None

    def _identity(self) -> dict[str, str]:
        return self._stream.identity() | {
            "tokens_per_batch": str(self._budget),
            "packing": self._packing,
        }

    def _new_packer(self) -> Packer:
        return Packer(self._stream.length, self._budget, self._packing)


class _Rows:
    """Sampler: the sample numbers of this process's rows; runs in the trainer's process."""

    def __init__(self, packer: Packer, state: PackerState, rank: int, world_size: int) -> None:
        self._packer, self._rank, self._world_size = packer, rank, world_size
        packer.restore(state)
        self.after: deque[PackerState] = deque()
        """The packer's state after each row that was given out and not yet consumed."""

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        while True:
            # Every process packs the rows of all, so that their states are equal.
            rows = [self._packer.row() for _ in range(self._world_size)]
            self.after.append(self._packer.state())
            yield rows[self._rank]


class _Batches(Dataset[Batch]):
    """Map-style: the sample numbers of a row to its batch."""

    def __init__(self, stream: Stream, packing: Packing) -> None:
        self._stream = stream
        self._collate = collate_packed if packing == "packed" else collate_padded

    def __getitem__(self, row: tuple[int, ...]) -> Batch:
        return self._collate([self._stream.sample(index) for index in row])


def _same(batch: Any) -> Any:
    return batch


def _init_worker(_worker: int) -> None:
    torch.set_num_threads(1)
    # A forked tokenizer has no threads left; without this it says so on every start.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _refusal(name: str, saved: object, here: object) -> CheckpointError:
    return CheckpointError(
        f"checkpoint of another training stream: {name} differs",
        value=saved,
        expected=repr(here),
        next_step="Resume with the options and tasks the run was started with, or start a new run.",
    )
