"""RE-ARC's random draws: even, watched at their sites, and drawn again."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.sources.rearc.color_sites import color_sites
from arcflow.sources.rearc.random_draws import OutOfDrawsError, RandomDraws


def test_draws_are_counted_and_drawn_again() -> None:
    draws = RandomDraws()

    def rule() -> tuple[int, list[int], int]:
        cols = tuple(range(10))
        first = draws.choice(cols)
        return first, draws.sample(cols, 3), draws.randint(0, 999)

    sites = color_sites(rule)
    assert sorted(set(sites.at.values())) == [0, 1]
    draws.start(1, 100)
    plain = rule()
    assert draws.drawn == {}
    draws.start(1, 100, sites.code, sites.at)
    assert rule() == plain  # watching does not change what is drawn
    drawn = draws.drawn
    assert drawn == {(0, 0): plain[:1], (1, 0): tuple(plain[1])}
    draws.start(2, 100, sites.code, sites.at, drawn)
    again = rule()
    assert again[:2] == plain[:2]
    assert again[2] != plain[2]
    draws.start(2, 100, sites.code, sites.at, {(0, 0): (77,), (1, 0): (77, plain[1][0])})
    assert 77 not in (other := rule())[1]  # what is not on offer is drawn anew
    assert plain[1][0] == other[1][0]
    draws.start(1, 4)
    with pytest.raises(OutOfDrawsError):
        rule()


def test_sites_are_where_colors_are_drawn_for_a_whole_pair() -> None:
    rng = RandomDraws()

    def rule(k: int) -> None:
        cols = list(range(10))
        colopts = tuple(c for c in cols if c != 3)
        inds = [(0, 1), (2, 3)]
        linc, bgc = rng.sample(cols, 2)  # 0
        rng.choice(inds)  # 1: places
        rng.sample(colopts, k)  # 2: of varying number
        ccols = rng.sample(
            sorted(set(cols) - {linc, bgc}),
            3,
        )  # 3
        for _ in range(k):
            rng.choice(ccols)  # 4: an object's
        [rng.choice(cols) for _ in range(k)]  # 5: a cell's
        while rng.choice(ccols[1:]) == 1:  # 6
            pass
        rng.shuffle(cols)

    sites = color_sites(rule)
    assert sorted(set(sites.at.values())) == [0, 3, 6]
    assert sites.background == (0, 1)
    rng.start(0, 1000, sites.code, sites.at)
    rule(2)
    assert {site for site, _ in rng.drawn} == {0, 3, 6}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63), n=st.integers(1, 60), data=st.data())
def test_draws_are_what_random_would_give(seed: int, n: int, data: st.DataObject) -> None:
    draws, items = RandomDraws(), list(range(100, 100 + n))
    draws.start(seed, 10_000)
    k = data.draw(st.integers(0, n))
    chosen = draws.sample(items, k)
    assert len(set(chosen)) == k
    assert set(chosen) <= set(items)
    assert draws.choice(items) in items
    assert 3 <= draws.randint(3, 3 + n) <= 3 + n
    assert 0.25 <= draws.uniform(0.25, 0.5) <= 0.5
    shuffled = list(items)
    draws.shuffle(shuffled)
    assert sorted(shuffled) == items
    with pytest.raises(ValueError, match="sample"):
        draws.sample(items, n + 1)
    with pytest.raises(TypeError):
        draws.sample(set(items), 1)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        draws.choice([])


def test_draws_are_even() -> None:
    draws = RandomDraws()
    draws.start(0, 10**6)
    n = 20_000
    for counted in (
        Counter(draws.choice("abcde") for _ in range(n)),
        Counter(draws.randint(1, 5) for _ in range(n)),
        Counter(draws.sample(range(5), 2)[1] for _ in range(n)),
    ):
        assert len(counted) == 5
        assert all(abs(count / n - 0.2) < 0.015 for count in counted.values())
