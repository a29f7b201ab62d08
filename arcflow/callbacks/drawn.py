"""What a mixture really drew: logged while it trains, and shown at the end."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.table import Table

from arcflow.callbacks.table import print_table
from arcflow.datamodules.loader import TrainLoader

Drawn = dict[str, tuple[int, int]]
"""Part of the stream -> samples, tokens."""


class DrawnLog(Callback):
    """Logs the share of tokens of each part of the training stream, where there are several.

    The counts are those of all processes and go on exactly over a resume, since the loader keeps
    them with its state.
    """

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Log at the trainer's interval."""
        step = trainer.global_step
        drawn = _drawn(trainer)
        if len(drawn) < 2 or not step or step % trainer.log_every_n_steps:
            return
        if trainer.fit_loop._should_accumulate():
            return
        total = sum(tokens for _, tokens in drawn.values())
        shares = {f"drawn/{part}": tokens / total for part, (_, tokens) in drawn.items()}
        for logger in trainer.loggers:
            logger.log_metrics(shares, step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the table."""
        drawn = _drawn(trainer)
        if len(drawn) > 1 and trainer.is_global_zero:
            print()  # the progress bar leaves the cursor at its end
            print_table(drawn_table(drawn))


def drawn_table(drawn: Drawn) -> Table:
    """A row a part: samples, tokens and their share."""
    table = Table("part of the mixture", title="what was drawn")
    for column in ("samples", "tokens", "share of tokens"):
        table.add_column(column, justify="right")
    total = sum(tokens for _, tokens in drawn.values())
    for part, (samples, tokens) in sorted(drawn.items()):
        table.add_row(part, f"{samples:,}", f"{tokens:,}", f"{tokens / total:.1%}")
    return table


def _drawn(trainer: Trainer) -> Drawn:
    loader = trainer.train_dataloader
    return loader.drawn if isinstance(loader, TrainLoader) else {}
