"""RE-ARC: backgrounds, roles, sizes and difficulty are brought near the originals."""

from collections import Counter

import numpy as np
import pytest

from arcflow.core.task import Task
from arcflow.sources.rearc.backend import load_backend
from arcflow.sources.rearc.color_sites import color_sites
from arcflow.sources.rearc.difficulty import RANGES, apart, original_difficulty
from arcflow.sources.rearc.facts import load_facts
from arcflow.sources.rearc.pairs import Adaptation, Generator
from arcflow.sources.rearc.source import ReARC
from tests.helpers.rearc import SOURCE, original_of


def test_backgrounds_are_the_originals() -> None:
    facts, backend = load_facts(), load_backend("reasoning-gym")
    drawn_there = [i for i, fact in facts.items() if fact.swap and fact.background_draw]
    for task_id in drawn_there[::20]:
        fact = facts[task_id]
        assert fact.background_draw is not None
        for made in Generator(backend, task_id, fact, Adaptation()).prompt(4, 0, 0):
            drawn = made.drawn[fact.background_draw[0], 0][fact.background_draw[1]]
            if drawn == fact.background:
                assert made.swapped is None
                assert made.input == made.raw_input
            else:
                assert made.swapped == (drawn, fact.background)
                for raw, served in (
                    (made.raw_input, made.input),
                    (made.raw_output, made.output),
                ):
                    assert raw[2].count(drawn) == served[2].count(fact.background or 0)
                    assert raw[2].count(fact.background or 0) == served[2].count(drawn)


def test_where_ties_depend_on_colors_what_is_exchanged_is_verified() -> None:
    facts, backend = load_facts(), load_backend("reasoning-gym")
    assert {task_id for task_id, fact in facts.items() if fact.ties} >= {"137eaa0f", "3631a71a"}
    generator = Generator(backend, "3631a71a", facts["3631a71a"], Adaptation())
    exchanged = [made for i in range(12) for made in generator.prompt(4, 0, i) if made.swapped]
    assert len(exchanged) > 20
    assert all(generator.accepts(made.input, made.output) for made in exchanged)


def test_fixed_colors_never_change() -> None:
    facts, backend = load_facts(), load_backend("reasoning-gym")
    guarded = [i for i, fact in facts.items() if fact.fixed_colors]
    assert {"91413438", "239be575", "5614dbcf", "d4469b4b", "feca6190"} <= set(guarded)
    for task_id in guarded[::8]:
        fixed = facts[task_id].fixed_colors
        for made in Generator(backend, task_id, facts[task_id], Adaptation()).prompt(3, 0, 0):
            for raw, served in ((made.raw_input, made.input), (made.raw_output, made.output)):
                for color in fixed:
                    assert [cell == color for cell in raw[2]] == [c == color for c in served[2]]


def test_without_options_pairs_are_the_generators_own() -> None:
    backend = load_backend("reasoning-gym")
    generator = Generator(
        backend, "00d62c1b", load_facts()["00d62c1b"], Adaptation((0.0, 1.0), False, False)
    )
    for made in generator.prompt(5, 0, 0):
        assert made.swapped is None
        assert made.input == made.raw_input
        assert generator.accepts(made.input, made.output)


def common_colors(task: Task) -> int:
    return len(set.intersection(*(set(pair.input.ravel().tolist()) for pair in task.train)))


def test_roles_and_backgrounds_bring_common_colors_near_the_originals() -> None:
    plain = ReARC(background=False, roles=False)
    base_tasks, adapted, unadapted = (
        float(np.mean([common_colors(task) for task in tasks]))
        for tasks in (
            SOURCE.base_tasks(),
            [SOURCE.task(2, i) for i in range(400)],
            [plain.task(2, i) for i in range(200)],
        )
    )
    assert abs(adapted - base_tasks) < 0.25
    assert base_tasks - unadapted > 1.0


def test_lengths_are_the_originals() -> None:
    def tokens(task: Task) -> int:
        return sum(grid.size + grid.shape[0] for grid in task.grids())

    base_tasks = {
        task.id: tokens(Task(task.id, task.train, task.test[:1])) for task in SOURCE.base_tasks()
    }
    generated = [SOURCE.task(3, i) for i in range(800)]
    ratio = float(np.median([tokens(t) / base_tasks[original_of(t)] for t in generated]))
    assert 0.9 < ratio < 1.1


def test_sizes_are_nearer_to_each_original_than_with_one_difficulty_for_all() -> None:
    def sides(task: Task) -> list[tuple[int, int, int, int]]:
        pairs = (*task.train, *task.test)
        return [(*p.input.shape, *p.output.shape) for p in pairs if p.output is not None]

    base_tasks = {task.id: sides(task) for task in SOURCE.base_tasks()}

    def away(source: ReARC) -> float:
        drawn: dict[str, list[tuple[int, int, int, int]]] = {task_id: [] for task_id in base_tasks}
        for index in range(800):
            task = source.task(8, index)
            drawn[original_of(task)] += sides(task)
        return float(np.mean([apart(drawn[i], base_tasks[i]) for i in base_tasks]))

    assert away(SOURCE) < 0.7 * away(ReARC(difficulty=(0.0, 0.4)))


def test_the_difficulty_of_an_original_is_measured() -> None:
    backend = load_backend("reasoning-gym")
    base_tasks = {task.id: task for task in SOURCE.base_tasks()}
    large, small = (
        original_difficulty(backend, base_tasks[task_id], 6) for task_id in ("39e1d7f9", "b1948b0a")
    )
    assert large[0] >= 0.4
    assert small[1] <= 0.4


def test_facts_belong_to_the_generators_and_the_originals() -> None:
    facts, backend = load_facts(), load_backend("reasoning-gym")
    assert list(facts) == list(backend.generators) == [task.id for task in SOURCE.base_tasks()]
    for task in SOURCE.base_tasks():
        fact = facts[task.id]
        assert fact.train_pairs == len(task.train)
        assert fact.difficulty in RANGES
        if fact.swap:
            assert fact.background is not None
            assert fact.background not in fact.fixed_colors
        if fact.background_draw is not None:
            sites = color_sites(backend.generators[task.id]).at.values()
            assert fact.background_draw[0] in sites
    assert Counter(fact.background for fact in facts.values())[0] >= 300


@pytest.mark.slow
def test_adapted_pairs_follow_their_rules_wherever_they_did_before() -> None:
    from arcflow.sources.rearc.measure import check

    facts, backend = load_facts(), load_backend("reasoning-gym")
    found = {
        task_id: check(backend, task_id, fact, prompts=2, seed=11)
        for task_id, fact in facts.items()
    }
    assert sum(counts.lost for counts in found.values()) == 0
    black = [i for i, fact in facts.items() if fact.background == 0]
    assert sum(found[i].background == found[i].pairs for i in black) >= 300
    adapted, plain = (
        sum(getattr(c, part + "accepted") for c in found.values())
        / sum(getattr(c, part + "pairs") for c in found.values())
        for part in ("", "plain_")
    )
    assert adapted > plain - 0.01
