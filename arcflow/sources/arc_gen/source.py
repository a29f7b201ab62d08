"""ARCGen: tasks from the generators of a local clone of ARC-GEN.

ARC-GEN (M. D. Moffitt, "ARC-GEN: A Mimetic Procedural Benchmark Generator for the Abstraction and
Reasoning Corpus", arXiv:2511.00162) is a repository, github.com/google/ARC-GEN, and no package.
"""

import copy
import functools
import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from arcflow.core.errors import DataError
from arcflow.core.grid import grid_key, make_grid
from arcflow.core.options import check_options
from arcflow.core.seeds import derive
from arcflow.core.task import Pair, Task, task_from_json
from arcflow.sources.arc import SPLITS, load_split
from arcflow.sources.arc_gen.process import GeneratorProcess
from arcflow.sources.base import Passes, Source, check_not_empty
from arcflow.sources.select import choose_ids

DRAWS = 1_000_000
"""The number of random numbers that a pair may take; most take some hundreds.

The limit ends a loop that does not find what it looks for, at the same place on every machine.
"""

_PATIENCE = 4
"""The wall-clock limit of a generator, as a multiple of its limit of processor time."""

_FILE = re.compile(r"task_([0-9a-f]{8})\.py")


class ARCGen(Source):
    """Variations of the published tasks, made by ARC-GEN's unchanged generators.

    The generators run in a process of their own with limits of time and memory; one that hangs is
    killed and the process started again. A pair is sampled again, with another seed, if its
    generator raises, takes too long, or returns something that is no grid, an output equal to the
    input, or an input that the prompt already has. Many generators vary *evaluation* tasks: those
    that a run evaluates are left out by the guard.

    Args:
        path: The folder of the clone, with ``common.py`` and ``tasks/task_ID.py``.
        ids: The ids of the only generators to use; empty uses all.
        exclude: The ids of generators to leave out.
        fraction: The share of generators to use, of those left so far, sampled at random; those of
            a smaller share are among those of a larger one.
        fraction_seed: The seed by which ``fraction`` samples.
        pairs: The number of train pairs of a task, 1 to 20, and one more as its test pair; or
            "original", as many as the published task has.
        attempts: The number of times that a pair is sampled before the task is given up.
        time_limit: The seconds of processor time for a pair. It is generous, since a limit that is
            reached on one machine and not on another would make another task; most runaway loops
            end before, by a limit on the random numbers that they take.
        memory_limit: The limit of the process's memory, in MiB.

    Raises:
        DataError: The folder is no clone.
        ConfigError: An option is out of its range, or an id is unknown.
    """

    name = "arc-gen"

    def __init__(
        self,
        path: str,
        ids: Sequence[str] = (),
        exclude: Sequence[str] = (),
        fraction: float = 1.0,
        fraction_seed: int = 0,
        pairs: int | Literal["original"] = "original",
        attempts: int = 20,
        time_limit: float = 5.0,
        memory_limit: int = 1024,
    ) -> None:
        check_options(
            "arc-gen",
            (
                ("fraction", fraction, 0 < fraction <= 1, "over 0 and up to 1"),
                ("fraction_seed", fraction_seed, fraction_seed >= 0, "at least 0"),
                (
                    "pairs",
                    pairs,
                    pairs == "original" or pairs in range(1, 21),
                    "1 to 20, or original",
                ),
                ("attempts", attempts, attempts >= 1, "at least 1"),
                ("time_limit", time_limit, 0.01 <= time_limit <= 3600, "0.01 to 3600 seconds"),
                ("memory_limit", memory_limit, memory_limit >= 128, "at least 128 MiB"),
            ),
        )
        self.path = Path(path).expanduser().resolve()
        self.pairs, self.attempts, self.time_limit = pairs, attempts, time_limit
        self._known = known = _generators(self.path)
        kept = choose_ids(path, "generators", known, ids, exclude, fraction, fraction_seed)
        self._process = GeneratorProcess(self.path, memory_limit)
        self._keep(kept)

    def _keep(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        self._passes = Passes(max(1, len(self.ids)))

    def __len__(self) -> int:
        return len(self.ids)

    def task(self, seed: int, index: int) -> Task:
        """Return a new variation, whose id is the original's followed by ``/index``.

        Raises:
            DataError: The generator gave no good pair within the attempts, or no generator is left.
        """
        check_not_empty(self)
        task_id = self.ids[self._passes.at(seed, index)]
        count = self.pairs
        if count == "original":
            count = len(self._original(task_id).train)
        pairs: dict[Any, Pair] = {}
        while len(pairs) <= count:
            pair = self._pair(task_id, seed, index, pairs)
            pairs[grid_key(pair.input)] = pair
        *train, test = pairs.values()
        return Task(f"{task_id}/{index}", tuple(train), (test,), self.name)

    def base_tasks(self) -> Sequence[Task]:
        """Return the published tasks of the generators.

        For an id that is not published, the task is made of the pairs that the generator's author
        took from it.

        Raises:
            DataError: A generator has neither a published task nor such pairs.
        """
        return [self._original(task_id) for task_id in self.ids]

    def exclude(self, ids: Collection[str]) -> Self:
        """Return the same source without the generators of these tasks."""
        other = copy.copy(self)
        other._keep([task_id for task_id in self.ids if task_id not in ids])
        return other

    def fingerprint(self) -> dict[str, str]:
        """Return the generators' number and code, and the options that their pairs depend on."""
        digest = hashlib.sha256()
        for name in ("common.py", *(f"tasks/task_{task_id}.py" for task_id in self.ids)):
            file = self.path / name
            digest.update(name.encode() + b"\0" + (file.read_bytes() if file.is_file() else b""))
        return {
            "generators": str(len(self.ids)),
            "code": digest.hexdigest(),
            "pairs": str(self.pairs),
            "attempts": str(self.attempts),
        }

    def _pair(self, task_id: str, seed: int, index: int, known: Collection[Any]) -> Pair:
        reason = ""
        for attempt in range(self.attempts):
            answer = self._ask(
                {
                    "id": task_id,
                    "seed": derive(seed, f"arc-gen {task_id}", index, len(known), attempt),
                    "draws": DRAWS,
                }
            )
            pair, reason = _read(answer, f"task {task_id}")
            if pair is not None:
                if grid_key(pair.input) not in known:
                    return pair
                reason = "it repeated an input"
        raise DataError(
            f"arc-gen: task {task_id}: no good pair in {self.attempts} attempts",
            value=reason,
            expected="a generator that gives an input and another output",
            next_step=f"Leave it out: exclude: ['{task_id}'].",
        )

    def _ask(self, request: dict[str, Any]) -> Any:
        limits = {"seconds": self.time_limit}
        return self._process.ask(request | limits, _PATIENCE * self.time_limit)

    def _original(self, task_id: str) -> Task:
        published = _published(frozenset(self._known)).get(task_id)
        if published is not None:
            return published
        answer = self._ask({"id": task_id, "validate": True})
        if isinstance(answer, dict) and "error" in answer:
            raise DataError(
                f"arc-gen: task {task_id} is not published, and its generator has no pairs of it",
                value=answer["error"],
                expected="a generator whose original is known, to keep evaluated tasks out",
                next_step=f"Leave it out: exclude: ['{task_id}'].",
            )
        return task_from_json(task_id, answer, self.name)


def _read(answer: Any, where: str) -> tuple[Pair | None, str]:
    """Return the pair in an answer, or None and what is wrong with the answer."""
    if not isinstance(answer, dict) or not {"input", "output"} <= set(answer):
        error = answer.get("error") if isinstance(answer, dict) else None
        return None, error or "it gave no input and output"
    try:
        pair = Pair(
            make_grid(answer["input"], f"{where}, input"),
            make_grid(answer["output"], f"{where}, output"),
        )
    except DataError as error:
        return None, f"it gave a bad grid: {error.what}: {error.value!r}"[:300]
    if pair.output is not None and grid_key(pair.input) == grid_key(pair.output):
        return None, "its output equals its input"
    return pair, ""


def _generators(clone: Path) -> tuple[str, ...]:
    """Return the ids of a clone's generators, in order."""
    folder = clone / "tasks"
    names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    ids = sorted(match[1] for name in names if (match := _FILE.fullmatch(name)))
    if not ids:
        raise DataError(
            f"{clone}: no clone of ARC-GEN",
            value=sorted(names)[:5],
            expected="a folder with tasks/task_ID.py",
            next_step="Clone github.com/google/ARC-GEN and name its folder.",
        )
    return tuple(ids)


@functools.lru_cache(maxsize=1)
def _published(ids: frozenset[str]) -> dict[str, Task]:
    """Return the published tasks with these ids, from ARC-AGI-1 if both collections have one."""
    found: dict[str, Task] = {}
    for name in SPLITS:
        if ids <= found.keys():
            break
        for task in load_split(name):
            if task.id in ids:
                found.setdefault(task.id, task)
    return found
