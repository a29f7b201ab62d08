"""ReARC: an endless source of variations made by the 400 RE-ARC generators, adapted to ARC."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Literal

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.options import check_options
from arcflow.core.task import Task
from arcflow.sources.arc import load_split
from arcflow.sources.base import Passes, Source
from arcflow.sources.rearc.backend import Backend, BackendName, load_backend
from arcflow.sources.rearc.difficulty import USUAL
from arcflow.sources.rearc.facts import load_facts
from arcflow.sources.rearc.pairs import VERSION, Adaptation, Generator
from arcflow.sources.select import choose_ids

_RANGE = "0 <= lower <= upper <= 1, or original"


class ReARC(Source):
    """Variations of the 400 training tasks of ARC-AGI-1, with new pairs each time.

    Backgrounds, colours and sizes of the generators are unlike those of the originals;
    ``difficulty``, ``background`` and ``roles`` bring them near. Pairs are generated again if a
    grid is not valid, if the output equals the input, or if the prompt already has the input. Every
    pass over the tasks gives each of them once, with new pairs. A task has one test pair.

    The generators are by Michael Hodel, "Addressing the Abstraction and Reasoning Corpus via
    Procedural Example Generation", 2024 (arXiv:2404.07353).

    Args:
        ids: The only ones of the 400 tasks to use; empty takes all.
        exclude: The tasks to leave out.
        fraction: The share of tasks to sample at random by their ids, of what is left so far, over
            0 and up to 1; at least one task is kept. A smaller share's tasks are among a larger
            share's.
        fraction_seed: The seed by which ``fraction`` samples.
        pairs: The number of train pairs of a task, 1 to 20; or "original", as many as the original
            has.
        difficulty: The lower and upper end of the generators' own scale, 0 to 1, on which sizes and
            numbers of objects grow, for all tasks; or "original", for each task the range that
            gives its original's sizes. 0 to 0.4 gives the originals' lengths over all tasks; the
            generators' own range is 0 to 1, and is used for a pair if a narrower range gives none.
        background: Whether the background gets the colour that it has in the original, by
            exchanging two colours if the rule names neither of them; otherwise it is random.
        roles: Whether the later pairs of a task take the first pair's colours, wherever the
            generator chooses a colour for a whole pair; otherwise each pair has its own.
        verify: Whether only pairs that the task's verifier accepts are taken, which more than
            doubles the time. Without it, some 1 % of the pairs do not follow their rule.
        backend: "reasoning-gym" for the package; or "clone" for the repository
            github.com/michaelhodel/re-arc.
        clone: The folder of the clone, for backend "clone".

    Raises:
        ConfigError: An option is bad, an id is unknown, or the generators are missing.
    """

    name = "re-arc"

    def __init__(
        self,
        ids: Sequence[str] = (),
        exclude: Sequence[str] = (),
        fraction: float = 1.0,
        fraction_seed: int = 0,
        pairs: int | Literal["original"] = "original",
        difficulty: tuple[float, float] | Literal["original"] = "original",
        background: bool = True,
        roles: bool = True,
        verify: bool = False,
        backend: BackendName = "reasoning-gym",
        clone: str = "",
    ) -> None:
        lower, upper = USUAL if difficulty == "original" else _range(difficulty)
        check_options(
            "RE-ARC",
            (
                ("fraction", fraction, 0 < fraction <= 1, "over 0 and up to 1"),
                ("fraction_seed", fraction_seed, fraction_seed >= 0, "at least 0"),
                (
                    "pairs",
                    pairs,
                    pairs == "original" or pairs in range(1, 21),
                    "1 to 20, or original",
                ),
                ("difficulty", difficulty, 0 <= lower <= upper <= 1, _RANGE),
                (
                    "clone",
                    clone,
                    (backend == "clone") == bool(clone),
                    "a folder, with backend clone",
                ),
            ),
        )
        self._backend_name, self._clone = backend, clone
        self._pairs = pairs
        self._own_difficulty = difficulty == "original"
        self._adaptation = Adaptation((lower, upper), background, roles, verify)
        known = self._backend().generators
        left = choose_ids("RE-ARC", "generators", known, ids, exclude, fraction, fraction_seed)
        self._take(left)

    def __len__(self) -> int:
        return len(self._ids)

    def task(self, seed: int, index: int) -> Task:
        """Return a variation of one task, whose id is ``re-arc-<original id>-<index>``.

        Raises:
            DataError: The generator gives no good pairs, or the source has no task.
        """
        if not self._ids:
            raise DataError(
                "RE-ARC: no task is left",
                value=0,
                expected="at least one task",
                next_step="Loosen ids, exclude or the guard.",
            )
        task_id = self._ids[self._passes.at(seed, index)]
        generator = self._generators.get(task_id)
        facts = load_facts().get(task_id)
        if generator is None:
            adaptation = self._adaptation
            if self._own_difficulty and facts is not None:
                adaptation = replace(adaptation, difficulty=facts.difficulty)
            generator = Generator(self._backend(), task_id, facts, adaptation)
            self._generators[task_id] = generator
        n = self._pairs if self._pairs != "original" else facts.train_pairs if facts else 3
        pairs = generator.pairs(n + 1, seed, index)
        return Task(
            id=f"{self.name}-{task_id}-{index}",
            train=tuple(pairs[:n]),
            test=tuple(pairs[n:]),
            source=self.name,
        )

    def base_tasks(self) -> Sequence[Task]:
        """Return the ARC-AGI-1 training tasks that this source varies."""
        ids = set(self._ids)
        return [task for task in load_split("arc-agi-1/training") if task.id in ids]

    def exclude(self, ids: Collection[str]) -> "ReARC":
        """Return the same source without the variations of these tasks."""
        other = ReARC.__new__(ReARC)
        other.__setstate__(self.__getstate__())
        other._take([task_id for task_id in self._ids if task_id not in ids])
        return other

    def fingerprint(self) -> dict[str, str]:
        """Return the tasks and their facts, the generators' version and how pairs are made."""
        facts = load_facts()
        given = self._adaptation.difficulty
        used = repr([(task_id, facts.get(task_id)) for task_id in self._ids])
        return {
            "number of tasks": str(len(self._ids)),
            "tasks and facts": hashlib.sha256(used.encode()).hexdigest(),
            "drawing": f"version {VERSION}",
            "generators": self._backend().version,
            "pairs": str(self._pairs),
            "difficulty": "original" if self._own_difficulty else "{} to {}".format(*given),
            "background": str(self._adaptation.background),
            "roles": str(self._adaptation.roles),
            "verify": str(self._adaptation.verify),
        }

    def __getstate__(self) -> dict[str, Any]:
        # Generators are code, which the process that unpickles imports again.
        return {name: value for name, value in vars(self).items() if name != "_generators"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._generators = dict[str, Generator]()

    def _take(self, ids: Sequence[str]) -> None:
        self._ids = tuple(ids)
        self._passes = Passes(max(1, len(ids)))
        self._generators = dict[str, Generator]()

    def _backend(self) -> Backend:
        return load_backend(self._backend_name, self._clone)


def _range(difficulty: Sequence[float]) -> tuple[float, float]:
    try:
        lower, upper = map(float, difficulty)
    except (TypeError, ValueError):
        raise ConfigError(
            "RE-ARC: bad difficulty",
            value=difficulty,
            expected=f"two numbers, {_RANGE}",
            next_step="Correct difficulty, or leave it out.",
        ) from None
    return lower, upper
