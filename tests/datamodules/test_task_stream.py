"""The stream of tasks: a function of seed and index, whole passes, full rows."""

from functools import cache

import numpy as np
import pytest

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import CheckpointError, DataError
from arcflow.core.task import Task
from arcflow.datamodules.streams.resumable_loader import TrainLoader
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.sources.arc import load_split
from arcflow.sources.base import TaskList
from arcflow.text.encode import Encoder
from arcflow.text.pack import Packer
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.streams import same, take


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


def test_a_stream_of_no_tasks_is_refused() -> None:
    with pytest.raises(DataError, match=r"training stream: got 0\. Expected"):
        tasks(0)
