"""Packing: every sample once, in good time, in rows that are full; rows that joins are."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError
from arcflow.core.seeds import rng
from arcflow.text.encode import Example
from arcflow.text.pack import Packer, pack_examples, pad_examples

BUDGET = 100
lengths = st.lists(st.integers(0, BUDGET), min_size=5, max_size=60).filter(any)
packings = st.sampled_from(["packed", "padded"])


def endless(of: list[int]):
    return lambda index: of[index % len(of)]


def arc_like(seed: int, n: int, longest: int) -> list[int]:
    """Lengths as those of ARC-AGI-1's training tasks: median 841, 90 % below 2,411 tokens."""
    drawn = np.exp(rng(seed, "lengths").normal(np.log(841), 0.82, size=n))
    return np.clip(drawn, 60, longest).astype(int).tolist()


@settings(deadline=None, max_examples=60)
@given(lengths, packings, st.integers(1, 20))
def test_every_index_with_a_length_comes_once_and_in_good_time(of, packing, lookahead) -> None:
    length = endless(of)
    packer = Packer(length, BUDGET, packing, lookahead)
    seen: list[int] = []
    for _ in range(40):
        row = packer.row()
        assert list(row) == sorted(set(row))
        assert all(length(i) > 0 for i in row)
        if packing == "packed":
            assert sum(map(length, row)) <= BUDGET
        else:
            assert len(row) * max(map(length, row)) <= BUDGET
        # The oldest index that waits is always taken: nobody waits more than the look-ahead.
        waiting = [i for i in range(row[0]) if length(i) > 0]
        assert set(waiting) <= set(seen)
        seen += row
    state = packer.state()
    assert len(seen) == len(set(seen))
    expected = {i for i in range(state["next"]) if length(i) > 0}
    assert set(seen) | set(state["pending"]) == expected
    assert state["skipped"] == state["next"] - len(expected)


@settings(deadline=None, max_examples=60)
@given(lengths, packings, st.integers(0, 30), st.integers(1, 20))
def test_a_restored_packer_goes_on_exactly(of, packing, before, lookahead) -> None:
    first = Packer(endless(of), BUDGET, packing, lookahead)
    for _ in range(before):
        first.row()
    state = first.state()
    later = [first.row() for _ in range(10)]
    second = Packer(endless(of), BUDGET, packing, lookahead)
    second.restore(state)
    assert [second.row() for _ in range(10)] == later
    assert second.state() == first.state()


@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=9), st.integers(30, 60))
def test_a_row_is_as_full_as_the_waiting_samples_allow(of, budget) -> None:
    row = Packer(endless(of), budget, "packed", lookahead=len(of)).row()
    others = {0}
    for length in of[1:]:
        others |= {total + length for total in others}
    best = max(total + of[0] for total in others if total + of[0] <= budget)
    assert sum(of[i] for i in row) == best


@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.integers(30, 90))
def test_a_rectangle_holds_the_most_tokens_of_neighbouring_lengths(of, budget) -> None:
    row = Packer(endless(of), budget, "padded", lookahead=len(of)).row()
    ranked = sorted(range(len(of)), key=lambda i: (of[i], i))
    runs = [ranked[a:b] for a in range(len(of)) for b in range(a + 1, len(of) + 1)]
    fitting = [run for run in runs if 0 in run and len(run) * of[run[-1]] <= budget]
    assert sum(of[i] for i in row) == max(sum(of[i] for i in run) for run in fitting)


@pytest.mark.parametrize("budget", [4096, 8192])
def test_rows_of_arc_like_lengths_are_full(budget: int) -> None:
    of = arc_like(0, 4000, budget)
    packer = Packer(endless(of), budget)
    fills = [sum(of[i % 4000] for i in packer.row()) / budget for _ in range(400)]
    assert np.mean(fills) > 0.99
    assert np.mean(np.array(fills) >= 0.95) > 0.98


@pytest.mark.parametrize("packing", ["packed", "padded"])
def test_the_share_of_tokens_of_a_task_is_that_of_the_stream(packing: str) -> None:
    of = arc_like(1, 40, 4096)
    packer = Packer(endless(of), 8192, packing)
    tokens: Counter[int] = Counter()
    while packer.state()["next"] < 40 * 400:
        for i in packer.row():
            tokens[i % 40] += of[i % 40]
    total = sum(tokens.values())
    for task in range(40):
        assert tokens[task] / total == pytest.approx(of[task] / sum(of), rel=0.02)


def test_a_sample_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sample 2 is longer than a row: got 101\. Expected at"):
        Packer(endless([5, 5, 101]), BUDGET).row()


def test_a_stream_in_which_nothing_fits_is_refused() -> None:
    with pytest.raises(ConfigError, match="no training sample fits the context: got '10000 samp"):
        Packer(endless([0]), BUDGET).row()


def example(n: int, start: int = 0) -> Example:
    ids = np.arange(start, start + n, dtype=np.int32)
    return Example(ids, ids.copy())


def test_a_row_joins_samples_and_never_scores_their_first_tokens() -> None:
    row = pack_examples([example(3, 10), example(1, 20), example(2, 30)])
    assert row.input_ids.tolist() == [10, 11, 12, 20, 30, 31]
    assert row.labels.tolist() == [-100, 11, 12, -100, -100, 31]
    assert row.position_ids.tolist() == [0, 1, 2, 0, 0, 1]
    assert {a.dtype for a in (row.input_ids, row.labels, row.position_ids)} == {np.dtype("int64")}


def test_packing_leaves_the_examples_as_they_are() -> None:
    one = example(3, 10)
    pack_examples([one])
    pad_examples([one])
    assert one.labels.tolist() == [10, 11, 12]


def test_a_rectangle_is_filled_up_on_the_right() -> None:
    batch = pad_examples([example(3, 10), example(1, 20)])
    assert batch["input_ids"].tolist() == [[10, 11, 12], [20, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 11, 12], [-100, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2], [0, 1, 2]]
