"""Programs that a model wrote, what became of them, and the shares that run, fit and solve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arcflow.core.augment import Augmentation
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.engines.base import Completion
from arcflow.omniarc.trial import ProgramResult
from arcflow.scoring.voting import Candidate

CODE_METRICS = ("code_runs", "code_valid", "code_fits_k", "code_solves")
"""Shares of a task's programs: that end without an error, that give a grid for every input, of
train pairs reproduced, that reproduce all train pairs."""


@dataclass(frozen=True, slots=True, eq=False)
class ProgramCandidate:
    """A program that a model was asked for, with the result of running it.

    Attributes:
        task: as published, answers hidden.
        view: under which it was asked for.
        answer: what the engine wrote; None where no prompt fits.
        text: of the answer.
        code: the program in it; None where there is none.
        trial: of the program; None where it was not run.
        reason: why it was not run.
    """

    task: Task
    view: Augmentation
    answer: Completion | None
    text: str = ""
    code: str | None = None
    trial: ProgramResult | None = None
    reason: str = ""

    @property
    def reproduced(self) -> int:
        """The number of train pairs that the program reproduces."""
        return sum(self.trial.right) if self.trial is not None else 0

    @property
    def solves(self) -> bool:
        """Whether it reproduces all train pairs of its view."""
        return self.trial is not None and self.trial.solves

    def candidates(self) -> list[Candidate]:
        """Return a candidate for each test input, the view undone; without a grid if the program
        has no vote."""
        log_prob, n_tokens = 0.0, 0
        if self.answer is not None:
            log_prob, n_tokens = self.answer.log_prob, self.answer.n_tokens
        outputs: Sequence[Grid | None] = [None] * len(self.task.test)
        reason = self.reason
        if self.trial is not None:
            reason = self.trial.problem.split("\n")[0]
            if self.trial.solves:
                outputs = self.trial.outputs
            elif self.reproduced:
                reason = f"fits {self.reproduced} of {len(self.trial.right)} pairs: {reason}"
        return [
            Candidate(
                self.task.id,
                i,
                None if grid is None else self.view.invert(grid),
                log_prob,
                n_tokens,
                self.view.name,
                self.text,
                reason if grid is None else "",
            )
            for i, grid in enumerate(outputs)
        ]


def to_correct(
    written: Sequence[ProgramCandidate], before: set[str], most: int
) -> list[ProgramCandidate]:
    """Return the programs of one task that are worth correcting, the most promising first.

    Args:
        written: all so far; where one reproduces all train pairs, none is corrected.
        before: programs that went back already; those chosen are added. One that was written in
            several views goes back in the best of them.
        most: how many are chosen.
    """
    if any(w.solves for w in written):
        return []
    failing = [w for w in written if w.trial is not None]
    chosen: list[ProgramCandidate] = []
    # Stable: of equals the first one.
    for w in sorted(failing, key=lambda w: (-w.reproduced, -w.candidates()[0].score)):
        if w.code is not None and w.code not in before and len(chosen) < most:
            before.add(w.code)
            chosen.append(w)
    return chosen


def code_counts(written: Sequence[ProgramCandidate]) -> dict[str, int]:
    """Return the counts of a task's programs that :func:`code_shares` needs, as a journal holds
    them."""
    trials = [w.trial for w in written if w.trial is not None]
    return {
        "programs": len(written),
        "run": sum(trial.runs for trial in trials),
        "valid": sum(trial.valid for trial in trials),
        "reproduced": sum(sum(trial.right) for trial in trials),
        "pairs": sum(len(w.task.train) for w in written),
        "solve": sum(trial.solves for trial in trials),
    }


def code_shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Return all of CODE_METRICS of one task, each 0..1."""
    programs, pairs = max(counts["programs"], 1), max(counts["pairs"], 1)
    shares = (
        counts["run"] / programs,
        counts["valid"] / programs,
        counts["reproduced"] / pairs,
        counts["solve"] / programs,
    )
    return dict(zip(CODE_METRICS, shares, strict=True))
