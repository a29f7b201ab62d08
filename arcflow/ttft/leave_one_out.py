"""A task's own train pairs as training samples: one is asked, the others are the examples."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from arcflow.core.augment_sampling import AugmentConfig, sample_training_view
from arcflow.core.seeds import rng
from arcflow.core.task import Task, task_key
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder, Example

_PATIENCE = 8


class TuningSamples(Protocol):
    """The samples that test-time fine-tuning trains on."""

    def rows(self, task: Task, tokens: int) -> Iterator[Sequence[Example]]:
        """Yield the task's samples, as many in a row as ``tokens`` hold and at least one; may be
        endless."""
        ...


@dataclass(frozen=True)
class LeaveOneOut:
    """The endless stream of a task's leave-one-out views, in rows of a token budget.

    Every train pair in turn is the test pair; once all were, they are again, in another order.
    Test inputs are not used, test outputs cannot be: they are hidden first (invariant 7).

    Attributes:
        encoder: writes the samples; its config says what is scored.
        augment: how each view is augmented; pairs are not swapped, as all are asked in turn.
        leave_out: train pairs that are left out of a view's examples, of which one is asked;
            at least one example stays.
        max_tokens: longest sample; views lose examples until they fit. None: no bound.
        seed: sample i is a function of (seed, task, i).
    """

    encoder: Encoder
    augment: AugmentConfig
    leave_out: int = 1
    max_tokens: int | None = None
    seed: int = 0

    def example(self, task: Task, index: int) -> Example | None:
        """Return sample ``index`` of ``task``, or None if even one example is too long with it.

        The task needs two train pairs or more.
        """
        n, key = len(task.train), task_key(task)
        block, place = divmod(index, n)
        order: list[int] = rng(self.seed, "left_out", key, block).permutation(n).tolist()
        draw = rng(self.seed, "test_time", key, index)
        asked = order[place]
        dropped = [asked]
        if self.leave_out > 1:
            others = [i for i in range(n) if i != asked]
            dropped += draw.permutation(others)[: min(self.leave_out, n - 1) - 1].tolist()
        kept = tuple(pair for i, pair in enumerate(task.train) if i not in dropped)
        own = replace(task, train=kept, test=(task.train[asked],), code=None)
        view, _ = sample_training_view(replace(self.augment, swap_train_test=0.0), own, draw)
        if self.max_tokens is not None:
            fitted = fit_context(self.encoder, view, self.max_tokens)
            if fitted is None:
                return None
            view = fitted
        return self.encoder.example(view)

    def rows(self, task: Task, tokens: int) -> Iterator[Sequence[Example]]:
        """Yield samples in order, as many in a row as ``tokens`` hold, at least one.

        Endless; empty for a task with a single train pair, which has nothing to leave out, and
        ended when eight samples of each pair in a row do not fit ``max_tokens``.
        """
        if len(task.train) < 2:
            return iter(())
        task = task.without_answers()
        samples = (self.example(task, index) for index in itertools.count())
        return fill_rows(samples, tokens, _PATIENCE * len(task.train))


def fill_rows(
    samples: Iterable[Example | None], tokens: int, patience: int
) -> Iterator[Sequence[Example]]:
    """Yield samples in order, as many in a row as ``tokens`` hold, at least one.

    Args:
        samples: None for one that is too long.
        tokens: of a row.
        patience: so many in a row that are too long are the end.
    """
    row: list[Example] = []
    held = missed = 0
    for example in samples:
        if example is None:
            missed += 1
            if missed >= patience:
                break
            continue
        missed = 0
        if row and held + len(example.input_ids) > tokens:
            yield row
            row, held = [], 0
        row.append(example)
        held += len(example.input_ids)
    if row:
        yield row
