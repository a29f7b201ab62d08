"""Views of a task: the augmentations under which it is answered."""

from dataclasses import replace

from arcflow.core.augment import IDENTITY, Augmentation, Chain, Dihedral
from arcflow.core.augment_sampling import AugmentConfig, sample_augmentation
from arcflow.core.seeds import rng
from arcflow.core.task import Task, task_key

_AUGMENT = AugmentConfig()
_TURNS = tuple(Dihedral(flip, turns) for flip in (False, True) for turns in range(4))
_TRIES = 16


def evaluation_views(
    task: Task, n: int, config: AugmentConfig = _AUGMENT, seed: int = 0
) -> list[Augmentation]:
    """Return the first ``n`` views of a task; the first one is the task as it is.

    Of every eight views in a row (the first eight, the next eight, ...) each has another of the
    eight turns and flips; colours and the order of the examples are drawn for each.

    Args:
        task: its answers play no part (invariant 7).
        n: number of views; fewer come back where not so many show the task differently.
        config: ``dihedral``, the recolouring options and ``reorder`` are used; pairs are never
            swapped and problems never composed, since a view must be undone.
        seed: view i is a function of (seed, task, config, i), whatever ``n`` is.
    """
    task, key = task.without_answers(), task_key(task)
    config, turn = replace(config, swap_train_test=0.0, compose=0.0), config.dihedral
    config = replace(config, dihedral=False)
    views: list[Augmentation] = [IDENTITY]
    seen = {task}
    for i in range(1, n):
        for attempt in range(_TRIES):
            parts = sample_augmentation(config, task, rng(seed, "views", key, i, attempt)).parts
            view = Chain(((_turn(seed, key, i),) if turn else ()) + parts)
            shown = view.apply(task)
            if shown not in seen:
                views.append(view)
                seen.add(shown)
                break
    return views


def _turn(seed: int, key: int, i: int) -> Dihedral:
    """Return the turn of view ``i``; that of view 0 is the identity."""
    block, place = divmod(i, len(_TURNS))
    order: list[int] = rng(seed, "turns", key, block).permutation(len(_TURNS)).tolist()
    if block == 0:
        order = [0, *(turn for turn in order if turn != 0)]
    return _TURNS[order[place]]
