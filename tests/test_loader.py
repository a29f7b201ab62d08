"""The stream of samples and the train loader: the same for any workers, after any interruption."""

import io
import multiprocessing
import os
import signal
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn

from arcflow.core.errors import CheckpointError, ConfigError, DataError
from arcflow.core.sample_augment import AugmentConfig
from arcflow.core.seeds import rng
from arcflow.core.task import Task
from arcflow.datamodules.loader import TrainLoader
from arcflow.datamodules.samples import Samples
from arcflow.datamodules.stream import TaskStream
from arcflow.sources.arc import load_split
from arcflow.sources.base import TaskList
from arcflow.text.encode import Encoder, Example
from arcflow.text.pack import Packer
from arcflow.text.tokenizer import load_tokenizer

BUDGET = 64


class Numbers:
    """A stream of samples of 1 to 40 tokens; every seventh has none."""

    max_tokens = 40

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def length(self, index: int) -> int:
        return 0 if index % 7 == 3 else int(rng(self.seed, "length", index).integers(1, 41))

    def sample(self, index: int) -> Example | None:
        if not self.length(index):
            return None
        ids = rng(self.seed, "ids", index).integers(0, 1000, self.length(index), dtype=np.int32)
        return Example(ids, ids)

    def part(self, index: int) -> str:
        return ("even", "odd")[index % 2]

    def identity(self) -> dict[str, str]:
        return {"seed": str(self.seed)}


def loader(seed: int = 0, **options) -> TrainLoader:
    return TrainLoader(Numbers(seed), BUDGET, **options)


def take(batches, n: int) -> list[dict[str, Tensor]]:
    stream = iter(batches)
    return [next(stream) for _ in range(n)]


def same(left: list[dict[str, Tensor]], right: list[dict[str, Tensor]]) -> bool:
    return len(left) == len(right) and all(
        a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
        for a, b in zip(left, right, strict=True)
    )


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


# The stream of tasks.


@cache
def arc() -> tuple[Task, ...]:
    return load_split("arc-agi-1/training")


@cache
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


def tasks(n: int | None = None, seed: int = 0, max_tokens: int = 4096, **augment) -> TaskStream:
    return TaskStream(TaskList(arc()[:n]), encoder(), AugmentConfig(**augment), seed, max_tokens)


def length_of(stream: TaskStream, index: int) -> int:
    example = stream.sample(index)
    return 0 if example is None else len(example.input_ids)


def test_every_pass_visits_every_task_once_in_an_order_of_its_own() -> None:
    stream = tasks(20)
    passes = [[stream.task(20 * p + i).id for i in range(20)] for p in range(6)]
    assert all(set(ids) == {task.id for task in arc()[:20]} for ids in passes)
    assert len({tuple(ids) for ids in passes}) == 6
    assert [stream.task(i).id for i in range(20)] == passes[0]
    assert [tasks(20, seed=1).task(i).id for i in range(20)] != passes[0]


def test_a_sample_is_a_function_of_seed_and_index() -> None:
    stream, again, other = tasks(20, compose=0.5), tasks(20, compose=0.5), tasks(20, seed=1)
    indices = [3, 47, 20, 999]
    drawn = [stream.sample(i) for i in indices]
    for i, example in zip(reversed(indices), reversed(drawn), strict=True):
        assert again.sample(i).input_ids.tolist() == example.input_ids.tolist()
        assert again.sample(i).labels.tolist() == example.labels.tolist()
    assert other.sample(3).input_ids.tolist() != drawn[0].input_ids.tolist()


def test_long_views_lose_pairs_until_they_fit_or_have_no_sample() -> None:
    stream = tasks(max_tokens=1000)
    lengths = [length_of(stream, i) for i in range(400)]
    assert max(lengths) <= 1000
    views = [stream.view(i) for i in range(400)]
    whole = [len(stream.task(i).train) for i in range(400)]
    lost = [n - len(v[0].train) for n, v in zip(whole, views, strict=True) if v]
    assert sum(n > 0 for n in lost) > 50
    hopeless = [i for i in range(400) if views[i] is None]
    assert hopeless == [i for i in range(400) if lengths[i] == 0] != []
    assert all(stream.sample(i) is None for i in hopeless)


def test_rows_of_arc_are_full_and_share_their_tokens_as_the_stream_does() -> None:
    stream = tasks()
    length = cache(lambda index: length_of(stream, index))
    packer = Packer(length, 4096)
    emitted: set[int] = set()
    fills = []
    while packer.state()["next"] < 1200:
        row = packer.row()
        emitted |= set(row)
        fills.append(sum(map(length, row)) / 4096)
    state = packer.state()
    assert np.mean(fills) > 0.99
    assert np.mean(np.array(fills) >= 0.95) > 0.97
    # All but the few that wait have come, whatever their length.
    assert emitted | set(state["pending"]) == set(range(state["next"])) - {
        i for i in range(state["next"]) if length(i) == 0
    }
    assert len(state["pending"]) < 128


def test_a_loader_of_tasks_resumes_and_refuses_other_tasks_by_name() -> None:
    first = TrainLoader(tasks(30), 4096, workers=2)
    whole = take(TrainLoader(tasks(30), 4096), 5)
    assert same(take(first, 2), whole[:2])
    second = TrainLoader(tasks(30), 4096)
    second.load_state_dict(first.state_dict())
    assert same(take(second, 3), whole[2:])
    for other, name in (
        (tasks(29), "number of tasks differs: got '30'. Expected '29'"),
        (tasks(30, seed=7), "seed differs: got '0'. Expected '7'"),
        (tasks(30, max_tokens=4000), "max_tokens differs: got '4096'. Expected '4000'"),
        (tasks(30, compose=0.5), "augment.compose differs: got '0.0'. Expected '0.5'"),
        (
            TaskStream(TaskList(arc()[1:31]), encoder(), AugmentConfig(), 0, 4096),
            "tasks differs: got ",
        ),
    ):
        with pytest.raises(CheckpointError) as error:
            TrainLoader(other, 4096).load_state_dict(first.state_dict())
        assert f"another training stream: {name}" in str(error.value)


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
    samples = Samples(Numbers(), 0, (), 0)
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


def test_a_stream_of_no_tasks_is_refused() -> None:
    with pytest.raises(DataError, match=r"training stream: got 0\. Expected"):
        tasks(0)


# Through Lightning.


class Tiny(LightningModule):
    """Learns a number a token; its loss depends on every token of the batch and its place."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1000, 2)
        self.losses: list[tuple[int, float]] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        where = batch["position_ids"][..., None] + 1
        loss = (self.embedding(batch["input_ids"]) * where - 1).square().mean()
        self.losses.append((batch_idx, loss.item()))
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.1)


class Kill(Callback):
    """Ends the process without a chance to clean up."""

    def __init__(self, after_batches: int) -> None:
        self.left = after_batches

    def on_train_batch_start(self, *_args) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def fit(
    folder: Path,
    workers: int,
    accumulate: int,
    when: str,
    resume: bool = False,
    kill: int | None = None,
) -> Tiny:
    torch.manual_seed(0)
    model = Tiny()
    interval = {"every_n_train_steps": 2} if when == "step" else {"every_n_epochs": 1}
    save = ModelCheckpoint(folder, filename="{step}", save_last=True, **interval)
    trainer = Trainer(
        max_steps=8,
        accumulate_grad_batches=accumulate,
        val_check_interval=2 * accumulate,
        check_val_every_n_epoch=None,
        callbacks=[save] if kill is None else [save, Kill(kill)],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(
        model,
        loader(workers=workers),
        torch.zeros(1, 1),
        ckpt_path=folder / "last.ckpt" if resume else None,
        weights_only=True,
    )
    return model


@pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty:UserWarning")
@pytest.mark.parametrize(
    ("workers", "accumulate", "when"),
    [(0, 1, "step"), (2, 2, "step"), (0, 2, "validation"), (2, 1, "validation")],
)
def test_a_killed_fit_goes_on_exactly(
    tmp_path: Path, workers: int, accumulate: int, when: str
) -> None:
    whole = fit(tmp_path / "whole", workers, accumulate, when)
    options = {"kill": 5 * accumulate}
    killed = multiprocessing.get_context("fork").Process(
        target=fit, args=(tmp_path / "run", workers, accumulate, when), kwargs=options
    )
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    resumed = fit(tmp_path / "run", workers, accumulate, when, resume=True)
    assert len(whole.losses) == 8 * accumulate
    assert resumed.losses == whole.losses[4 * accumulate :]
    assert torch.equal(resumed.embedding.weight, whole.embedding.weight)
