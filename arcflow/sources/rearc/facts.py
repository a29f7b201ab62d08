"""Measured facts about the 400 RE-ARC tasks, such as the colours that their rules name."""

import functools
import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

FILE = "facts.json"


@dataclass(frozen=True)
class TaskFacts:
    """What was measured of one task; ``python -m arcflow.tools.rearc_facts`` measures it again.

    Attributes:
        train_pairs: The number of train pairs of the original task.
        fixed_colors: The colours that the rule names, so that no other may stand for them.
        background: The colour that has the most cells in more than half of the original's inputs;
            None if no colour has.
        background_draw: The place at which the generator chooses the background: the number of the
            site (see :class:`~arcflow.sources.rearc.color_sites.ColorSites`) and the index among
            the colours chosen there; None if it chooses none.
        swap: Whether a pair's background, chosen there or else its input's main colour, may change
            places with ``background``, which is not fixed.
        ties: Whether the verifier decides some ties by the numbers of the colours, so that each
            exchange has to be verified.
        bad: The share of samples that the verifier refuses, at difficulty 0 to 1.
        identity: The share of samples whose output is their input, at difficulty 0 to 1.
        generate_ms: The median time to generate a pair, at difficulty 0 to 1, in milliseconds.
        verify_ms: The mean time to verify a pair, in milliseconds.
        solves_original: Whether the verifier solves all pairs of the original.
        difficulty: The lower and upper end, on the generators' own scale, of the range in
            :data:`~arcflow.sources.rearc.difficulty.RANGES` that gives pairs the original's sizes.
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
    """Return the facts by task id, measured with the generators of reasoning-gym 0.1.25."""
    with resources.as_file(resources.files("arcflow.sources.rearc") / FILE) as path:
        return read_facts(path)


def read_facts(path: Path) -> dict[str, TaskFacts]:
    """Return the facts that :func:`write_facts` wrote, by task id."""
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
    """Write facts as JSON, with a line for each task."""
    lines = (f"{json.dumps(task_id)}: {json.dumps(asdict(facts[task_id]))}" for task_id in facts)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
