"""The losses of a task's fine-tuning, as a few numbers that a journal can keep."""

import math
from collections.abc import Sequence

MOST = 32
"""The largest number of steps that are kept."""

Point = tuple[int, float]
"""A step, counted from 1, and its mean loss in nats a scored token."""


def thin_out(losses: Sequence[float]) -> list[Point]:
    """Return the losses of evenly spaced steps, the first and the last among them.

    Args:
        losses: The loss of each step.

    Returns:
        At most :data:`MOST` points with four digits each. What is not finite is left out, as JSON
        has no word for it.
    """
    last, kept = len(losses) - 1, min(len(losses), MOST)
    steps = [round(i * last / max(1, kept - 1)) for i in range(kept)]
    return [(i + 1, float(f"{losses[i]:.4g}")) for i in steps if math.isfinite(losses[i])]
