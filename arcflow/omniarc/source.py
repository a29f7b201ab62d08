"""The source OmniARC: endless tasks with programs, whose outputs the programs made."""

import functools
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.errors import DataError
from arcflow.core.interleave import VERSION as ORDER_VERSION
from arcflow.core.interleave import Interleave
from arcflow.core.options import check_options, check_weights
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.omniarc.execute import WORDS, limits
from arcflow.omniarc.inputs import Augment, Inputs, InputWeights, base_tasks
from arcflow.omniarc.make import Language, Maker
from arcflow.omniarc.primitives import PRIMITIVES
from arcflow.omniarc.registry import ProgramText, programs
from arcflow.sources.base import Passes, Source, hash_tasks
from arcflow.sources.select import choose_ids

_CODE = ("arcflow.omniarc.dsl",)
_MAKING = tuple(
    f"arcflow.omniarc.{name}"
    for name in (
        *("compositions", "edits", "execute", "inputs", "make", "meanings", "own_inputs"),
        *("primitives", "signatures", "variations"),
    )
)
MAX_KEPT = 256 * 2**20
"""The approximate size in bytes of the versions that a process caches.

Versions beyond it are made again each time.
"""


@dataclass(frozen=True)
class TaskWeights:
    """How often each kind of task comes; only the proportions count.

    Attributes:
        task: The weight of a training task with its own program.
        variation: The weight of its program with one change: another colour, direction, count and
            the like.
        composition: The weight of two programs, the second applied to the output of the first.
        primitive: The weight of a short program that shows what one primitive of the DSL does.

    Raises:
        ConfigError: If a weight is negative, or if all of them are 0.
    """

    task: float = 1.0
    variation: float = 0.5
    composition: float = 0.2
    primitive: float = 0.1

    def __post_init__(self) -> None:
        check_weights("Omni-ARC: tasks", vars(self))


_KINDS = ("task", "variation", "composition", "primitive")


class OmniARC(Source):
    """ARC-AGI-1's training tasks in code: new inputs, and the outputs that programs make of them.

    Pairs are right by construction, and every task has its program as ``code``. Tasks are
    well-posed: the inputs differ, the outputs are not all the same, and no output equals its input;
    a variation behaves differently from its program, and both parts of a composition have an
    effect. A task is drawn again until this holds; after some tries the plain task comes instead.
    Every pass gives each program once. A task has one test pair.

    Args:
        ids: The training tasks whose programs are used; empty takes all.
        exclude: The tasks to leave out.
        fraction: The share of the remaining tasks to draw at random by their ids, over 0 and up to
            1; at least one task. The tasks of a smaller share are among those of a larger share.
        fraction_seed: The seed of the draw of ``fraction``.
        tasks: How often a task is a program's own, a variation, a composition or a primitive.
        inputs: How often inputs are the published ones or RE-ARC's. A generator takes about 5 ms a
            task, three times as long as most programs; a ``pool`` takes no such time.
        augment: The change of published inputs before the program makes the outputs: "task" turns
            and recolours all inputs of a task alike; "pair" changes each by itself, which also
            gives more pairs than were published; "none" leaves them. Black and the colours that the
            program names are never changed.
        pairs: The number of train pairs of a task, 2 to 20, if there are as many inputs; or
            "original", as many as the original has.
        variants: The number of versions that are made of each task, variation and the like, which
            then come again in another order; null makes new ones without end, some 200 a second.
            Versions are kept in memory, about 3 KB each, up to 256 MB in a process: a repeated
            version costs next to nothing.
        pool: The path of a file of RE-ARC tasks that `arcflow pool build` made, for
            ``inputs.rearc``; tasks that it lacks get published inputs.

    Raises:
        ConfigError: If an option is out of range, or if an id has no program.
        DataError: If the pool cannot be read.
    """

    name = "omni-arc"
    own_words = WORDS

    def __init__(
        self,
        ids: Sequence[str] = (),
        exclude: Sequence[str] = (),
        fraction: float = 1.0,
        fraction_seed: int = 0,
        tasks: TaskWeights = TaskWeights(),
        inputs: InputWeights = InputWeights(),  # noqa: B008
        augment: Augment = "task",
        pairs: int | Literal["original"] = "original",
        variants: int | None = None,
        pool: str = "",
    ) -> None:
        check_options(
            "Omni-ARC",
            (
                ("fraction", fraction, 0 < fraction <= 1, "over 0 and up to 1"),
                ("fraction_seed", fraction_seed, fraction_seed >= 0, "at least 0"),
                (
                    "pairs",
                    pairs,
                    pairs == "original" or pairs in range(2, 21),
                    "2 to 20, or original",
                ),
                ("augment", augment, augment in ("task", "pair", "none"), "task, pair or none"),
                ("variants", variants, variants is None or variants >= 1, "at least 1, or null"),
                ("pool", pool, not pool or inputs.rearc > 0, "none without a weight inputs.rearc"),
            ),
        )
        left = choose_ids(
            "Omni-ARC", "programs", self.programs(), ids, exclude, fraction, fraction_seed
        )
        self._tasks, self._variants, self._pairs = tasks, variants, pairs
        self._inputs = Inputs(inputs, augment, pairs, pool)
        self._take(left)

    def __len__(self) -> int:
        return len(self._ids)

    def task(self, seed: int, index: int) -> Task:
        """Return a task with its program.

        With one seed, or with ``variants``, equal ids stand for equal tasks. The id is
        ``omni-arc-<original id>-<version>``; a variation has ``-variation`` behind the original's
        id, a composition both ids joined by ``+``, a primitive ``<primitive>-<id of the task whose
        inputs are used>``.

        Args:
            seed: The seed of the run.
            index: The index of the task, from 0.

        Returns:
            The task, with one test pair.

        Raises:
            DataError: If no task is left, or if a program hangs.
        """
        kind, unit, version = self._at(seed, index)
        # A mixture uses one seed for each task kind, and all of them share the cached versions.
        made = seed if self._variants is None else 0
        key = made, kind, unit, version
        task = self._kept.get(key)
        if task is None:
            with limits(f"{self.name}, {kind} {unit}"):
                task = self._maker.make(kind, unit, made, version)
            if self._variants is not None and self._bytes < MAX_KEPT:
                self._kept[key] = task
                self._bytes += 500 + sum(200 + grid.nbytes for grid in task.grids())
        return task

    def origin(self, seed: int, index: int) -> str:
        """Return the kind of a task, for example ``omni-arc variation``.

        Args:
            seed: The seed of the run.
            index: The index of the task, from 0.

        Returns:
            The name of the source and the kind.
        """
        return f"{self.name} {self._at(seed, index)[0]}"

    def programs(self) -> Mapping[str, ProgramText]:
        """Return all programs that there are, used or not, by the ids of their tasks."""
        return programs()

    def language(self) -> Language:
        """Return what the programs are written with."""
        return Language()

    def base_tasks(self) -> Sequence[Task]:
        """Return the ARC-AGI-1 training tasks whose programs or inputs are used."""
        return [base_tasks()[task_id] for task_id in self._ids]

    def exclude(self, ids: Collection[str]) -> Self:
        """Return the source without some tasks, and without all that uses their programs or inputs.

        Args:
            ids: The ids of the tasks to leave out.

        Returns:
            A new source.
        """
        other = type(self).__new__(type(self))
        other.__dict__.update(vars(self))
        other._take([task_id for task_id in self._ids if task_id not in ids])
        return other

    def fingerprint(self) -> dict[str, str]:
        """Return what the tasks depend on: programs, DSL, originals, and the making of tasks."""
        texts = hashlib.sha256()
        for task_id in self._ids:
            texts.update(f"{task_id} {self.programs()[task_id].source}\0".encode())
        weights = {kind: getattr(self._tasks, kind) for kind in _KINDS}
        return {
            "number of tasks": str(len(self._ids)),
            "programs": texts.hexdigest(),
            "DSL": code_fingerprint(*_CODE),
            "making": code_fingerprint(*_MAKING),
            "originals": hash_tasks(self.base_tasks()),
            "order of the kinds": f"version {ORDER_VERSION}",
            "kinds": str(weights),
            "pairs": str(self._pairs),
            "variants": str(self._variants),
        } | self._inputs.fingerprint(self._ids)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_kept": {}, "_bytes": 0}

    def _take(self, ids: Sequence[str]) -> None:
        self._ids = tuple(ids)
        self._maker = Maker(self.name, self.programs(), self._ids, self._inputs, self.language())
        self._interleave = Interleave([getattr(self._tasks, kind) for kind in _KINDS])
        self._orders = {kind: Passes(max(1, len(self._units(kind)))) for kind in _KINDS}
        self._kept: dict[tuple[int, str, str, int], Task] = {}
        self._bytes = 0

    def _units(self, kind: str) -> Sequence[str]:
        return tuple(PRIMITIVES) if kind == "primitive" else self._ids

    def _at(self, seed: int, index: int) -> tuple[str, str, int]:
        """Return the kind of a task, what it is made for, and its version."""
        if not self._ids:
            raise DataError(
                "Omni-ARC: no task is left",
                value=0,
                expected="at least one task",
                next_step="Loosen ids, exclude or the guard.",
            )
        kind_index, own_index = self._interleave.at(seed, index)
        kind = _KINDS[kind_index]
        units = self._units(kind)
        unit = units[self._orders[kind].at(_derived(seed, kind), own_index)]
        visit = own_index // len(units)
        return kind, unit, visit if self._variants is None else visit % self._variants


@functools.lru_cache(maxsize=64)
def _derived(seed: int, kind: str) -> int:
    return derive(seed, f"omni-arc {kind}")
