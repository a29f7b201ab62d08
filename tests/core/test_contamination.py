"""The guard of invariant 7: on properties, on the published splits, and in what it says."""

import logging
import time
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from arcflow.core.contamination import Conflict, find_contamination, guard
from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, freeze, make_grid
from arcflow.core.likeness import MIN_DETAIL, canonical
from arcflow.core.task import Pair, Task
from arcflow.sources.arc import load_split

SMALL = npst.arrays(
    np.int8, npst.array_shapes(min_dims=2, max_dims=2, max_side=3), elements=st.integers(0, 2)
)
ANY = npst.arrays(
    np.int8, npst.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 9)
)
TURNS = st.tuples(st.booleans(), st.integers(0, 3))
COLORS = st.permutations(range(10))


def view(grid: Grid, turn: tuple[bool, int], colors: list[int]) -> Grid:
    flipped = np.fliplr(grid) if turn[0] else grid
    return freeze(np.array(colors, dtype=np.int8)[np.rot90(flipped, turn[1])])


def view_task(task: Task, turn: tuple[bool, int], colors: list[int], task_id: str) -> Task:
    def pairs(of: tuple[Pair, ...]) -> tuple[Pair, ...]:
        return tuple(
            Pair(
                view(p.input, turn, colors),
                None if p.output is None else view(p.output, turn, colors),
            )
            for p in of
        )

    return replace(task, id=task_id, train=pairs(task.train), test=pairs(task.test))


def toy(task_id: str, *cells: list[list[int]], source: str = "toys") -> Task:
    """Train pairs from ``cells`` two by two; the last one is a test input without answer."""
    grids = [make_grid(c) for c in cells]
    train = tuple(Pair(a, b) for a, b in zip(grids[:-1:2], grids[1::2], strict=True))
    return Task(task_id, train, (Pair(grids[-1], None),), source)


@given(grids=st.tuples(ANY, ANY), turn=TURNS, colors=COLORS)
@settings(deadline=None, max_examples=60)
def test_canonical_is_blind_to_turns_and_colours(
    grids: tuple[Grid, Grid], turn: tuple[bool, int], colors: list[int]
) -> None:
    assert canonical(grids) == canonical([view(grid, turn, colors) for grid in grids])


@given(one=st.tuples(SMALL, SMALL), other=st.tuples(SMALL, SMALL))
@settings(deadline=None, max_examples=200)
def test_canonical_is_equal_exactly_where_a_view_leads_there(
    one: tuple[Grid, Grid], other: tuple[Grid, Grid]
) -> None:
    wanted = [grid.tolist() for grid in other]
    reachable = any(
        [view(grid, (flip, turns), [*three, *range(3, 10)]).tolist() for grid in one] == wanted
        for flip in (False, True)
        for turns in range(4)
        for three in permutations(range(3))
    )
    assert (canonical(one) == canonical(other)) == reachable


@given(data=st.data(), turn=TURNS, colors=COLORS)
@settings(deadline=None, max_examples=60)
def test_a_view_of_an_evaluated_task_is_found_under_any_id(
    data: st.DataObject, turn: tuple[bool, int], colors: list[int]
) -> None:
    tasks = load_split("arc-agi-1/evaluation")
    task = data.draw(st.sampled_from(tasks))
    copy = view_task(task, turn, colors, "another name")
    alone = replace(copy, train=copy.train[:1], test=(Pair(copy.train[0].input, None),))
    for training in (copy, alone):
        conflicts = find_contamination([training], [task.without_answers()])
        assert [(c.train_id, c.evaluation_id, c.reason) for c in conflicts] == [
            ("another name", task.id, "same pair up to turns and colours")
        ]


def test_hidden_or_known_answers_make_no_difference_where_one_is_trained_on() -> None:
    """A test pair moved into training is found by its input, with the answer hidden too."""
    for task in load_split("arc-agi-1/evaluation")[:40]:
        background = max(np.bincount(task.test[0].input.ravel()))
        stolen = Task("stolen", task.test[:1], (Pair(make_grid([[0]]), None),))
        found = find_contamination([stolen], [task])
        assert [c.reason for c in found] == ["same pair up to turns and colours"]
        if task.test[0].input.size - background >= MIN_DETAIL:
            found = find_contamination([stolen], [task.without_answers()])
            assert [c.reason for c in found] == ["same test input up to turns and colours"]


def test_small_inputs_alone_are_no_conflict() -> None:
    dot = [[0, 0, 0], [0, 5, 0], [0, 0, 0]]
    assert not find_contamination(
        [toy("a", dot, [[1]], [[7]])], [toy("b", [[3, 4]], [[4, 3]], dot)]
    )


def test_input_and_output_must_share_the_turn_and_the_colours() -> None:
    evaluated = toy("e", [[1, 1, 2], [3, 3, 3]], [[1, 2, 3]], [[0]])
    turned = [[3, 3, 3], [2, 1, 1]]
    assert find_contamination([toy("t", turned, [[3, 2, 1]], [[0]])], [evaluated])
    assert not find_contamination([toy("t", turned, [[1, 2, 3]], [[0]])], [evaluated])
    recoloured = [[4, 4, 5], [6, 6, 6]]
    assert find_contamination([toy("t", recoloured, [[4, 5, 6]], [[0]])], [evaluated])
    assert not find_contamination([toy("t", recoloured, [[1, 2, 3]], [[0]])], [evaluated])


# The published splits: everything that is found, and nothing else.

KNOWN = {
    ("arc-agi-1/training", "arc-agi-1/evaluation"): (
        0,
        {("40853293", "070dd51e"), ("caa06a1f", "50a16a69")},
    ),
    ("arc-agi-1/training", "arc-agi-2/evaluation"): (0, set()),
    ("arc-agi-1/evaluation", "arc-agi-2/evaluation"): (6, {("55783887", "db695cfb")}),
    ("arc-agi-2/training", "arc-agi-1/evaluation"): (376, {("caa06a1f", "50a16a69")}),
    ("arc-agi-2/training", "arc-agi-2/evaluation"): (0, set()),
    ("arc-agi-2/evaluation", "arc-agi-1/evaluation"): (6, {("db695cfb", "55783887")}),
    ("arc-agi-2/evaluation", "arc-agi-1/training"): (0, set()),
}


@pytest.mark.parametrize("splits", KNOWN)
@pytest.mark.parametrize("hidden", [False, True])
def test_published_splits(splits: tuple[str, str], hidden: bool) -> None:
    train, evaluation = map(load_split, splits)
    if hidden:
        evaluation = tuple(task.without_answers() for task in evaluation)
    found = find_contamination(train, evaluation)
    same_ids, others = KNOWN[splits]
    assert sum(c.reason == "same id" for c in found) == same_ids
    assert {(c.train_id, c.evaluation_id) for c in found if c.reason != "same id"} == others
    assert {c.train_source for c in found} <= {splits[0]}


def test_the_largest_check_is_quick() -> None:
    train, evaluation = load_split("arc-agi-2/training"), load_split("arc-agi-1/evaluation")
    start = time.process_time()
    find_contamination(train, evaluation)
    assert time.process_time() - start < 4  # about 0.8 s on a quiet core


# What the guard does and says.

EVALUATED = [
    toy("e1", [[1, 2]], [[2, 1]], [[3]]),
    toy("e2", [[1], [1]], [[2, 2]], [[3]]),
]
TRAIN = [
    toy("fresh", [[1, 2, 3]], [[3, 2, 1]], [[4]]),
    toy("e1", [[5, 5, 6]], [[6, 5, 5]], [[3]], source="mine"),
    toy("copy", [[7, 7]], [[8], [8]], [[3]]),
]


def test_drop_leaves_out_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        left = guard(TRAIN, EVALUATED)
    assert [task.id for task in left.tasks] == ["fresh"]
    assert [task.id for task in left.dropped] == ["e1", "copy"]
    assert left.conflicts == (
        Conflict("e1", "e1", "same id", "mine"),
        Conflict("copy", "e2", "same pair up to turns and colours", "toys"),
    )
    assert left.allowed == ()
    assert caplog.messages == [
        "Left out of training, because evaluated too: 2 of 3 tasks: copy ~ e2 (same pair up to "
        "turns and colours); e1 (same id)."
    ]


def test_refuse_names_them_and_the_ways_out() -> None:
    with pytest.raises(DataError) as error:
        guard(TRAIN, EVALUATED, on_conflict="refuse")
    assert str(error.value) == (
        "training tasks that are evaluated too: 2 of 3: got 'copy ~ e2 (same pair up to turns and "
        "colours); e1 (same id)'. Expected training tasks that share no id and no grids with the "
        "evaluation tasks. Set contamination to 'drop' to leave them out, choose other tasks, or "
        "allow them by name."
    )


def test_refuse_counts_what_it_does_not_name() -> None:
    train, evaluation = load_split("arc-agi-2/training"), load_split("arc-agi-1/evaluation")
    with pytest.raises(DataError, match=r"377 of 1000: got 'caa06a1f ~ 50a16a69 .* and 374 more'"):
        guard(train, evaluation, on_conflict="refuse")


@pytest.mark.parametrize(
    ("allow", "kept"),
    [
        (["e1"], ["fresh", "e1"]),
        (["copy"], ["fresh", "copy"]),
        (["e2"], ["fresh", "copy"]),
        (["mine"], ["fresh", "e1"]),
        (["toys", "mine"], ["fresh", "e1", "copy"]),
    ],
)
def test_allow_by_id_or_source(
    allow: list[str], kept: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        left = guard(TRAIN, EVALUATED, allow=allow)
    assert [task.id for task in left.tasks] == kept
    assert {c.train_id for c in left.allowed} == set(kept) - {"fresh"}
    assert any(
        message.startswith("Kept in training, as allowed, although evaluated too: ")
        for message in caplog.messages
    )


def test_allow_all_is_never_silent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        left = guard(TRAIN, EVALUATED, on_conflict="allow")
    assert left.tasks == tuple(TRAIN)
    assert caplog.messages == [
        "Kept in training, as allowed, although evaluated too: 2 of 3 tasks: copy ~ e2 (same pair "
        "up to turns and colours); e1 (same id). Their scores say nothing about new tasks."
    ]


def test_an_empty_source_is_not_a_name() -> None:
    nameless = [replace(task, source="") for task in TRAIN]
    assert len(guard(nameless, EVALUATED, allow=[""]).tasks) == 1


def test_one_allowed_conflict_does_not_excuse_another() -> None:
    both = toy("both", [[1, 2]], [[2, 1]], [[1], [1]], [[2, 2]], [[3]])
    assert guard([both, TRAIN[0]], EVALUATED, allow=["e1"]).dropped == (both,)
    assert guard([both, TRAIN[0]], EVALUATED, allow=["both"]).dropped == ()


def test_nothing_left_to_train_on() -> None:
    with pytest.raises(DataError) as error:
        guard(EVALUATED, EVALUATED)
    assert str(error.value) == (
        "training tasks that are evaluated too: all 2: got 'e1 (same id); e2 (same id)'. "
        "Expected at least one training task that is not evaluated. Choose other training or "
        "evaluation tasks, or allow them by name."
    )


def test_clean_sets_pass_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    left = guard(TRAIN[:1], EVALUATED, on_conflict="refuse")
    assert left.tasks == (TRAIN[0],)
    assert not caplog.messages
