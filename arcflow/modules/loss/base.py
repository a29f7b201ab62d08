"""LossFunction: what training, validation and test-time fine-tuning minimise."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from arcflow.core.class_path import class_path


class LossFunction(ABC):
    """A loss of one batch; named by its class path in ``model.loss_fn``.

    Arguments of a subclass's ``__init__`` become options of the command line. Attributes that
    hold plain values are part of an evaluation's identity, so that a journal of one loss is not
    continued with another.
    """

    @abstractmethod
    def __call__(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        """Return the loss of a batch.

        Args:
            model: a causal language model of transformers, with or without adapters.
            batch: ``input_ids`` and ``labels`` of shape (B, L), labels aligned with the ids and
                -100 where not scored; ``position_ids`` and, in padded batches only,
                ``attention_mask``.

        Returns:
            The mean over the scored tokens (a scalar with a gradient), and their number.
        """

    def describe(self) -> dict[str, object]:
        """Return the class path, and each attribute that holds a plain value."""
        values: dict[str, object] = {
            name: value
            for name, value in vars(self).items()
            if value is None or isinstance(value, bool | int | float | str)
        }
        return {"class_path": class_path(type(self))} | values
