"""Mixtures: shares, order, resume, guard and the options that are refused."""

import csv
import hashlib
import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from arcflow.core.errors import CheckpointError, ConfigError, DataError
from arcflow.core.interleave import BLOCK, Interleave
from arcflow.datamodules.mixture import MixtureComponent, MixtureDataModule
from arcflow.sources.arc import load_split
from arcflow.sources.base import TaskList
from arcflow.sources.generated import GeneratedInputs
from arcflow.sources.mixture import Mixed, sized_weights
from arcflow.sources.rearc.source import ReARC
from arcflow.sources.select import TaskSelection, load_tasks
from tests.helpers.paths import ROOT
from tests.helpers.runs import read_losses, run_arcflow, weights
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]

CONFIGS = [f"--config={ROOT}/configs/{name}.yaml" for name in ("quickstart", "mixture")]
WEIGHTS = st.lists(st.one_of(st.just(0.0), st.floats(0.001, 100)), min_size=1, max_size=6).filter(
    any
)


MANY = st.lists(st.one_of(st.just(0.0), st.floats(1e-4, 100)), min_size=1, max_size=40).filter(any)


def prefixes(weights: list[float], seed: int, places: int) -> np.ndarray:
    """How many each part has of the first 1, 2, ... places, less its share: (places, parts)."""
    mixed = Interleave(weights)
    parts = np.array([mixed.at(seed, index)[0] for index in range(places)])
    counts = np.cumsum(parts[:, None] == np.arange(len(weights)), axis=0)
    excess: np.ndarray = counts - np.arange(1, places + 1)[:, None] * np.array(mixed.shares)
    return excess


@given(MANY, st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_every_prefix_has_each_share_to_less_than_one(weights: list[float], seed: int) -> None:
    assert np.abs(prefixes(weights, seed, BLOCK + 500)).max() < 1 - 1e-9
    for share, weight in zip(Interleave(weights).shares, weights, strict=True):
        # A share over 0 is one place of a block at least, at the cost of the largest.
        assert share == pytest.approx(weight / sum(weights), abs=41 / BLOCK)
        assert (share > 0) == (weight > 0)


def test_many_small_parts_do_not_stand_in_one_place() -> None:
    weights = [500.0] + [1.0] * 500
    assert np.abs(prefixes(weights, 0, 2000)).max() < 1
    mixed = Interleave(weights)
    first = [mixed.at(0, index)[0] for index in range(1000)]
    assert sorted(first) == [0] * 500 + list(range(1, 501))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30).filter(any), st.integers(1, 9))
@settings(deadline=None, max_examples=50)
def test_simple_weights_are_met_exactly(weights: list[int], divisor: int) -> None:
    shares = Interleave([weight / divisor / 10 for weight in weights]).shares
    assert shares == [weight / sum(weights) for weight in weights]


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(ConfigError, match="too many parts to take turns: got 10001"):
        Interleave([1.0] * 10_001)
    assert Interleave([1.0] * 10_000).at(0, 9_999)[1] == 0


@given(WEIGHTS, st.integers(0, 2**31), st.integers(0, 3 * BLOCK - 1))
@settings(deadline=None, max_examples=10)
def test_every_part_gives_its_own_indices_in_order(
    weights: list[float], seed: int, place: int
) -> None:
    mixed = Interleave(weights)
    row = [mixed.at(seed, index) for index in range(3 * BLOCK)]
    for part in range(len(weights)):
        own = [index for which, index in row if which == part]
        assert own == list(range(len(own)))
    # Asked for alone, and in any order, it is the same.
    assert Interleave(weights).at(seed, place) == row[place]


def test_the_order_is_drawn_with_the_seed() -> None:
    mixed = Interleave([1, 1])
    rows = {tuple(mixed.at(seed, i)[0] for i in range(50)) for seed in range(5)}
    assert len(rows) == 5
    first = [mixed.at(0, i)[0] for i in range(50)]
    assert first != [mixed.at(0, BLOCK + i)[0] for i in range(50)]


def test_threads_read_one_order() -> None:
    mixed = Interleave([3, 1, 2])

    def read(_thread: int) -> list[tuple[int, int]]:
        return [mixed.at(seed, 7 * BLOCK + seed) for seed in range(40)]

    with ThreadPoolExecutor(3) as pool:
        assert len({tuple(row) for row in pool.map(read, range(3))}) == 1


def lists(*sizes: int) -> dict[str, TaskList]:
    tasks, found, at = load_split("arc-agi-1/training"), {}, 0
    for i, size in enumerate(sizes):
        found["abc"[i]] = TaskList(tasks[at : at + size], "abc"[i])
        at += size
    return found


def test_mixed_sources_nest() -> None:
    parts = lists(3, 5, 7)
    inner = Mixed({"a": parts["a"], "b": parts["b"]}, {"b": 3.0}, name="inner")
    outer = Mixed({"inner": inner, "c": parts["c"]}, {"inner": 2.0})
    assert len(outer) == 15
    origins = [outer.origin(4, i) for i in range(3000)]
    ids = {name: {task.id for task in source.tasks} for name, source in parts.items()}
    for i in range(0, 3000, 97):
        assert outer.task(4, i).id in ids[origins[i]]
    shares = {name: origins.count(name) / len(origins) for name in "abc"}
    wanted = {"a": 1 / 6, "b": 1 / 2, "c": 1 / 3}
    assert shares == pytest.approx(wanted, abs=2 / 3000)
    left = outer.exclude(ids["a"] | ids["b"])
    assert {left.origin(4, i) for i in range(50)} == {"c"}
    assert {task.id for task in left.base_tasks()} == ids["c"]
    assert left.fingerprint() != outer.fingerprint()
    nothing = outer.exclude(ids["a"] | ids["b"] | ids["c"])
    assert len(nothing) == 0
    with pytest.raises(DataError, match="mixed: no task is left"):
        nothing.task(0, 0)


def test_temperature_weighs_sizes() -> None:
    sizes = {"a": 1, "b": 100}
    even = {"a": 1.0, "b": 1.0}
    assert sized_weights("x", even, sizes, None) == even
    assert sized_weights("x", even, sizes, 1.0) == {"a": 1, "b": 100}
    assert sized_weights("x", even, sizes, 2.0) == pytest.approx({"a": 1, "b": 10})
    assert sized_weights("x", even, sizes, 1e9)["b"] == pytest.approx(1)


def module(parts: dict[str, MixtureComponent], **options: Any) -> MixtureDataModule:
    options = {"max_tokens": 512, "tokens_per_batch": 512} | options
    val = TaskSelection("arc-agi-1/evaluation", max_side=5)
    return MixtureDataModule(parts, val=val, **options)


SMALL = TaskSelection("arc-agi-1/training", max_side=8)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "data.parts: weights that cannot be drawn by: got {}"),
        (
            {"a": MixtureComponent(SMALL, weight=-1)},
            "data.parts: weights that cannot be drawn by: got {'a': -1",
        ),
        (
            {"a": MixtureComponent(SMALL, weight=0)},
            "data.parts: weights that cannot be drawn by: got {'a': 0",
        ),
        (
            {"a": MixtureComponent(SMALL, weight=float("nan"))},
            "weights that cannot be drawn by: got {'a': nan",
        ),
        (
            {"a": MixtureComponent()},
            "data.parts.a: where do its tasks come from?: got 'neither tasks nor",
        ),
        (
            {"a": MixtureComponent(SMALL, ReARC())},
            "data.parts.a: where do its tasks come from?: got 'both tasks and source'. Expected "
            "one of the two: tasks for published sets and files, source for generators. Set "
            "data.parts.a.tasks to null, or leave source out.",
        ),
        (
            {"a": MixtureComponent(SMALL, kinds={"poetry": 1})},
            "data.parts.a.kinds: unknown task kind: got 'poetry'",
        ),
        (
            {"a": MixtureComponent(SMALL, kinds={})},
            "data.parts.a.kinds: weights that cannot be drawn by",
        ),
    ],
)
def test_options_that_are_refused(parts: dict[str, MixtureComponent], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        module(parts)
    assert message in str(caught.value)


def test_weights_of_no_source_and_bad_temperatures() -> None:
    with pytest.raises(ConfigError, match=r"mixed: weights of no source: got \['d'\].*a, b"):
        Mixed(dict(lists(1, 1)), {"d": 1})
    for temperature in (0, -1, 1e-3, float("nan")):
        with pytest.raises(ConfigError, match=f"mixed: bad temperature: got {temperature}"):
            Mixed(dict(lists(1, 1)), temperature=temperature)
    with pytest.raises(ConfigError, match=r"data: bad temperature: got 0\. Expected a number"):
        module({"a": MixtureComponent(SMALL)}, temperature=0)
    assert len(Mixed(dict(lists(1, 100)), temperature=0.1)) == 101


def test_a_kind_that_a_source_has_no_tasks_of(tmp_path: Path) -> None:
    path = tmp_path / "inputs.json"
    path.write_text(json.dumps({load_split("arc-agi-1/training")[0].id: [{"input": [[1]]}]}))
    with pytest.raises(ConfigError, match=r"has no tasks of this kind.*input-from-inputs: 1"):
        module({"new": MixtureComponent(source=GeneratedInputs(str(path)))})


def test_a_part_that_never_fits_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arcflow.datamodules.mixture._PROBES", 8)
    tasks = load_split("arc-agi-1/training")
    large = TaskList([task for task in tasks if min(grid.size for grid in task.grids()) > 300])
    data = module(
        {"small": MixtureComponent(SMALL), "large": MixtureComponent(source=large)}, max_tokens=160
    )
    data.setup("fit")
    assert "nothing of 'large, output-from-examples' fits max_tokens=160" in caplog.text
    assert "'small" not in caplog.text
    drawn = ReARC(["29ec7d0e"], difficulty=(0.8, 1.0))
    data = module(
        {"large": MixtureComponent(source=large), "drawn": MixtureComponent(source=drawn)},
        max_tokens=160,
    )
    with pytest.raises(ConfigError, match="too small for every part of the mixture: got 160"):
        data.setup("fit")


def test_no_evaluated_task_enters_by_any_part() -> None:
    tasks = load_split("arc-agi-1/training")
    val = TaskSelection("arc-agi-1/training", ids=("007bbfb7", "25ff71a9"))
    data = MixtureDataModule(
        {
            "originals": MixtureComponent(TaskSelection("arc-agi-1/training", max_side=9)),
            "re": MixtureComponent(source=Mixed({"inner": ReARC(["25ff71a9", "00d62c1b"])})),
        },
        val=val,
        max_tokens=1024,
        tokens_per_batch=1024,
    )
    data.setup("fit")
    found: set[str] = set()
    stream: Any = data._stream
    for index in range(2000):
        part, own = stream._interleave.at(0, index)
        found.add(stream._parts[part].task(own).id)
    assert not any(task_id in name for name in found for task_id in val.ids)
    assert any("00d62c1b" in name for name in found)
    assert {task.id for task in data.tasks("train")} < {task.id for task in tasks}


def nested(seed: int, workers: int = 0) -> MixtureDataModule:
    """A part of two kinds, and one that is a mixture of RE-ARC and more tasks."""
    inner = Mixed({"re": ReARC(["25ff71a9", "00d62c1b"]), **lists(9)}, {"re": 2.0})
    kinds = {"output-from-examples": 2.0, "input-from-inputs": 1.0}
    parts = {
        "small": MixtureComponent(SMALL, kinds=kinds),
        "inner": MixtureComponent(source=inner, weight=0.5),
    }
    data = module(parts, seed=seed, workers=workers)
    data.setup("fit")
    return data


def digests(data: MixtureDataModule, n: int, state: dict[str, Any] | None = None) -> list[str]:
    loader = data.train_dataloader()
    if state is not None:
        loader.load_state_dict(state)
    return [
        hashlib.sha256(batch["input_ids"].numpy().tobytes()).hexdigest()
        for batch in islice(loader, n)
    ]


@pytest.mark.parametrize("name", ["order of the parts", "inner, output-from-examples order of"])
def test_a_checkpoint_of_another_order_is_refused_by_name(name: str) -> None:
    loader = nested(0).train_dataloader()
    state = loader.state_dict()
    loader.load_state_dict(state)
    identity = {key: value for key, value in state["identity"].items() if not key.startswith(name)}
    assert len(identity) == len(state["identity"]) - 1
    with pytest.raises(CheckpointError, match=f"{name}.* differs: got None. Expected 'version "):
        loader.load_state_dict(state | {"identity": identity})


def _elsewhere(seed: int, n: int, queue: Any) -> None:
    queue.put(digests(nested(seed), n))


@pytest.mark.slow
@given(st.integers(0, 2**31), st.integers(1, 12))
@settings(deadline=None, max_examples=3, phases=[Phase.generate])  # shrinking starts processes
def test_batches_are_the_same_for_any_workers_processes_and_restarts(seed: int, cut: int) -> None:
    data = nested(seed)
    whole = digests(data, 16)
    assert len(set(whole)) == 16
    for workers in (1, 2):
        assert digests(nested(seed, workers), 16) == whole
    loader = nested(seed, 2).train_dataloader()
    for _ in islice(loader, cut):
        pass
    assert digests(nested(seed), 16 - cut, loader.state_dict()) == whole[cut:]
    spawn = multiprocessing.get_context("spawn")  # nothing is inherited
    queue = spawn.Queue()
    other = spawn.Process(target=_elsewhere, args=(seed, 16, queue))
    other.start()
    assert queue.get(timeout=120) == whole
    other.join()
    assert digests(nested(seed + 1), 16) != whole


def fit_arguments(root: Path, workers: int) -> list[str]:
    return [
        "fit",
        *CONFIGS,
        f"--trainer.default_root_dir={root}",
        "--trainer.max_steps=10",
        "--trainer.limit_val_batches=1",
        "--trainer.enable_progress_bar=false",
        "--trainer.val_check_interval=1000",
        "--trainer.log_every_n_steps=1",
        "--checkpoint.every_n_steps=2",
        f"--data.workers={workers}",
        '--model.backbone.config={"hidden_size": 32, "intermediate_size": 64, '
        '"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}',
    ]


def read_metrics(root: Path) -> list[dict[str, str]]:
    """Rows with counts of what was drawn, of the newest log."""
    newest = max((root / "logs").glob("*/metrics.csv"), key=lambda path: path.stat().st_mtime)
    with newest.open() as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if any(row[name] for name in row if name.startswith("drawn_"))]


def recorder(path: Path, kill_at: int = 0) -> list[str]:
    return [
        "--trainer.callbacks+=tests.helpers.runs.Recorder",
        f"--trainer.callbacks.path={path}",
        f"--trainer.callbacks.kill_at={kill_at}",
    ]


@pytest.mark.slow
def test_a_mixture_that_is_killed_and_resumed_equals_one_that_is_not(tmp_path: Path) -> None:
    whole, ours = tmp_path / "whole", tmp_path / "ours"
    assert run_arcflow([*fit_arguments(whole, 2), *recorder(whole / "losses")], tmp_path) == 0
    log = ours / "losses"
    assert run_arcflow([*fit_arguments(ours, 0), *recorder(log, 5)], tmp_path) == -9
    resume = [*fit_arguments(ours, 2), "--ckpt_path=last"]
    assert run_arcflow([*resume, *recorder(log)], tmp_path) == 0
    assert read_losses(log) == read_losses(whole / "losses")
    last = [folder / "checkpoints" / "last.ckpt" for folder in (ours, whole)]
    found, wanted = (weights(path) for path in last)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
    drawn, all_drawn = (
        [value for name, value in read_metrics(root)[-1].items() if name.startswith("drawn_")]
        for root in (ours, whole)
    )
    assert drawn == all_drawn
    assert len(drawn) >= 16


def test_the_shipped_config_draws_every_part(tmp_path: Path) -> None:
    assert run_arcflow([*fit_arguments(tmp_path, 0), "--trainer.max_steps=6"], tmp_path) == 0
    names = read_metrics(tmp_path)[-1].keys()
    for part in ("originals, output-from-outputs", "re-arc, output-from-examples"):
        for what in ("samples", "tokens", "share", "too_long"):
            assert any(name.startswith(f"drawn_{what}/{part}: ") for name in names)


def test_the_published_tasks_behind_all_parts_are_those_of_each_once() -> None:
    few = TaskSelection("arc-agi-1/training", max_side=3)
    more = TaskSelection("arc-agi-1/training", max_side=4)
    unused = TaskSelection("arc-agi-1/evaluation", max_side=5)
    parts = {
        "few": MixtureComponent(tasks=few),
        "more": MixtureComponent(tasks=more),
        "unused": MixtureComponent(tasks=unused, weight=0),
    }
    found = [task.id for task in MixtureDataModule(parts).train_base_tasks()]
    assert len(found) == len(set(found))
    assert set(found) == {task.id for task in load_tasks(more)}
