"""Merging: the answers of language models, solvers and submissions become one ranking."""

from collections.abc import Iterable, Iterator, Sequence

from arcflow.core.grid import GridKey, grid_key
from arcflow.scoring.voting import Candidate, Vote, rank_votes

SOLVER_ORDER = ("search", "trees")
"""The solvers whose answers come first if their rule fits all train pairs, in this order."""


def rank_answers(candidates: Iterable[Candidate]) -> list[Vote]:
    """Return the distinct answers of all sources to one test input, best first.

    The first answer is that of the first of these that has one, the second is the best different
    answer of the next:

    1. answers of search that fit all train pairs;
    2. answers of trees, then of other solvers, that fit all train pairs;
    3. the answers that language models and submissions vote for. If there are several such systems,
       a system's first answer counts 1, its second 1/2, its third 1/3 and so on;
    4. all other answers of solvers.

    If answers were scored again, those of solvers that have a value are ranked among the model's,
    and the last two are one source: its first two answers follow each other.

    Within one source, answers are ranked by their confidence, of equal ones by re-scoring. One that
    several solvers give is wrong only if all of them are, as if they were independent.

    Args:
        candidates: All candidates for one test input; unanswered ones count for nothing. If none
            of them has a source, the ranking is that of
            :func:`~arcflow.scoring.voting.rank_votes`.
    """
    answered = [c for c in candidates if c.grid is not None]
    if not any(c.source for c in answered):
        return rank_votes(answered)
    solved = [c for c in answered if c.confidence is not None]
    confidence = _confidences(solved)
    by_confidence = sorted(
        solved, key=lambda c: (-confidence[_key(c)], c.rescored is None, -(c.rescored or 0.0))
    )
    names = {c.source for c in solved if c.fits}
    order = [name for name in SOLVER_ORDER if name in names]
    order += sorted(names - set(SOLVER_ORDER))
    sources = [[_key(c) for c in by_confidence if c.fits and c.source == name] for name in order]
    ranked, rest = _voted(answered), [_key(c) for c in by_confidence]
    if any(c.rescored is not None for c in answered):
        sources.append(ranked + rest)
    else:
        sources += [ranked, rest]
    votes = {_key(vote): vote for vote in rank_votes(answered)}
    return [votes[key] for key in _in_turn(sources)]


def _key(answer: Candidate | Vote) -> GridKey:
    assert answer.grid is not None
    return grid_key(answer.grid)


def _confidences(solved: Sequence[Candidate]) -> dict[GridKey, float]:
    """Return the probability that each answer is right, given all solvers that give it."""
    best: dict[tuple[GridKey, str], float] = {}
    for candidate in solved:
        place = (_key(candidate), candidate.source)
        best[place] = max(best.get(place, 0.0), candidate.confidence or 0.0)
    wrong: dict[GridKey, float] = {}
    for key, source in sorted(best, key=lambda place: place[1]):
        wrong[key] = wrong.get(key, 1.0) * (1.0 - best[key, source])
    return {key: 1.0 - share for key, share in wrong.items()}


def _voted(candidates: Sequence[Candidate]) -> list[GridKey]:
    """Return the answers of systems without confidences, by the sum of their places' inverses."""
    systems: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.confidence is None:
            systems.setdefault(candidate.source, []).append(candidate)
        elif candidate.rescored is not None:  # by the model, which ranks it among its own
            systems.setdefault("", []).append(candidate)
    points: dict[GridKey, float] = {}
    for found in systems.values():
        ranked = rank_votes(found)
        for place, vote in enumerate(ranked, start=1):
            points[_key(vote)] = points.get(_key(vote), 0.0) + 1.0 / place
    return sorted(points, key=lambda key: -points[key])


def _in_turn(sources: Sequence[Sequence[GridKey]]) -> Iterator[GridKey]:
    """Yield distinct answers: the best of each source that is new, source after source, again."""
    given: set[GridKey] = set()
    left = [list(dict.fromkeys(source)) for source in sources]
    while any(left):
        for source in left:
            while source:
                key = source.pop(0)
                if key not in given:
                    given.add(key)
                    yield key
                    break
