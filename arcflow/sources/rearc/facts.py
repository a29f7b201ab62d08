"""Facts about the 400 RE-ARC tasks: which colours their rules name, how their originals look."""

import functools
import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

FILE = "facts.json"


@dataclass(frozen=True)
class TaskFacts:
    """What was measured of one task; ``python -m arcflow.tools.rearc_facts`` does it anew.

    Attributes:
        train_pairs: how many train pairs the original task has.
        fixed_colors: colours that the rule names, so that no other may stand for them.
        background: the colour of which most of the original inputs have the most cells; None
            where no colour has that in more than half of them.
        background_draw: where the generator draws the background: number of the site (as in
            ``rearc_sites``) and place among the colours drawn there; None where it does not.
        swap: whether a pair's background, drawn there or else its input's main colour, may
            change places with ``background``, which is not fixed.
        ties: whether the verifier decides some ties by the numbers of the colours, so that an
            exchange is to be verified each time.
        bad: share of samples that the verifier does not accept, difficulty 0 to 1.
        identity: share of samples whose output is their input, difficulty 0 to 1.
        generate_ms: median time to generate a pair, difficulty 0 to 1, in milliseconds.
        verify_ms: median time to verify one, in milliseconds.
        solves_original: whether the verifier solves all pairs of the original.
        difficulty: lower and upper end on the generators' own scale that give pairs the
            original's sizes, of the ranges in ``rearc_difficulty``.
    """

    train_pairs: int
    fixed_colors: tuple[int, ...]
    background: int | None
    background_draw: tuple[int, int] | None
    swap: bool
    ties: bool
    bad: float
    identity: float
    generate_ms: float
    verify_ms: float
    solves_original: bool
    difficulty: tuple[float, float]


@functools.cache
def load_facts() -> dict[str, TaskFacts]:
    """Task id -> what was measured, for the generators of reasoning-gym 0.1.25."""
    with resources.as_file(resources.files("arcflow.sources.rearc") / FILE) as path:
        return read_facts(path)


def read_facts(path: Path) -> dict[str, TaskFacts]:
    """Read what :func:`write_facts` wrote."""
    read: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    found = {}
    for task_id, facts in read.items():
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in facts.items()
        }
        found[task_id] = TaskFacts(**values)
    return found


def write_facts(path: Path, facts: dict[str, TaskFacts]) -> None:
    """Write facts, a line for each task."""
    lines = (f"{json.dumps(task_id)}: {json.dumps(asdict(facts[task_id]))}" for task_id in facts)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
