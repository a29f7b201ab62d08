"""What the parts of gpu_check.py take and give, and how they measure time; no torch at import."""

import time
from collections.abc import Callable
from dataclasses import dataclass


class NotRunError(Exception):
    """A part cannot run here; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where a part runs.

    Attributes:
        device: "cuda", or "cpu" to try the script.
        small: whether sizes are tiny.
    """

    device: str
    small: bool


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        check: what is looked at.
        measured: the figure.
        wanted: what it is compared with; empty where nothing is demanded.
        result: "ok", "failed: why", "not run: why", or "measured" where nothing is demanded.
    """

    check: str
    measured: str
    wanted: str
    result: str


def judged(check: str, measured: str, wanted: str, right: bool) -> Row:
    """A row whose figure must be right."""
    return Row(check, measured, wanted, "ok" if right else f"failed: wanted {wanted}")


def measured(check: str, figure: str) -> Row:
    """A row that only reports."""
    return Row(check, figure, "", "measured")


def now(device: str) -> float:
    """Seconds on a clock, once the device has done what it was given."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(work: Callable[[], object], device: str, repeats: int = 5) -> float:
    """The shortest time of several calls, after one that is not counted."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = now(device)
        work()
        best = min(best, now(device) - start)
    return best
