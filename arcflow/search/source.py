"""SearchPrograms: a source of training tasks whose programs a search found."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.task import Task
from arcflow.omniarc.execute import run
from arcflow.omniarc.inputs import base_tasks
from arcflow.omniarc.make import Language
from arcflow.omniarc.registry import ProgramText
from arcflow.omniarc.source import OmniARC
from arcflow.scoring.journal import read_journal
from arcflow.search.programs import API
from arcflow.search.reading import parse_program
from arcflow.search.variations import colors_in, vary

_log = logging.getLogger(__name__)


class SearchPrograms(OmniARC):
    """Tasks whose programs `arcflow solve` found, made as Omni-ARC makes its tasks.

    A program counts if it is the surest of its task that reproduces all train pairs; whether it is
    right about the test pairs is neither asked nor needed, because the outputs of all pairs are its
    own. Only ARC-AGI-1's training tasks are used: programs of other tasks in a journal are passed
    over. In a variation one step of the program has another argument.

    Args:
        journals: The paths of journals that `arcflow solve` wrote beside its submission, or an
            evaluation with ``pass_n.search``. Of several programs of a task the first is taken.
        options: The options of OmniARC.

    Raises:
        ConfigError: If no journal is named.
        DataError: If a journal cannot be read, or holds no program that fits.
    """

    name = "search"
    own_words = API

    def __init__(self, journals: Sequence[str], **options: Any) -> None:
        if not journals or isinstance(journals, str):
            raise ConfigError(
                "SearchPrograms: where are the programs?",
                value=journals,
                expected="a list with the path of a journal",
                next_step="`arcflow solve arc-agi-1/training -o solve.json` writes "
                "solve.journal.jsonl.",
            )
        self._programs = _fitting(journals)
        super().__init__(**options)

    def programs(self) -> Mapping[str, ProgramText]:
        """Return the programs by the ids of their tasks, sorted by id."""
        return self._programs

    def language(self) -> Language:
        """Return the words and the changes of a search's programs."""
        return Language(API, vary, colors_in)

    def fingerprint(self) -> dict[str, str]:
        """Return what the tasks depend on, the code of the search included."""
        return super().fingerprint() | {"search": code_fingerprint("arcflow.search")}


def _fitting(journals: Sequence[str]) -> dict[str, ProgramText]:
    """Return the first program of each training task that reproduces its train pairs."""
    found: dict[str, ProgramText] = {}
    wrong = 0
    for task_id, text in _written(journals):
        if task_id in found:
            continue
        if fits(text, base_tasks()[task_id]):
            found[task_id] = ProgramText(task_id, f"rule_of_{task_id}", text)
        else:
            wrong += 1
    if not found:
        raise DataError(
            "SearchPrograms: no program that fits",
            value=list(journals),
            expected="the journal of a search that solved some of ARC-AGI-1's training tasks",
            next_step="`arcflow solve arc-agi-1/training -o FILE.json` writes one.",
        )
    if wrong:
        _log.warning(
            "SearchPrograms: %d programs do not make the train outputs of their tasks; left out.",
            wrong,
        )
    return dict(sorted(found.items()))


def _written(journals: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Yield the programs of training tasks that are said to fit, the surest of a task first."""
    for journal in journals:
        _, entries = read_journal(Path(journal).expanduser())
        for entry in entries:
            if entry.get("task") not in base_tasks():
                continue
            answers = [a for a in entry.get("candidates", ()) if a.get("source") == "search"]
            for answer in sorted(answers, key=lambda a: -(a.get("confidence") or 0.0)):
                if answer.get("fits") and answer.get("text"):
                    yield entry["task"], answer["text"]


def fits(text: str, task: Task) -> bool:
    """Return whether a text is a search's program and reproduces all train pairs of a task."""
    if parse_program(text) is None:
        return False
    made = [run(text, pair.input, words=API) for pair in task.train]
    wanted = [pair.output for pair in task.train]
    return all(
        a is not None and b is not None and np.array_equal(a, b)
        for a, b in zip(made, wanted, strict=True)
    )
