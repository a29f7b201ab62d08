"""What a run does when SIGTERM arrives: training ends at the next step, everything else at once."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from arcflow.core import termination


class Termination(Callback):
    """Ends a run that received SIGTERM where its state can be saved.

    Within training the step is finished first, and
    :class:`~arcflow.callbacks.checkpoint.RunCheckpoint` saves it. Evaluations end at once: finished
    tasks are in the journal and in the submission already.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish steps from now on."""
        termination.check()
        termination.defer(True)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Stop deferring."""
        termination.defer(False)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop deferring."""
        termination.defer(False)

    def on_validation_batch_start(self, *_: Any) -> None:
        """End here, outside of training."""
        termination.check()

    def on_test_batch_start(self, *_: Any) -> None:
        """End here."""
        termination.check()

    def on_predict_batch_start(self, *_: Any) -> None:
        """End here."""
        termination.check()


def handle_termination(trainer: Trainer) -> None:
    """Let a trainer end as :class:`Termination` describes.

    Lightning's own handler ends a run at once, with exit code 0, and calls a collective operation
    of all processes from within, at a moment that differs from process to process.
    """
    trainer.callbacks.insert(0, Termination())
    trainer._signal_connector._sigterm_notifier_fn = _note

    def pass_on() -> None:
        launcher = trainer.strategy.launcher
        if launcher is not None:
            launcher.kill(15)

    termination.on_signal(pass_on)


def termination_requested(trainer: Trainer) -> bool:
    """Return whether any process of the trainer has received SIGTERM; all of them must ask."""
    return any_process(trainer, termination.received())


def any_process(trainer: Trainer, flag: bool) -> bool:
    """Return whether a flag is set in any process of the trainer; all of them must ask."""
    if trainer.world_size == 1:
        return flag
    return bool(trainer.strategy.reduce_boolean_decision(flag, all=False))


def _note(*_: Any) -> None:
    """Do nothing: arcflow's own handler comes after it."""
