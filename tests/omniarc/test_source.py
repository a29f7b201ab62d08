"""OmniARC: right by construction, well-posed, everywhere the same, nothing of what is held out."""

import pickle
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FunctionType, MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.contamination import guard
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import Grid, grid_key
from arcflow.core.task import Task
from arcflow.omniarc import dsl, make
from arcflow.omniarc import source as source_module
from arcflow.omniarc.edits import without_docstring
from arcflow.omniarc.inputs import InputWeights, original_inputs
from arcflow.omniarc.own_inputs import OWN_INPUTS, own_input
from arcflow.omniarc.primitives import PRIMITIVES
from arcflow.omniarc.registry import programs
from arcflow.omniarc.source import OmniARC, TaskWeights
from arcflow.sources.base import hash_tasks
from arcflow.sources.pool.build import build_pool

KINDS = ("task", "variation", "composition", "primitive")
FEW = ("00d62c1b", "3c9b0459", "67a3c6ac", "a699fb00", "c8f0f002", "d511f180", "ed36ccf7")
EQUAL = TaskWeights(1, 1, 1, 1)
ALL = OmniARC(tasks=EQUAL)


def only(kind: str) -> TaskWeights:
    return TaskWeights(**{name: float(name == kind) for name in KINDS})


def answer(code: str, grid: Grid, name: str = "task") -> Grid:
    """The program's output, without anything that made the task."""
    space = {"np": np, **{name: getattr(dsl, name) for name in dsl.__all__}}
    exec(code, space)
    return np.asarray(space[name](grid))


def kind_of(task: Task) -> str:
    name = task.id.removeprefix("omni-arc-")
    if "-variation-" in name:
        return "variation"
    if "+" in name:
        return "composition"
    return "task" if re.fullmatch(r"[0-9a-f]{8}-\d+", name) else "primitive"


def digest(source: OmniARC, n: int = 24) -> str:
    tasks = [source.task(1, index) for index in range(n)]
    return hash_tasks(tasks) + code_of(tasks)


def code_of(tasks: list[Task]) -> str:
    return "".join(str(task.code) for task in tasks)


@given(seed=st.integers(0, 3), index=st.integers(0, 5_000))
@settings(max_examples=60, deadline=None)
def test_tasks_are_right_and_well_posed(seed: int, index: int) -> None:
    task = ALL.task(seed, index)
    assert task.code is not None
    assert len(task.test) == 1
    assert task.source == "omni-arc"
    pairs = [*task.train, *task.test]
    same = 0
    for pair in pairs:
        assert pair.output is not None
        assert answer(task.code, pair.input).tolist() == pair.output.tolist()
        for grid in (pair.input, pair.output):
            assert grid.dtype == np.int8
            assert not grid.flags.writeable
            assert max(grid.shape) <= 30
            assert 0 <= grid.min() <= grid.max() <= 9
        same += pair.input.tolist() == pair.output.tolist()
    assert len({grid_key(pair.input) for pair in pairs}) == len(pairs) >= 3
    assert len({grid_key(pair.output) for pair in pairs if pair.output is not None}) > 1
    assert same < len(pairs)
    if kind_of(task) != "task":
        assert same == 0


@given(index=st.integers(0, 3_000))
@settings(max_examples=25, deadline=None)
def test_a_variation_is_another_rule(index: int) -> None:
    task = OmniARC(tasks=only("variation")).task(0, index)
    if kind_of(task) == "task":
        return
    assert task.code not in {without_docstring(one.source) for one in programs().values()}
    base = programs()[task.id.split("-")[2]].source
    try:
        found = answer(base, task.train[0].input).tolist()
    except Exception:  # noqa: BLE001 (on inputs of its variation a program may raise anything)
        found = None
    output = task.train[0].output
    assert output is not None
    assert found != output.tolist()


@given(index=st.integers(0, 3_000))
@settings(max_examples=25, deadline=None)
def test_both_parts_of_a_composition_do_something(index: int) -> None:
    task = OmniARC(tasks=only("composition")).task(0, index)
    if kind_of(task) == "task":
        return
    assert task.code is not None
    first, second = (programs()[i] for i in task.id.split("-")[2].split("+"))
    alone = []
    for pair in (*task.train, *task.test):
        middle = answer(task.code, pair.input, first.name)
        assert middle.tolist() == answer(first.source, pair.input).tolist()
        assert middle.tolist() != pair.input.tolist()
        assert pair.output is not None
        assert middle.tolist() != pair.output.tolist()
        try:
            alone.append(answer(second.source, pair.input).tolist() == pair.output.tolist())
        except Exception:  # noqa: BLE001 (without the first part: anything)
            alone.append(False)
    assert not all(alone[:-1])


def test_names_of_programs_can_stand_together() -> None:
    names = Counter(one.name for one in programs().values())
    assert [name for name, n in names.items() if n > 1 or name in dsl.__all__] == []


def test_kinds_come_by_weight_and_every_pass_has_every_program() -> None:
    source = OmniARC(ids=FEW, tasks=TaskWeights(2, 1, 1, 0))
    n = 4 * len(FEW)
    assert Counter(source.origin(0, index) for index in range(n)) == {
        "omni-arc task": n // 2,
        "omni-arc variation": n // 4,
        "omni-arc composition": n // 4,
    }
    plain = OmniARC(ids=FEW, tasks=only("task"))
    for begin in (0, len(FEW)):
        ids = [plain.task(0, begin + i).id for i in range(len(FEW))]
        assert sorted(ids) == [f"omni-arc-{i}-{begin // len(FEW)}" for i in FEW]


def test_most_attempts_give_their_kind() -> None:
    source = OmniARC(tasks=EQUAL)
    wanted, found = Counter[str](), Counter[str]()
    for index in range(300):
        kind = source.origin(0, index).split()[1]
        wanted[kind] += 1
        found[kind] += kind_of(source.task(0, index)) == kind
    assert found["task"] == wanted["task"]
    assert found["variation"] > 0.55 * wanted["variation"]
    assert found["composition"] > 0.85 * wanted["composition"]
    assert found["primitive"] > 0.85 * wanted["primitive"]


def test_every_primitive_is_taught() -> None:
    functions = {name for name in dsl.__all__ if isinstance(getattr(dsl, name), FunctionType)}
    assert set(PRIMITIVES) == functions
    source = OmniARC(tasks=only("primitive"))
    taught = {source.task(0, index).id.split("-")[2] for index in range(12 * len(PRIMITIVES))}
    assert functions <= taught


def test_the_same_in_every_process_and_after_pickling() -> None:
    here = digest(OmniARC(ids=FEW, tasks=EQUAL))
    source = OmniARC(ids=FEW, tasks=EQUAL)
    source.task(1, 3)
    assert digest(pickle.loads(pickle.dumps(source))) == here
    backwards = [source.task(1, index) for index in reversed(range(24))][::-1]
    assert hash_tasks(backwards) + code_of(backwards) == here
    assert digest(OmniARC(ids=FEW, tasks=EQUAL, exclude=["00d62c1b"])) != here
    script = (
        "from tests.omniarc.test_source import *\n"
        "print(hash_tasks([ALL.task(1, i) for i in range(40)]))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "1")
    }
    assert hashes == {hash_tasks([ALL.task(1, i) for i in range(40)])}


def test_no_program_draws_random_numbers() -> None:
    assert [i for i, one in programs().items() if "random" in one.source] == []


def test_what_is_held_out_is_in_nothing() -> None:
    held_out = {"67a3c6ac", "00d62c1b"}  # the first is one primitive alone
    source = OmniARC(ids=FEW, tasks=EQUAL).exclude(held_out)
    assert len(source) == len(FEW) - 2
    assert {task.id for task in source.base_tasks()} == set(FEW) - held_out
    bare = {without_docstring(programs()[i].source) for i in held_out}
    inputs = {grid.size for i in held_out for grid in original_inputs()[i]}
    assert inputs
    for index in range(400):
        task = source.task(0, index)
        assert task.code is not None
        assert not any(name in task.id or programs()[name].name in task.code for name in held_out)
        assert task.code not in bare


def test_the_guard_takes_it_as_any_source() -> None:
    source = OmniARC(ids=FEW)
    evaluated = [replace(source.base_tasks()[0], id="another name")]
    found = guard(source.base_tasks(), evaluated)
    assert [task.id for task in found.dropped] == [FEW[0]]
    left = source.exclude([task.id for task in found.dropped])
    assert FEW[0] not in {task.id for task in left.base_tasks()}


def test_nothing_left() -> None:
    source = OmniARC(ids=FEW).exclude(FEW)
    assert len(source) == 0
    assert source.base_tasks() == []
    with pytest.raises(DataError, match="no task is left"):
        source.task(0, 0)


def test_versions_come_again_in_another_order() -> None:
    source = OmniARC(ids=FEW, tasks=only("task"), variants=2)
    n = len(FEW)
    passes = [[source.task(0, i) for i in range(k * n, k * n + n)] for k in range(4)]
    by_id = [{task.id: task for task in one} for one in passes]
    assert by_id[0] == by_id[2]
    assert by_id[1] == by_id[3]
    assert not by_id[0].keys() & by_id[1].keys()
    assert [task.id for task in passes[0]] != [task.id for task in passes[2]]
    assert source.task(0, 0) is source.task(0, 0)
    endless = OmniARC(ids=FEW, tasks=only("task"))
    assert [endless.task(0, i) for i in range(2 * n)] == passes[0] + passes[1]


def test_seeds_share_versions_in_orders_of_their_own() -> None:
    source = OmniARC(ids=FEW, variants=1)
    n = 20 * len(FEW)
    one, other = ([source.task(seed, i) for i in range(n)] for seed in (0, 1))
    by_id = {task.id: task for task in one}
    shared = [task for task in other if task.id in by_id]
    assert len(shared) > len(FEW)
    assert all(task == by_id[task.id] for task in shared)
    assert [task.id for task in one] != [task.id for task in other]


def test_versions_beyond_the_memory_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [OmniARC(ids=FEW, variants=3).task(0, i) for i in range(30)]
    monkeypatch.setattr(source_module, "MAX_KEPT", 1)
    source = OmniARC(ids=FEW, variants=3)
    assert [source.task(0, i) for i in range(30)] == before
    assert source.task(0, 0) is source.task(0, 0)
    assert source.task(0, 1) is not source.task(0, 1)


def test_augmentation_keeps_what_the_program_names() -> None:
    source = OmniARC(ids=["d511f180"], tasks=only("task"))  # 5 and 8 change places
    others = set()
    for index in range(20):
        for pair in source.task(0, index).train:
            assert {5, 8} < set(pair.input.ravel().tolist())
            others |= set(pair.input.ravel().tolist())
    assert others == set(range(1, 10))  # no black in the published ones
    published = {grid_key(grid) for grid in original_inputs()["d511f180"]}
    plain = OmniARC(ids=["d511f180"], tasks=only("task"), augment="none")
    turned = 0
    for index in range(5):
        assert {grid_key(p.input) for p in plain.task(0, index).train} < published
        turned += {grid_key(p.input) for p in source.task(0, index).train} < published
    assert turned < 5


def test_numbers_of_pairs() -> None:
    def counts(**options: object) -> set[int]:
        source = OmniARC(ids=["ed36ccf7"], tasks=only("task"), **options)  # type: ignore[arg-type]
        return {len(source.task(0, index).train) for index in range(6)}

    assert counts() == {4}
    assert counts(pairs=2) == {2}
    assert counts(pairs=10) == {4}
    assert max(counts(pairs=10, augment="pair")) > 4


def test_rearc_inputs() -> None:
    source = OmniARC(ids=["c8f0f002"], inputs=InputWeights(0, 1), tasks=only("task"), pairs=3)
    task = source.task(0, 0)
    assert len(task.train) == 3
    published = {grid_key(grid) for grid in original_inputs()["c8f0f002"]}
    assert not published & {grid_key(pair.input) for pair in task.train}
    assert task == pickle.loads(pickle.dumps(source)).task(0, 0)


def test_own_inputs_where_rearc_fits_badly() -> None:
    (task_id, *_) = OWN_INPUTS
    source = OmniARC(ids=[task_id], inputs=InputWeights(0, 1), tasks=only("task"))
    task = source.task(0, 0)
    drawn = {grid_key(own_input(task_id, np.random.default_rng(i))) for i in range(3)}
    assert len(drawn) == 3
    published = {grid_key(grid) for grid in original_inputs()[task_id]}
    assert not published & {grid_key(pair.input) for pair in task.train}


def test_inputs_from_a_pool(tmp_path: Path) -> None:
    from arcflow.sources.rearc.source import ReARC

    path = tmp_path / "inputs.pool"
    build_pool(path, ReARC(ids=["c8f0f002"], pairs=5), tasks=4)
    rearc = InputWeights(0, 1)
    source = OmniARC(
        ids=["c8f0f002", "d511f180"], inputs=rearc, tasks=only("task"), pairs=3, pool=str(path)
    )
    tasks = {task.id.split("-")[2]: task for task in (source.task(0, 0), source.task(0, 1))}
    live = {grid_key(g) for i in tasks for g in original_inputs()[i]}
    assert not live & {grid_key(pair.input) for pair in tasks["c8f0f002"].train}
    assert "RE-ARC pool" in source.fingerprint()


def test_identity_depends_on_what_tasks_are_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    first = OmniARC(ids=FEW).fingerprint()
    assert first == OmniARC(ids=FEW).fingerprint()
    for other in (
        OmniARC(ids=FEW[:-1]),
        OmniARC(ids=FEW, tasks=EQUAL),
        OmniARC(ids=FEW, variants=3),
        OmniARC(ids=FEW, pairs=2),
        OmniARC(ids=FEW, augment="pair"),
        OmniARC(ids=FEW, inputs=InputWeights(1, 1)),
    ):
        assert other.fingerprint() != first
    changed = {i: replace(one, source=one.source + "# more\n") for i, one in programs().items()}
    with monkeypatch.context() as patch:
        patch.setattr(source_module, "programs", lambda: MappingProxyType(changed))
        found = OmniARC(ids=FEW).fingerprint()
    assert {key for key in found if found[key] != first[key]} == {"programs"}
    monkeypatch.setattr(
        source_module,
        "code_fingerprint",
        lambda *names: code_fingerprint(*names) + str("dsl" in names[0]),
    )
    assert OmniARC(ids=FEW).fingerprint()["DSL"] != first["DSL"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": ["ffffffff"]}, "1 unknown in ids: got ['ffffffff']. Expected ids of its 399"),
        ({"exclude": ["c8f0f00"]}, "such as c8f0f002"),
        ({"fraction": 0}, "bad fraction"),
        ({"fraction_seed": -1}, "bad fraction_seed"),
        ({"pairs": 1}, "bad pairs: got 1. Expected 2 to 20, or original"),
        ({"variants": 0}, "bad variants"),
        ({"augment": "both"}, "bad augment"),
        ({"pool": "some.pool"}, "bad pool: got 'some.pool'. Expected none without a weight"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        OmniARC(**options)  # type: ignore[arg-type]


def test_bad_weights() -> None:
    with pytest.raises(ConfigError, match=r"tasks.variation: not a weight: got -1"):
        TaskWeights(variation=-1)
    with pytest.raises(ConfigError, match="inputs: nothing to choose from"):
        InputWeights(0, 0)


def test_a_fraction_is_inside_a_larger_one() -> None:
    small, large = (OmniARC(fraction=f) for f in (0.1, 0.3))
    assert {t.id for t in small.base_tasks()} < {t.id for t in large.base_tasks()}


def test_nothing_well_posed_ends_with_the_published_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "solved", lambda grids, solve: None)
    source = OmniARC(ids=["c8f0f002"], tasks=EQUAL)
    tasks = [source.task(0, index) for index in range(4)]
    assert {task.id for task in tasks} == {"omni-arc-c8f0f002-0"}
    published = source.base_tasks()[0]
    assert (*tasks[0].train, *tasks[0].test) == (*published.train, *published.test)
