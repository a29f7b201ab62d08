"""Random sampling of augmentations, so that each sample sees its task in a view of its own."""

from dataclasses import dataclass, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from arcflow.core.augment import (
    Augmentation,
    Chain,
    Dihedral,
    Recolor,
    Reorder,
    SwapTrainTest,
)
from arcflow.core.class_path import import_class
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import N_COLORS
from arcflow.core.problem_augmentation import ComposeWeights, Composition, compose_task
from arcflow.core.task import Task

_WEIGHTS = ComposeWeights()


@dataclass(frozen=True)
class AugmentConfig:
    """The options of random augmentation.

    Attributes:
        dihedral: Whether to turn and flip the grids: each of the eight ways has equal probability.
        recolor: Whether to permute the colours.
        move_background: With ``recolor``, the probability that colour 0 takes part in the
            permutation; otherwise it stays and the other nine colours are permuted.
        keep_colors: With ``recolor``, the probability that the task keeps its own colours, as if
            ``recolor`` were off for this sample.
        reorder: Whether to shuffle the train pairs.
        swap_train_test: The probability that a train pair and a test pair change places, so that a
            train pair's output is asked for. It applies only if the test pair's output is known.
        compose: The probability that only the inputs, or only the outputs, of all pairs are changed
            first, which makes a new task. It applies to training only.
        compose_weights: The relative frequency with which each kind of such change is tried.
        extra: Class paths of augmentations of your own, subclasses of
            arcflow.core.augment.Augmentation; each is sampled for every view, after all others.
    """

    dihedral: bool = True
    recolor: bool = True
    move_background: float = 0.1
    keep_colors: float = 0.1
    reorder: bool = True
    swap_train_test: float = 0.5
    compose: float = 0.0
    compose_weights: ComposeWeights = _WEIGHTS
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("dihedral", "recolor", "reorder"):
            if not isinstance(getattr(self, name), bool):
                _refuse(name, getattr(self, name), "true or false")
        for name in ("move_background", "keep_colors", "swap_train_test", "compose"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                _refuse(name, value, "a probability, 0 to 1")
        for path in self.extra:
            custom_augmentation(path)


_OPTIONS: dict[str, type[Augmentation] | type[Composition]] = {
    "swap_train_test": SwapTrainTest,
    "reorder": Reorder,
    "dihedral": Dihedral,
    "recolor": Recolor,
    "compose": Composition,
}
"""What each option of :class:`AugmentConfig` samples."""


def order_alone(config: AugmentConfig) -> AugmentConfig:
    """Return the same without all that changes what leads from input to output.

    Each augmentation says itself whether it keeps a program right.
    """
    off: dict[str, Any] = {
        name: False if isinstance(getattr(config, name), bool) else 0.0
        for name, sampled in _OPTIONS.items()
        if not sampled.keeps_programs
    }
    kept = tuple(path for path in config.extra if custom_augmentation(path).keeps_programs)
    return replace(config, **off, extra=kept)


@cache
def custom_augmentation(path: str) -> type[Augmentation]:
    """Return the class that a path of ``augment.extra`` names.

    Raises:
        ConfigError: there is no such class, or it cannot be sampled.
    """
    cls: type[Augmentation] = import_class(path, Augmentation, "augment.extra")
    missing = sorted(cls.__abstractmethods__)
    own = cls.__mro__[: cls.__mro__.index(Augmentation)]
    if not any("sample" in vars(base) for base in own):
        missing.append("sample")
    dataclass_form = is_dataclass(cls)
    if missing or not dataclass_form:
        raise ConfigError(
            f"augment.extra: the class {path} is not complete",
            value={"methods missing": missing, "dataclass": dataclass_form},
            expected="a frozen dataclass with every method of Augmentation",
            next_step="Complete the class; examples/custom_augmentation.py shows one.",
        )
    return cls


def sample_augmentation(config: AugmentConfig, task: Task, rng: np.random.Generator) -> Chain:
    """Return a random augmentation for a task, without the steps that would change nothing.

    Args:
        config: The options of augmentation. Compositions are never sampled here, as they have no
            inverse.
        task: The task that the augmentation is for. If test outputs are known, ``swap_train_test``
            moves them among the train pairs: hide them first if the task is to be evaluated.
        rng: The only source of randomness.
    """
    return _sample(config, task, _known(task), rng)[0]


def sample_training_view(
    config: AugmentConfig, task: Task, rng: np.random.Generator
) -> tuple[Task, int]:
    """Return the task as one training sample sees it, and the index of the test pair to learn.

    The pair to learn is the swapped one if there is one; otherwise it is chosen uniformly among the
    test pairs with a known output.

    Args:
        config: The options of augmentation.
        task: The task to learn, with at least one known test output.
        rng: The only source of randomness.

    Raises:
        DataError: The task has no test pair with a known output.
    """
    known = _known(task)
    if not known:
        raise DataError(
            f"task {task.id}: nothing to learn",
            value=0,
            expected="a test pair whose output is known",
            next_step="Train on tasks with answers, or make one of a train pair.",
        )
    if config.compose and rng.random() < config.compose:
        task = compose_task(config.compose_weights, task, rng)
    chain, test_index = _sample(config, task, known, rng)
    return chain.apply(task), test_index


def _sample(
    config: AugmentConfig, task: Task, known: list[int], rng: np.random.Generator
) -> tuple[Chain, int]:
    """Return an augmentation and a test pair with a known output: the swapped pair if any."""
    parts: list[Augmentation] = []
    n_train = len(task.train)
    test_index = 0
    if known:
        test_index = known[int(rng.integers(len(known)))] if len(known) > 1 else known[0]
        if n_train and config.swap_train_test and rng.random() < config.swap_train_test:
            parts.append(SwapTrainTest(int(rng.integers(n_train)), test_index))
    if config.reorder and n_train > 1:
        order = rng.permutation(n_train).tolist()
        if order != sorted(order):
            parts.append(Reorder(tuple(order)))
    if config.dihedral:
        flip, n_rot90 = divmod(int(rng.integers(8)), 4)
        if flip or n_rot90:
            parts.append(Dihedral(bool(flip), n_rot90))
    if config.recolor and rng.random() >= config.keep_colors:
        first = 0 if rng.random() < config.move_background else 1
        moved = (rng.permutation(N_COLORS - first) + first).tolist()
        if moved != sorted(moved):
            parts.append(Recolor((*range(first), *moved)))
    for path in config.extra:
        part = custom_augmentation(path).sample(Chain(tuple(parts)).apply(task), rng)
        if part is not None:
            parts.append(part)
    return Chain(tuple(parts)), test_index


def _known(task: Task) -> list[int]:
    """Return the indices of the test pairs whose output is known."""
    return [i for i, pair in enumerate(task.test) if pair.output is not None]


def _refuse(option: str, value: object, expected: str) -> None:
    raise ConfigError(
        f"augment.{option}: bad value",
        value=value,
        expected=expected,
        next_step=f"Correct {option} of the augmentation.",
    )
