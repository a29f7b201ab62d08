"""How light tools rank the answers of journals: by re-scoring or by votes."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence

from arcflow.scoring.voting import Candidate, Rank, without_value

AnswersByTask = Mapping[str, Sequence[Candidate]]
"""Candidates by task id."""


def add_rank_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--rank`` to the options of a tool."""
    parser.add_argument(
        "--rank",
        choices=("rescored", "votes"),
        default="",
        help="rank by re-scoring (pass_n.rescore), where the journals have it, or by votes alone; "
        "default: as each journal's own run did",
    )


def read_ranked(
    paths: Sequence[str], rank: Rank, read: Callable[[str, Rank], AnswersByTask]
) -> list[dict[str, list[Candidate]]]:
    """Return the answers of each file, all with values of re-scoring or all without.

    Values of some files say nothing of the answers of the others: these would come last for no
    reason. If some files lack them, votes rank all, and a line says so.

    Args:
        paths: The files.
        rank: The choice of ``--rank``.
        read: A function that reads one of the files.
    """
    found = [
        {task_id: list(candidates) for task_id, candidates in read(path, rank).items()}
        for path in paths
    ]
    with_values = [path for path, answers in zip(paths, found, strict=True) if _valued(answers)]
    lacking = [
        path
        for path, answers in zip(paths, found, strict=True)
        if path not in with_values and _of_a_model(answers)
    ]
    if not lacking or not (with_values or rank == "rescored"):
        return found
    print(f"{lacking[0]}: its answers were not scored again, so votes rank all answers")
    return [
        {task_id: list(map(without_value, of_task)) for task_id, of_task in answers.items()}
        for answers in found
    ]


def _valued(answers: AnswersByTask) -> bool:
    return any(c.rescored is not None for c in _all(answers))


def _of_a_model(answers: AnswersByTask) -> bool:
    return any(c.grid is not None and not c.source for c in _all(answers))


def _all(answers: AnswersByTask) -> Iterable[Candidate]:
    return (candidate for of_task in answers.values() for candidate in of_task)
