"""The train loader: the same batches for any workers, after any interruption."""

import io
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcflow.core.errors import CheckpointError, ConfigError, DataError
from arcflow.datamodules.streams.prefetch import SamplePrefetcher
from arcflow.datamodules.streams.resumable_loader import TrainLoader
from arcflow.text.encode import Example
from arcflow.text.pack import Packer
from tests.helpers.streams import BUDGET, Numbers, loader, same, take


def test_a_batch_is_a_packed_row() -> None:
    stream = Numbers()
    packer = Packer(stream.length, BUDGET)
    for batch in take(loader(), 5):
        row = packer.row()
        ids = np.concatenate([stream.sample(i).input_ids for i in row])
        starts = (batch["position_ids"] == 0).nonzero()[:, 1]
        assert batch["input_ids"].shape == (1, len(ids))
        assert batch["input_ids"][0].tolist() == ids.tolist()
        assert len(starts) == len(row)
        assert set(batch["labels"][0, starts].tolist()) == {-100}
        assert set(batch) == {"input_ids", "labels", "position_ids"}


def test_a_padded_batch_has_a_mask_and_stays_in_the_budget() -> None:
    for batch in take(loader(packing="padded"), 20):
        assert batch["input_ids"].numel() <= BUDGET
        real = batch["attention_mask"].sum(1)
        assert real.max() == batch["input_ids"].shape[1]
        assert (batch["labels"] != -100).sum() == (real - 1).sum()


@pytest.mark.parametrize("packing", ["packed", "padded"])
def test_workers_do_not_change_the_batches(packing: str) -> None:
    alone = take(loader(packing=packing), 12)
    assert same(alone, take(loader(packing=packing, workers=1), 12))
    assert same(alone, take(loader(packing=packing, workers=2), 12))
    assert not same(alone, take(loader(seed=1, packing=packing), 12))


@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 2), (2, 2)])
def test_the_state_is_that_of_the_batches_handed_out(before: int, after: int) -> None:
    whole = take(loader(), 20)
    first = loader(workers=before)
    stream = iter(first)
    for k in range(6):
        stored = io.BytesIO()
        torch.save(first.state_dict(), stored)
        stored.seek(0)
        if k in (0, 1, 5):
            second = loader(workers=after)
            second.load_state_dict(torch.load(stored, weights_only=True))
            assert same(take(second, 4), whole[k : k + 4])
        next(stream)


def test_a_second_pass_over_the_loader_goes_on() -> None:
    one = loader()
    assert same(take(one, 3) + take(one, 3), take(loader(), 6))


def test_processes_share_the_rows_and_agree_on_the_state() -> None:
    whole = take(loader(), 12)
    ranks = [loader(rank=r, world_size=3) for r in range(3)]
    for r, rank in enumerate(ranks):
        assert same(take(rank, 4), whole[r::3])
    assert ranks[0].state_dict() == ranks[1].state_dict() == ranks[2].state_dict()


def test_loading_draws_nothing_from_the_global_generators() -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    take(loader(workers=1), 2)
    take(loader(), 2)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_samples_without_a_length_are_counted() -> None:
    one = loader()
    take(one, 40)
    assert one.skipped == sum(
        Numbers().length(i) == 0 for i in range(one.state_dict()["packer"]["next"])
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(version=0), "version differs: got 0. Expected 2"),
        (lambda s: s["identity"].update(seed="5"), "seed differs: got '5'. Expected '0'"),
        (lambda s: s["identity"].pop("seed"), "seed differs: got None"),
        (lambda s: s["identity"].update(packing="padded"), "packing differs: got 'padded'"),
        (
            lambda s: s["identity"].update(tokens_per_batch="128"),
            "tokens_per_batch differs: got '128'. Expected '64'",
        ),
    ],
)
def test_the_state_of_another_stream_is_refused_by_name(change, message: str) -> None:
    state = loader().state_dict()
    change(state)
    with pytest.raises(CheckpointError) as error:
        loader().load_state_dict(state)
    assert f"checkpoint of another training stream: {message}" in str(error.value)
    assert "start a new run" in str(error.value)


def test_a_budget_below_the_longest_sample_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"smaller than the longest sample: got 39\. Expected"):
        TrainLoader(Numbers(), 39)


@pytest.mark.parametrize("packing", ["packed", "padded"])
def test_what_was_drawn_is_counted_exactly_over_a_resume(packing: str) -> None:
    stream, whole = Numbers(), loader(packing=packing)
    take(whole, 9)
    first = loader(packing=packing, workers=2)
    take(first, 4)
    second = loader(packing=packing)
    second.load_state_dict(first.state_dict())
    take(second, 5)
    assert second.drawn == whole.drawn
    assert second.skipped_parts == whole.skipped_parts
    assert sum(whole.skipped_parts.values()) == whole.skipped > 0
    state = whole.state_dict()["packer"]
    out = [i for i in range(state["next"]) if stream.length(i) and i not in set(state["pending"])]
    assert whole.drawn == {
        stream.part(k): (
            sum(i % 2 == k for i in out),
            sum(stream.length(i) for i in out if i % 2 == k),
        )
        for k in (0, 1)
    }


def test_processes_count_what_all_of_them_drew() -> None:
    whole, ranks = loader(), [loader(rank=r, world_size=2) for r in range(2)]
    take(whole, 8)
    for rank in ranks:
        take(rank, 4)
    assert ranks[0].drawn == ranks[1].drawn == whole.drawn


class Unlucky(Numbers):
    """Its 200th sample is a user's mistake."""

    def sample(self, index: int) -> Example | None:
        if index == 200:
            raise DataError("page 7", value=[3, -1], expected="cells", next_step="Mend it.")
        return super().sample(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mistake_met_by_a_worker_is_told_as_it_is_without_one(workers: int) -> None:
    with pytest.raises(DataError) as error:
        take(TrainLoader(Unlucky(), BUDGET, workers=workers), 200)
    assert str(error.value) == r"page 7: got [3, -1]. Expected cells. Mend it."


class Once(Numbers):
    """Notes each sample that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[int] = []

    def sample(self, index: int) -> Example | None:
        self.made.append(index)
        return super().sample(index)


def test_every_sample_is_made_once_in_order_and_pending_ones_again_after_a_resume() -> None:
    stream = Once()
    first = TrainLoader(stream, BUDGET)
    take(first, 20)
    assert stream.made == list(range(len(stream.made)))
    state = first.state_dict()
    again = Once()
    second = TrainLoader(again, BUDGET)
    second.load_state_dict(state)
    take(second, 20)
    pending, begin = state["packer"]["pending"], state["packer"]["next"]
    assert again.made[: len(pending)] == pending
    assert again.made[len(pending) :] == list(range(begin, begin + len(again.made) - len(pending)))


def test_a_sample_taken_twice_is_an_error_and_not_a_search_without_end() -> None:
    samples = SamplePrefetcher(Numbers(), 0, (), 0)
    samples.take(0)
    with pytest.raises(KeyError):
        samples.take(0)


class Long(Numbers):
    """So long that a few chunks fill a pipe."""

    max_tokens = 4000

    def length(self, index: int) -> int:
        return 4000


def _load_for_ever(pids: Any) -> None:
    one = TrainLoader(Long(), 4000, workers=2)
    stream = iter(one)
    next(stream)
    pids.send([worker.pid for worker in one._iterator._workers])
    time.sleep(60)


def test_workers_end_with_a_process_that_is_killed() -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    killed = context.Process(target=_load_for_ever, args=(theirs,))
    killed.start()
    workers = ours.recv()
    time.sleep(0.5)  # until they wait for the pipe
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    end = time.monotonic() + 20
    left = workers
    while left and time.monotonic() < end:
        time.sleep(0.1)
        left = [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert len(workers) == 2
    assert not left
