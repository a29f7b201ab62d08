"""Options of Lightning's trainer that have no meaning for a stream of batches without an end."""

from typing import Any

from arcflow.core.errors import ConfigError


def check_trainer_options(trainer: Any) -> None:
    """Refuse options that ask for a share of all batches, or for the same batches again.

    Lightning takes them without a word: a validation after "a quarter of the batches" never comes,
    and the batches of ``overfit_batches`` are others in each epoch.

    Args:
        trainer: The Lightning trainer that is about to fit.

    Raises:
        ConfigError: If there is such an option; the message names it.
    """
    limit = trainer.limit_train_batches
    endless = not isinstance(limit, int)
    interval = getattr(trainer, "val_check_interval", None)
    for option, value, right, expected, next_step in (
        (
            "overfit_batches",
            trainer.overfit_batches,
            not trainer.overfit_batches,
            "0: training samples are made anew, so no epoch repeats them",
            "Train on a few tasks instead, for example with --data.train.ids, and without "
            "augmentation.",
        ),
        (
            "limit_train_batches",
            limit,
            not endless or limit in (0.0, 1.0),
            "a number of batches, since the stream has no end to take a share of",
            "Set a whole number, or end the run with --trainer.max_steps.",
        ),
        (
            "val_check_interval",
            interval,
            not (endless and isinstance(interval, float) and interval < 1),
            "a number of batches, since the stream has no end to take a share of",
            "Set --trainer.val_check_interval to a whole number of batches.",
        ),
        (
            "reload_dataloaders_every_n_epochs",
            trainer.reload_dataloaders_every_n_epochs,
            not trainer.reload_dataloaders_every_n_epochs,
            "0: a new loader would start the stream again, and a resumed run elsewhere",
            "Leave it out.",
        ),
    ):
        if not right:
            raise ConfigError(
                f"trainer.{option}: not with a stream of training batches without an end",
                value=value,
                expected=expected,
                next_step=next_step,
            )
