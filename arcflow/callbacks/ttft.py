"""TestTimeFineTuning: gives the evaluation a tuner that trains an adapter for each task."""

from lightning.pytorch import Callback, LightningModule, Trainer

from arcflow.callbacks.pass_n import PassN
from arcflow.core.errors import ConfigError
from arcflow.ttft.tuner import Tuner
from arcflow.ttft.validation import inference_mode_error


class TestTimeFineTuning(Tuner, Callback):
    """Trains an adapter for each task that a :class:`~arcflow.callbacks.pass_n.PassN` answers.

    It takes the options of :class:`~arcflow.ttft.tuner.Tuner`, does nothing in ``fit``, and
    refuses an evaluation in which nothing would use its adapters.
    """

    __test__ = False  # the name begins like a test class's

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse, before any time is spent, an evaluation that cannot use the adapters.

        Raises:
            ConfigError: nothing answers with the adapters, or gradients are switched off.
        """
        loops = {
            "validate": trainer.validate_loop,
            "test": trainer.test_loop,
            "predict": trainer.predict_loop,
        }
        if self.steps == 0 or stage not in loops:
            return
        if loops[stage].inference_mode:
            raise inference_mode_error()
        if not any(isinstance(callback, PassN) for callback in trainer.callbacks):
            raise ConfigError(
                "TestTimeFineTuning: no callback answers with the tuned adapters",
                value=[type(callback).__name__ for callback in trainer.callbacks],
                expected="a PassN among trainer.callbacks",
                next_step="Add arcflow.callbacks.pass_n.PassN, or set steps to 0.",
            )
