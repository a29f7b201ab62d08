"""Statistics of the training data: logged while a run trains, and shown at the end."""

import logging
from typing import Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.table import Table

from arcflow.datamodules.streams.resumable_loader import TrainLoader
from arcflow.evaluation.table import print_table

_log = logging.getLogger(__name__)

NEVER = 64
"""Samples of a part that fit no context, without one that does, before that is said."""
MOST_ROWS = 12
"""Of the table; where there are more parts, those of one name and kind are one row."""


class Count(NamedTuple):
    """Counts of one part of the training stream.

    Attributes:
        samples: that were learned.
        tokens: of these.
        too_long: samples that were passed over because they fit no context.
    """

    samples: int
    tokens: int
    too_long: int


class DataStatsLogger(Callback):
    """Logs samples and tokens of each part of the training stream, a part being a source's tasks
    of one kind: where there are several, or where samples are passed over.

    The counts are those of all processes and go on exactly over a resume, since the loader keeps
    them with its state. Logged are ``drawn_samples/PART``, ``drawn_tokens/PART``,
    ``drawn_share/PART`` (of all tokens so far, 0 to 1) and ``drawn_too_long/PART`` (samples that
    fit no context). A part of which nothing fits is named in a warning.
    """

    def __init__(self) -> None:
        self._named: set[str] = set()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Log at the trainer's interval."""
        step = trainer.global_step
        if not step or step % trainer.log_every_n_steps or trainer.fit_loop._should_accumulate():
            return
        counts = _counts(trainer)
        if not _worth_telling(counts):
            return
        self._name_those_that_never_fit(trainer, counts, NEVER)
        total = sum(count.tokens for count in counts.values())
        metrics: dict[str, float] = {}
        for part, count in counts.items():
            metrics[f"drawn_samples/{part}"] = count.samples
            metrics[f"drawn_tokens/{part}"] = count.tokens
            metrics[f"drawn_share/{part}"] = count.tokens / total
            metrics[f"drawn_too_long/{part}"] = count.too_long
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the table."""
        counts = _counts(trainer)
        if not _worth_telling(counts):
            return
        self._name_those_that_never_fit(trainer, counts, 1)
        if trainer.is_global_zero:
            print()  # the progress bar leaves the cursor at its end
            print_table(drawn_table(counts))

    def _name_those_that_never_fit(
        self, trainer: Trainer, counts: dict[str, Count], least: int
    ) -> None:
        for part, count in counts.items():
            if count.samples or count.too_long < least or part in self._named:
                continue
            self._named.add(part)
            if trainer.is_global_zero:
                _log.warning(
                    "%s: nothing was learned from it, as none of its %d samples so far fits the "
                    "context. Raise --data.max_tokens, choose smaller tasks, or leave it out.",
                    part,
                    count.too_long,
                )


def drawn_table(counts: dict[str, Count]) -> Table:
    """Return a table with a row a part: samples, tokens, their share, and samples too long to fit.

    Of more than :data:`MOST_ROWS` parts the sources within each are added up; the log has them.
    """
    if len(counts) > MOST_ROWS:
        sums: dict[str, Count] = {}
        for part, count in counts.items():
            name = part.partition(": ")[0]
            sums[name] = Count(*map(sum, zip(count, sums.get(name, (0, 0, 0)), strict=True)))
        counts = sums
    table = Table("part of the training stream", title="what was drawn")
    for column in ("samples", "tokens", "share of tokens", "too long"):
        table.add_column(column, justify="right")
    total = max(1, sum(count.tokens for count in counts.values()))
    for part, (samples, tokens, too_long) in sorted(counts.items()):
        table.add_row(part, f"{samples:,}", f"{tokens:,}", f"{tokens / total:.1%}", f"{too_long:,}")
    return table


def _worth_telling(counts: dict[str, Count]) -> bool:
    return len(counts) > 1 or any(count.too_long for count in counts.values())


def _counts(trainer: Trainer) -> dict[str, Count]:
    loader = trainer.train_dataloader
    if not isinstance(loader, TrainLoader):
        return {}
    drawn, too_long = loader.drawn, loader.skipped_parts
    return {
        part: Count(*drawn.get(part, (0, 0)), too_long.get(part, 0)) for part in drawn | too_long
    }
