"""What one call asks of vLLM's process, the answers that have come so far, and its message."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arcflow.core.seeds import derive
from arcflow.engines.base import (
    OUT_OF_TIME,
    AdapterRef,
    Answers,
    Completion,
    Request,
    SamplingParams,
    ScoreRequest,
)


@dataclass(eq=False)
class SubmittedBatch:
    """The requests of one call, and the answers that have come so far.

    Attributes:
        requests: Prompts to complete, or prompts with completions to score.
        sampling: The parameters of sampling, which scores do not need.
        stop_at: The end of the caller's time limit on the monotonic clock; None without one.
        under_way: Whether vLLM's process has the batch.
        answers: The completions by request number and sample number.
        reason: Why the answers that have not come are missing.
    """

    requests: Sequence[Request | ScoreRequest]
    sampling: SamplingParams
    stop_at: float | None
    under_way: bool = False
    answers: dict[tuple[int, int], Completion] = field(default_factory=dict)
    reason: str = OUT_OF_TIME

    @property
    def seconds(self) -> float | None:
        """The seconds that are left of the caller's limit; None without a limit."""
        return None if self.stop_at is None else self.stop_at - time.monotonic()

    @property
    def expired(self) -> bool:
        """Whether the caller's time limit is over."""
        return self.seconds is not None and self.seconds <= 0

    def missing(self) -> list[tuple[int, int]]:
        """Return the (request number, sample number) of every completion that has not come yet."""
        rows = [(i, k) for i, one in enumerate(self.requests) for k in range(self._different(one))]
        return [row for row in rows if row not in self.answers]

    def collect(self) -> Answers:
        """Return every completion; one that has not come is an empty one with the reason."""
        known = dict(self.answers)
        none = Completion((), 0.0, 0, finished=False, error=self.reason)
        return [
            [known.get((i, k % self._different(one)), none) for k in range(self._asked(one))]
            for i, one in enumerate(self.requests)
        ]

    def message(self, numbers: dict[tuple[int, str], int], max_tokens: int) -> dict[str, Any]:
        """Return the missing completions as a message of plain data.

        Args:
            numbers: The number of each adapter by its id and folder; new ones are added.
            max_tokens: The longest prompt and answer together, in tokens.
        """
        rows, adapters = [], {}
        prompts: dict[tuple[int, ...], int] = {}
        for number, sample in self.missing():
            request = self.requests[number]
            adapter = None
            if request.adapter is not None:
                key = _key(request.adapter)
                # vLLM serves the old adapter under an id that it has seen, so each folder gets a
                # number of its own.
                adapter = numbers.setdefault(key, len(numbers) + 1)
                adapters[adapter] = key[1]
            row: dict[str, Any] = {
                "row": [number, sample],
                "prompt": prompts.setdefault(request.prompt_ids, len(prompts)),
                "adapter": adapter,
            }
            if isinstance(request, ScoreRequest):
                row["completion"] = list(request.completions[sample])
            else:
                longest = request.max_tokens or self.sampling.max_tokens
                row["seed"] = derive(request.seed, "sample", sample)
                row["max_tokens"] = min(longest, max_tokens - len(request.prompt_ids))
            rows.append(row)
        return {
            "rows": rows,
            "prompts": list(prompts),
            "adapters": list(adapters.items()),
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "stop_ids": list(self.sampling.stop_ids),
            "seconds": self.seconds,
        }

    def _asked(self, request: Request | ScoreRequest) -> int:
        if isinstance(request, ScoreRequest):
            return len(request.completions)
        return self.sampling.n

    def _different(self, request: Request | ScoreRequest) -> int:
        """Return the number of different completions of a request; greedy ones are all equal."""
        if isinstance(request, ScoreRequest):
            return len(request.completions)
        return self.sampling.n if self.sampling.temperature > 0 else 1


def _key(adapter: AdapterRef) -> tuple[int, str]:
    return adapter.id, str(Path(str(adapter.path)).absolute())
