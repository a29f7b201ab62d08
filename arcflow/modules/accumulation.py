"""Gradient accumulation that weighs each micro-batch by its number of scored tokens.

Lightning sums the gradients of k micro-batches and divides by k, which is the gradient of the mean
of their means: a micro-batch with few scored tokens counts as much as one with many. Wanted is
the gradient of the mean over all scored tokens. With n_i scored tokens and the mean loss l_i in
micro-batch i, of every process:

    wanted      sum_i n_i grad(l_i) / N       with N = sum_i n_i
    returned    l_i n_i / u                   of which Lightning makes
    summed      sum_i n_i grad(l_i) / (u k P)
    factor      u k P / N                     applied to the gradients once, before the step

P is the number of processes, over which DDP and FSDP take the mean. N is known only after the last
micro-batch. The unit u, the scored tokens of the first micro-batch over all processes, cancels;
it keeps the gradients in the range that they have without accumulation, for float16.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from arcflow.core.errors import ConfigError

SumOverProcesses = Callable[[Tensor], Tensor]
"""Returns the sums over all processes of a tensor's numbers; it may change the tensor."""


class AccumulatedStep:
    """The sums over the micro-batches of one optimizer step.

    Numbers stay on the model's device, so that no micro-batch waits for a GPU.
    """

    def __init__(self) -> None:
        self._batches = self._scored = self._tokens = 0
        self._nats: Tensor | None = None
        self._unit: Tensor | None = None

    def __bool__(self) -> bool:
        return self._batches > 0

    def add(self, loss: Tensor, scored: int, tokens: int, total: SumOverProcesses) -> Tensor:
        """Count a micro-batch in, and return what its backward pass starts from.

        Args:
            loss: The mean loss over the scored tokens of this process, a scalar.
            scored: The number of these tokens.
            tokens: The number of all tokens, padding aside.
            total: Sums over processes; it is called for the first micro-batch of a step only.

        Returns:
            The loss times its weight, a scalar with a gradient.
        """
        nats = loss.detach().float() * scored
        if self._unit is None:
            self._unit = total(torch.full_like(nats, scored)).clamp(min=1)
        self._nats = nats if self._nats is None else self._nats + nats
        self._batches += 1
        self._scored += scored
        self._tokens += tokens
        return loss * (scored / self._unit).to(loss.dtype)

    def close(
        self,
        parameters: Iterable[Tensor],
        micro_batches: int,
        processes: int,
        total: SumOverProcesses,
    ) -> tuple[Tensor, Tensor]:
        """Turn the summed gradients into those of the mean over all scored tokens; start anew.

        Args:
            parameters: The parameters whose gradients are multiplied by the factor.
            micro_batches: The number by which Lightning divides each loss (a last step of fewer
                micro-batches included).
            processes: The number of processes that average their gradients.
            total: Sums over processes.

        Returns:
            The mean loss over the step's scored tokens, and the number of its tokens, both
            scalars, of all processes.
        """
        assert self._nats is not None
        assert self._unit is not None
        nats, scored, tokens = total(counts(self._nats, self._scored, self._tokens))
        scored = scored.clamp(min=1)
        factor = (self._unit * micro_batches * processes / scored).float()
        gradients = [p.grad for p in parameters if p.grad is not None]
        if gradients:
            torch._foreach_mul_(gradients, factor)
        mean = (nats / scored).to(self._nats.dtype)
        self.__init__()  # type: ignore[misc]
        return mean, tokens


def counts(nats: Tensor, scored: int, tokens: int) -> Tensor:
    """Return three numbers as one float64 tensor of shape (3,), to be summed over processes.

    It is filled on the device: a copy from the CPU would wait for what the GPU still computes.
    """
    numbers = torch.empty(3, dtype=torch.float64, device=nats.device)
    numbers[0] = nats
    numbers[1].fill_(scored)
    numbers[2].fill_(tokens)
    return numbers


def check_accumulation(trainer: Any) -> None:
    """Refuse strategies that divide and apply accumulated gradients on their own.

    Args:
        trainer: The Lightning trainer of the run.

    Raises:
        ConfigError: If gradients are to be accumulated under such a strategy (DeepSpeed).
    """
    if trainer.accumulate_grad_batches > 1 and trainer.strategy.handles_gradient_accumulation:
        raise ConfigError(
            "trainer.accumulate_grad_batches: this strategy weighs all micro-batches equally, "
            "whatever they score",
            value={
                "accumulate_grad_batches": trainer.accumulate_grad_batches,
                "strategy": type(trainer.strategy).__name__,
            },
            expected="1 with this strategy, or the strategy auto, ddp or fsdp",
            next_step="Set --trainer.accumulate_grad_batches 1 and raise --data.rows_per_batch or "
            "--data.tokens_per_batch, or choose another --trainer.strategy.",
        )
