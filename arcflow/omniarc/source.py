"""OmniARC: tasks without end whose outputs programs made, each with its program."""

import functools
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.errors import DataError
from arcflow.core.interleave import VERSION as ORDER_VERSION
from arcflow.core.interleave import Interleave
from arcflow.core.options import check_options, check_weights
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.omniarc.execute import limits
from arcflow.omniarc.inputs import Augment, Inputs, InputWeights, base_tasks
from arcflow.omniarc.make import Maker
from arcflow.omniarc.primitives import PRIMITIVES
from arcflow.omniarc.registry import programs
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
"""Bytes of versions that a process keeps, about; what is made after that is made each time."""


@dataclass(frozen=True)
class TaskWeights:
    """How often each kind of task comes; only the proportions count.

    Attributes:
        task: a training task by its own program.
        variation: by its program with one change: another colour, direction, count and the like.
        composition: by two programs, the second on what the first makes.
        primitive: by a short program that shows what one primitive of the DSL does.
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
    well-posed: different inputs, outputs that are not all the same, none that is its input; a
    variation does something else than its program, and of a composition both parts do something.
    What is drawn is tried again until it is; after some tries the plain task comes instead. Every
    pass gives each program once. A task has one test pair.

    Args:
        ids: these training tasks' programs only; empty takes all. YAML takes digits alone for a
            number: quote such an id, '00576224'.
        exclude: leave these tasks out.
        fraction: of what is left so far, the share of tasks to draw at random by their ids, as
            everywhere, over 0 and up to 1; at least one task. A smaller share's tasks are among
            a larger share's.
        fraction_seed: of the draw of ``fraction``.
        tasks: how often a task is a program's own, a variation, a composition or a primitive.
        inputs: how often inputs are the published ones or RE-ARC's. A generator takes about 5 ms
            a task, three times as long as most programs; a ``pool`` takes none.
        augment: what becomes of published inputs before the program makes the outputs: "task"
            turns and recolours all of a task alike; "pair" each by itself, which also gives more
            pairs than were published; "none" leaves them. Black and the colours that the program
            names stay what they are.
        pairs: train pairs of a task, 2 to 20, where there are as many inputs; or "original", as
            many as the original has.
        variants: so many versions of each task, variation and the like are made, then they come
            again in another order; null makes new ones without end, some 200 a second. Versions
            are kept in memory, about 3 KB each, up to 256 MB in a process: what comes again costs
            next to nothing.
        pool: a file of RE-ARC tasks that `arcflow pool build` made, for ``inputs.rearc``; tasks
            that it lacks get published inputs.

    Raises:
        ConfigError: bad options, or ids without a program.
        DataError: a pool that is none.
    """

    name = "omni-arc"
    own_programs = True

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
        known = programs()
        left = choose_ids("Omni-ARC", "program", known, ids, exclude, fraction, fraction_seed)
        self._tasks, self._variants, self._pairs = tasks, variants, pairs
        self._inputs = Inputs(inputs, augment, pairs, pool)
        self._take(left)

    def __len__(self) -> int:
        return len(self._ids)

    def task(self, seed: int, index: int) -> Task:
        """A task with its program; of one seed, or with ``variants``, equal ids are equal tasks.

        The id is ``omni-arc-<original id>-<version>``; a variation's has ``-variation`` behind
        the original's id, a composition's both ids joined by ``+``, a primitive's
        ``<primitive>-<id whose inputs these are>``.

        Raises:
            DataError: no task is left, or a program hangs.
        """
        kind, unit, version = self._at(seed, index)
        # A mixture asks with a seed for each task kind: versions that are kept serve all of them.
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
        """The kind of task: ``omni-arc variation``."""
        return f"{self.name} {self._at(seed, index)[0]}"

    def base_tasks(self) -> Sequence[Task]:
        """The ARC-AGI-1 training tasks whose programs or inputs it uses."""
        return [base_tasks()[task_id] for task_id in self._ids]

    def exclude(self, ids: Collection[str]) -> "OmniARC":
        """Less these tasks, all that is made of their programs, and all that has their inputs."""
        other = OmniARC.__new__(OmniARC)
        other.__dict__.update(vars(self))
        other._take([task_id for task_id in self._ids if task_id not in ids])
        return other

    def fingerprint(self) -> dict[str, str]:
        """The programs, the DSL, the originals, and how tasks are made of them."""
        texts = hashlib.sha256()
        for task_id in self._ids:
            texts.update(f"{task_id} {programs()[task_id].source}\0".encode())
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
        self._maker = Maker(self.name, self._ids, self._inputs)
        self._interleave = Interleave([getattr(self._tasks, kind) for kind in _KINDS])
        self._orders = {kind: Passes(max(1, len(self._units(kind)))) for kind in _KINDS}
        self._kept: dict[tuple[int, str, str, int], Task] = {}
        self._bytes = 0

    def _units(self, kind: str) -> Sequence[str]:
        return tuple(PRIMITIVES) if kind == "primitive" else self._ids

    def _at(self, seed: int, index: int) -> tuple[str, str, int]:
        """Kind, what it is made for, and which version."""
        if not self._ids:
            raise DataError(
                "Omni-ARC: no task is left",
                value=0,
                expected="at least one task",
                next_step="Loosen ids, exclude or the guard.",
            )
        place, own = self._interleave.at(seed, index)
        kind = _KINDS[place]
        units = self._units(kind)
        unit = units[self._orders[kind].at(_derived(seed, kind), own)]
        visit = own // len(units)
        return kind, unit, visit if self._variants is None else visit % self._variants


@functools.lru_cache(maxsize=64)
def _derived(seed: int, kind: str) -> int:
    return derive(seed, f"omni-arc {kind}")
