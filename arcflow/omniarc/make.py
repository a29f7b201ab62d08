"""Making one version of a task, which is drawn again until it is well-posed."""

import functools
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from arcflow.core.grid import Grid, grid_key
from arcflow.core.seeds import derive, rng
from arcflow.core.task import Pair, Task
from arcflow.omniarc.compositions import composition
from arcflow.omniarc.edits import without_docstring
from arcflow.omniarc.execute import MADE_WORK, MAX_WORK, WORDS, run
from arcflow.omniarc.inputs import Inputs, named_colors, original_inputs
from arcflow.omniarc.primitives import primitive
from arcflow.omniarc.registry import ProgramText
from arcflow.omniarc.variations import variation

ATTEMPTS = 4
"""The number of times that a task's own inputs are drawn."""
CHANGES = 8
"""The number of times that a program is changed."""
PARTNERS = 16
"""The number of second programs that a composition tries: most fail on the first input."""
LEAST = 3
"""The smallest number of pairs of a task, the test pair included."""

_APART = 2**32
"""The distance between the indices of RE-ARC's samples for one attempt and for the next one.

It is so large that the versions take the samples of each attempt in order.
"""

Solve = Callable[[Grid], Grid | None]


@dataclass(frozen=True)
class Language:
    """What programs are written with, and how one becomes another.

    Attributes:
        words: The module whose words programs use.
        vary: Returns a program's text with one change that makes another rule and without its
            docstring, or None; see :func:`~arcflow.omniarc.variations.variation`.
        named_colors: Returns the colours that a program's text may name.
    """

    words: str = WORDS
    # Defaults by factory: the documentation would list a function of the class once more.
    vary: Callable[[str, np.random.Generator], str | None] = field(
        default_factory=lambda: variation
    )
    named_colors: Callable[[str], frozenset[int]] = field(default_factory=lambda: named_colors)


class Maker:
    """A maker of versions of tasks, each a pure function of (kind, unit, seed, version).

    Args:
        name: The name of the source.
        programs: All programs by the ids of their tasks.
        ids: The ids of the tasks whose programs and inputs are used.
        inputs: The generator of the inputs.
        language: What the programs are written with.
    """

    def __init__(
        self,
        name: str,
        programs: Mapping[str, ProgramText],
        ids: Sequence[str],
        inputs: Inputs,
        language: Language,
    ) -> None:
        self._name, self._ids, self._inputs, self._language = name, tuple(ids), inputs, language
        self._programs = dict(programs)
        bare = {task_id: bare_text(program.source) for task_id, program in programs.items()}
        self._bare = frozenset(bare.values())
        self._held_out = self._bare - {bare[task_id] for task_id in ids}

    def make(self, kind: str, unit: str, seed: int, version: int) -> Task:
        """Make one version of a task, or the plain task if none of its kind is found.

        Args:
            kind: "task", "variation", "composition" or "primitive".
            unit: The id of a task, or the name of a primitive.
            seed: The seed of the run.
            version: The index of the version, from 0.

        Returns:
            The task with its program.
        """
        made: Task | None = None
        if kind == "variation":
            made = self._variation(self._programs[unit], seed, version)
        elif kind == "composition":
            made = self._composition(self._programs[unit], seed, version)
        elif kind == "primitive":
            made = self._primitive(unit, seed, version)
            if made is None:
                random = rng(seed, f"omni-arc instead of {unit}", version)
                unit = self._ids[int(random.integers(len(self._ids)))]
        return made or self._plain(self._programs[unit], seed, version)

    def _plain(self, program: ProgramText, seed: int, version: int) -> Task:
        for attempt in range(ATTEMPTS):
            random = rng(seed, f"omni-arc task {program.task_id}", version, attempt)
            named = self._language.named_colors(program.source)
            grids = self._draw(program.task_id, named, seed, version, attempt, random)
            pairs = solved(grids, functools.partial(self._run, program.source))
            if pairs is not None:
                break
        else:
            # The published inputs, for which an output may equal its input.
            grids = self._inputs.plain(program.task_id)
            outputs = [self._run(program.source, grid) for grid in grids]
            pairs = [Pair(a, b) for a, b in zip(grids, outputs, strict=True) if b is not None]
        return self._task(f"{program.task_id}-{version}", pairs, program.source)

    def _variation(self, program: ProgramText, seed: int, version: int) -> Task | None:
        task_id = program.task_id
        tried = set(self._bare)  # of other programs too, which may be held out
        for attempt in range(CHANGES):
            random = rng(seed, f"omni-arc variation {task_id}", version, attempt)
            text = self._language.vary(program.source, random)
            if text is None:
                return None
            if text in tried:
                continue
            tried.add(text)
            before = self._language.named_colors(program.source)
            named = self._language.named_colors(text)
            gone, new = before - named, named - before
            # A variation that looks for another colour should find it in half of its tasks.
            alone = len(gone) == len(new) == 1 and 0 not in gone | new
            exchange = (min(gone), min(new)) if alone else None
            grids = self._draw(task_id, named, seed, version, attempt // 2, random, exchange)
            # A quick check: the first train pair has to differ from the original program.
            output = self._run(text, grids[0], MADE_WORK)
            if output is None or self._agrees(program.source, [Pair(grids[0], output)]):
                continue
            pairs = solved(grids, functools.partial(self._run, text, work=MADE_WORK))
            if pairs is None:
                continue
            return self._task(f"{task_id}-variation-{version}", pairs, text)
        return None

    def _composition(self, first: ProgramText, seed: int, version: int) -> Task | None:
        others = [task_id for task_id in self._ids if task_id != first.task_id]
        colors = self._language.named_colors
        order = rng(seed, f"omni-arc partners {first.task_id}").permutation(len(others))
        for attempt in range(min(PARTNERS, len(others))):
            # Versions try other partners until all have had their turn.
            second = self._programs[others[order[(version * PARTNERS + attempt) % len(others)]]]
            random = rng(seed, f"omni-arc composition {first.task_id}", version, attempt)
            named = colors(first.source) | colors(second.source)
            grids = self._draw(first.task_id, named, seed, version, attempt // 4, random)
            pairs = solved(grids, functools.partial(self._both, first.source, second.source))
            if pairs is None or self._agrees(second.source, pairs[:-1]):
                continue
            task_id = f"{first.task_id}+{second.task_id}-{version}"
            return self._task(task_id, pairs, composition(first, second))
        return None

    def _primitive(self, name: str, seed: int, version: int) -> Task | None:
        for attempt in range(CHANGES):
            random = rng(seed, f"omni-arc primitive {name}", version, attempt)
            task_id = self._ids[int(random.integers(len(self._ids)))]
            text = primitive(name, original_inputs()[task_id], random)
            if text in self._held_out:
                continue
            named = self._language.named_colors(text)
            grids = self._draw(task_id, named, seed, version, attempt, random)
            pairs = solved(grids, functools.partial(self._run, text, work=MADE_WORK))
            if pairs is not None:
                return self._task(f"{name}-{task_id}-{version}", pairs, text)
        return None

    def _draw(
        self,
        task_id: str,
        named: Set[int],
        seed: int,
        version: int,
        attempt: int,
        random: np.random.Generator,
        exchange: tuple[int, int] | None = None,
    ) -> list[Grid]:
        visit = version + attempt % ATTEMPTS * _APART
        return self._inputs.draw(task_id, named, _derived(seed), visit, random, exchange)

    def _run(self, text: str, grid: Grid, work: int = MAX_WORK) -> Grid | None:
        return run(text, grid, work, self._language.words)

    def _both(self, first: str, second: str, grid: Grid) -> Grid | None:
        """Return the output of two programs, or None if one of them fails or changes nothing."""
        middle = self._run(first, grid, MADE_WORK)
        if middle is None or _same(middle, grid):
            return None
        output = self._run(second, middle, MADE_WORK)
        return None if output is None or _same(output, middle) else output

    def _agrees(self, text: str, pairs: Sequence[Pair]) -> bool:
        """Return whether a program also gives all these outputs."""
        for pair in pairs:
            output = self._run(text, pair.input)
            if output is None or pair.output is None or not _same(output, pair.output):
                return False
        return True

    def _task(self, task_id: str, pairs: Sequence[Pair], code: str) -> Task:
        train, test = tuple(pairs[:-1]), tuple(pairs[-1:])
        return Task(f"{self._name}-{task_id}", train, test, self._name, code)


def solved(grids: Sequence[Grid], solve: Solve) -> list[Pair] | None:
    """Pair inputs with the outputs of a program, if they make a good task.

    A good task has three pairs or more, no output that equals its input, and train outputs that are
    not all equal.

    Args:
        grids: The inputs, each of shape (H, W); the last one is that of the test pair.
        solve: The program, which returns None if it fails.

    Returns:
        The pairs, or None if they do not make a good task.
    """
    if len(grids) < LEAST:
        return None
    pairs = []
    for grid in grids:
        output = solve(grid)
        if output is None or _same(output, grid):
            return None
        pairs.append(Pair(grid, output))
    # The last pair is the test pair, so the outputs of the others have to differ.
    outputs = {grid_key(pair.output) for pair in pairs[:-1] if pair.output is not None}
    return pairs if len(outputs) > 1 else None


@functools.lru_cache(maxsize=2048)
def bare_text(text: str) -> str:
    """Return a program's text without docstring and comments."""
    return without_docstring(text)


@functools.lru_cache(maxsize=64)
def _derived(seed: int) -> int:
    return derive(seed, "omni-arc inputs")


def _same(one: Grid, other: Grid) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()
