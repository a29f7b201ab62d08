"""The torchmetric of an evaluation: repeated tasks, casts, resumes and several processes."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp

from arcflow.core.errors import DataError
from arcflow.core.grid import make_grid
from arcflow.evaluation.table import metrics_table
from arcflow.evaluation.torchmetric import ARCMetrics, task_number
from arcflow.scoring.metrics import METRICS, mean_metrics, task_metrics
from tests.scoring.test_metrics import a


def fed(tasks: list[tuple[str, list[Any]]]) -> ARCMetrics:
    metric = ARCMetrics()
    for task_id, found in tasks:
        metric.update(task_id, [a(g, task_id=task_id) for g in found], [make_grid([[1]])])
    return metric


TASKS: list[tuple[str, list[Any]]] = [
    (f"task{i}", [[[1]]] * i + [[[2]]] * (7 - i) + [None] * 3) for i in range(7)
]


def test_it_is_the_mean_of_the_tasks_metrics() -> None:
    one, two = make_grid([[1]]), make_grid([[2]])
    metric, rows = ARCMetrics(), []
    for task_id, outputs in (("x", [one, one]), ("y", [two]), ("z", [one, two])):
        found = [a([[1]], i, task_id) for i in range(len(outputs))]
        metric.update(task_id, found, outputs)
        rows.append(task_metrics(found, outputs))
    values = metric.compute()
    assert values == mean_metrics(rows, [2, 1, 2])
    # Kaggle's number and ARC Prize's: 3 of 5 test inputs; a mean over tasks of 1, 0 and a half.
    assert (values["kaggle"], values["vote_2"]) == (pytest.approx(0.6), pytest.approx(0.5))
    cells = [list(column.cells) for column in metrics_table({"ttft": values}).columns]
    shown = dict(zip(*cells, strict=True))
    assert (shown["kaggle"], shown["vote_2 (ARC Prize)"]) == ("60.0%", "50.0%")


def test_candidates_of_another_task_are_refused() -> None:
    with pytest.raises(DataError, match="candidates of t alone"):
        ARCMetrics().update("t", [a([[1]], task_id="u")], [make_grid([[1]])])


def test_metric_ignores_order_and_repeated_tasks() -> None:
    expected = fed(TASKS).compute()
    assert list(expected) == list(METRICS)
    assert {type(value) for value in expected.values()} == {float}
    shuffled = [*TASKS, *TASKS[:3]]
    random.Random(0).shuffle(shuffled)
    assert fed(shuffled).compute() == expected


def test_metric_resets_saves_and_loads(tmp_path: Path) -> None:
    metric = fed(TASKS[:3])
    torch.save(metric.state_dict(), tmp_path / "state.pt")
    resumed = fed(TASKS[5:])
    stale = resumed.compute()
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert resumed.compute() == metric.compute() != stale  # warns of nothing: warnings are errors
    for task_id, found in TASKS[3:]:
        resumed.update(task_id, [a(g, task_id=task_id) for g in found], [make_grid([[1]])])
    assert resumed.compute() == fed(TASKS).compute()
    resumed.reset()
    resumed.update("x", [], [make_grid([[1]])])
    assert resumed.compute()["unanswered"] == 1.0


def test_metric_stays_exact_when_the_module_is_cast() -> None:
    metric = fed(TASKS).half().float()
    metric.update("x", [], [make_grid([[1]])])
    assert metric.compute() == fed([*TASKS, ("x", [])]).compute()


def test_task_numbers_are_stable_and_exact() -> None:
    assert task_number("00d62c1b") == 6928221090017586.0
    assert len({task_number(f"{i:08x}") for i in range(20_000)}) == 20_000


SHARES = {
    "padded": [[0, 2, 4, 6], [1, 3, 5, 0]],
    "a rank without a task": [[0, 1, 2, 3, 4, 5, 6], []],
}


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_gathered_ranks_equal_one_process(shares: list[list[int]]) -> None:
    ranks = [fed([TASKS[i] for i in share]) for share in shares]
    states = [torch.cat([*m.rows, torch.tensor([], dtype=m.dtype)]) for m in ranks]
    assert {state.dtype for state in states} == {torch.float64}
    ranks[0].distributed_available_fn = lambda: True
    ranks[0].dist_sync_fn = lambda state, group: [state, *states[1:]]
    assert ranks[0].compute() == fed(TASKS).compute()
    # Afterwards the rank has its own tasks again.
    assert ranks[0].rows[0].shape == (2 + len(METRICS),)


def _rank(rank: int, init: str, expected: dict[str, float]) -> None:
    torch.distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    for shares in SHARES.values():
        metric = fed([TASKS[i] for i in shares[rank]])
        metric._update_count = 1  # torchmetrics warns of a metric that was fed nothing
        assert metric.compute() == expected
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    mp.start_processes(_rank, (f"file://{tmp_path}/store", fed(TASKS).compute()), nprocs=2)
