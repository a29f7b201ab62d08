"""The solvers by name, and their answers as candidates."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from arcflow import __version__
from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.errors import ConfigError
from arcflow.core.solver import Answer, Solver
from arcflow.core.task import Task
from arcflow.scoring.voting import Candidate

SOLVERS: Mapping[str, str] = {
    "search": "arcflow.search.solver:SearchSolver",
    "trees": "arcflow.trees.solver:TreesSolver",
}
"""Module and class of each solver by name, in the order in which their answers are journaled."""

Answers = dict[str, list[Candidate]]
"""The candidates of one task by the name of their solver."""

_SMALLEST = 1e-9  # stands for a confidence of 0, whose logarithm JSON cannot express


def check_solvers(names: Sequence[str], option: str) -> tuple[str, ...]:
    """Return the solvers that are named, in the order of :data:`SOLVERS`.

    Args:
        names: The names.
        option: The option that names them, for the error message.

    Raises:
        ConfigError: There is no name, or one is unknown or given twice.
    """
    unknown = [name for name in names if name not in SOLVERS]
    if unknown or not names or len(set(names)) < len(names):
        raise ConfigError(
            f"{option}: not the names of solvers",
            value=",".join(names),
            expected=f"one or more of {', '.join(SOLVERS)}, each once",
            next_step=f"Correct {option}.",
        )
    return tuple(name for name in SOLVERS if name in names)


def make_solver(name: str) -> Solver:
    """Return the solver of that name; its packages are imported only now."""
    module, _, attribute = SOLVERS[name].partition(":")
    solver: Solver = getattr(import_module(module), attribute)()
    return solver


def answer_task(solvers: Sequence[Solver], task: Task, seconds: float) -> Answers:
    """Return the candidates of all solvers for one task.

    Args:
        solvers: The solvers. The last one runs first, as it needs little time, and each gets an
            equal share of the time that is left, so that the first one gets what all others spare.
        task: The task; its test outputs are not read.
        seconds: The wall time that all solvers together may take, in seconds.
    """
    import time

    hidden = task.without_answers()
    until = time.monotonic() + seconds
    found: Answers = {}
    for left, solver in reversed(list(enumerate(solvers, start=1))):
        share = max(0.0, until - time.monotonic()) / left
        answers = solver.solve(hidden, share)
        found[solver.name] = [
            candidate_of(task, index, answer)
            for index, of_input in enumerate(answers)
            for answer in of_input
        ]
    return {solver.name: found[solver.name] for solver in solvers}


def candidate_of(task: Task, test_index: int, answer: Answer) -> Candidate:
    """Return a solver's answer as a candidate.

    Its view is the rule in words, its text the program, its log-probability the confidence's.
    """
    return Candidate(
        task_id=task.id,
        test_index=test_index,
        grid=answer.grid,
        log_prob=math.log(max(answer.confidence, _SMALLEST)),
        n_tokens=1,
        view=answer.rule,
        text=answer.program or "",
        source=answer.solver,
        confidence=answer.confidence,
        fits=answer.pairs_fitted == len(task.train),
    )


def solving_record(solvers: Sequence[str], seconds: float) -> dict[str, Any]:
    """Return what the answers of solvers depend on, as plain values by name.

    Args:
        solvers: Their names.
        seconds: The wall time for each task, in seconds.
    """
    packages = [SOLVERS[name].partition(":")[0].rpartition(".")[0] for name in solvers]
    return {
        "solvers": list(solvers),
        "seconds": seconds,
        "code of the solvers": code_fingerprint(*packages),
    }


def run_record(tasks: Sequence[Task], solvers: Sequence[str], seconds: float) -> dict[str, Any]:
    """Return the description of a run of solvers alone, for the header of its journal.

    Args:
        tasks: The tasks in order; their test outputs do not matter.
        solvers: The names of the solvers.
        seconds: The wall time for each task, in seconds.
    """
    texts = [[task.id, task.without_answers().to_json()] for task in tasks]
    data = json.dumps(texts, separators=(",", ":")).encode()
    return {
        "arcflow": __version__,
        "evaluation of": "solve",
        "tasks": hashlib.blake2b(data, digest_size=16).hexdigest(),
    } | solving_record(solvers, seconds)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
