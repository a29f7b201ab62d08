"""Results of an evaluation: journaled task by task, merged over processes, measured, written."""

import json
import math
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from arcflow.core.errors import DataError
from arcflow.core.files import write_whole
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.evaluation.outcome import Outcome, Outcomes
from arcflow.evaluation.program_candidates import CODE_METRICS, code_shares
from arcflow.evaluation.torchmetric import ARCMetrics
from arcflow.scoring.journal import Journal, check_run, read_journal, write_journal
from arcflow.scoring.metrics import Metric
from arcflow.scoring.rescored import RESCORED, ranked_by_votes, solver_values
from arcflow.scoring.voting import (
    Candidate,
    candidate_from_dict,
    candidate_to_dict,
    with_value,
    without_value,
)
from arcflow.solving.run import journal_entry
from arcflow.solving.solvers import Answers

DIVERGED = "diverged"
"""The row of a table that counts tasks whose test-time fine-tuning diverged."""

Key = tuple[str, str]
"""Task id and variant."""

ALL = "all"
"""The name in tables of the last variant and all solvers together."""


class Results:
    """Everything finished so far, by this process, by those beside it and by earlier runs.

    Process 0 writes ``NAME.journal.jsonl``, process r > 0 ``NAME.rankR.journal.jsonl`` beside
    it; at the end process 0 merges all into the first, which then is the one that a single
    process would have written, to the last byte.

    Args:
        root: the run's folder.
        name: of the subcommand.
        run: what the results depend on.
        tasks: all of the evaluation, in order.
        variants: in the order in which they are journaled.
        rank: this process's number, of ``world_size``.
        world_size: number of processes.
        overwrite: forget what was finished before.
        solvers: names of solvers that answer beside the model, journaled as further variants.
    """

    def __init__(
        self,
        root: str,
        name: str,
        run: Mapping[str, Any],
        tasks: Sequence[Task],
        variants: Sequence[str],
        rank: int = 0,
        world_size: int = 1,
        overwrite: bool = False,
        solvers: Sequence[str] = (),
    ) -> None:
        self.solvers = tuple(solvers)
        self.folder, self.name, self.run = Path(root), name, run
        self.tasks, self.variants = tuple(tasks), tuple(variants)
        self.rank, self.world_size = rank, world_size
        self._entries: dict[Key, dict[str, Any]] = {}
        if overwrite:
            self._forget()
        self._journal = Journal.open(self._own, run)
        self._take(self._journal.entries)
        self.read_others()

    @property
    def path(self) -> Path:
        """The journal that holds everything once the evaluation is finished."""
        return self.folder / f"{self.name}.journal.jsonl"

    @property
    def results_path(self) -> Path:
        """The file with what the table shows."""
        return self.folder / f"{self.name}.results.json"

    @property
    def _own(self) -> Path:
        middle = f".rank{self.rank}" if self.rank else ""
        return self.folder / f"{self.name}{middle}.journal.jsonl"

    def finished(self, task: Task) -> bool:
        """Return whether every variant of a task is known."""
        return all((task.id, variant) in self._entries for variant in self.variants)

    def has_model(self, task_id: str) -> bool:
        """Return whether the last variant of a task is known."""
        return (task_id, self.variants[-1]) in self._entries

    def solved(self, task: Task) -> bool:
        """Return whether every solver has answered a task."""
        return all((task.id, name) in self._entries for name in self.solvers)

    @property
    def left(self) -> int:
        """The number of tasks that are not finished."""
        return sum(not self.finished(task) for task in self.tasks)

    def add(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Journal a task batch: what is known already stays as it is."""
        new = [
            _entry(task.id, variant, outcomes[task.id, variant])
            for task in tasks
            for variant in self.variants
            if (task.id, variant) not in self._entries
        ]
        self._journal.append(new)
        self._take(new)

    def add_solved(self, task: Task, answers: Answers) -> None:
        """Journal what the solvers answered to a task."""
        new = [
            journal_entry(task, name, answers.get(name, []))
            for name in self.solvers
            if (task.id, name) not in self._entries
        ]
        self._journal.append(new)
        self._take(new)

    def read_others(self) -> None:
        """Take what the journals beside this process's own hold of the same run."""
        for rank, path in self._journals():
            if rank != self.rank:
                header, entries = read_journal(path)
                check_run(header, self.run, path)
                self._take(entries)

    def close(self) -> None:
        """Let others write; everything added is on the disk."""
        self._journal.close()

    def merge(self, trainer: Trainer) -> None:
        """Bring the results of all processes together, in every process; one journal is left."""
        if self.world_size > 1:
            import torch.distributed as dist

            gathered: list[Any] = [None] * self.world_size
            dist.all_gather_object(gathered, list(self._entries.values()))
            for entries in gathered:
                self._take(entries)
        names = (*self.variants, *self.solvers)
        order = [(task.id, name) for task in self.tasks for name in names]
        merged = [self._entries[key] for key in order if key in self._entries]
        self.close()
        others = [path for rank, path in self._journals() if rank > 0]
        if self.rank == 0 and (others or merged != self._journal.entries):
            write_journal(self.path, self.run, merged)
        trainer.strategy.barrier("arcflow.merge")
        if self.rank == 0:
            for path in others:
                path.unlink(missing_ok=True)
        elif self._own.exists():  # where processes do not share a disk
            self._own.unlink(missing_ok=True)

    def candidates(self, variant: str, known: Container[str] = ()) -> dict[str, list[Candidate]]:
        """Return the candidates by task id of the finished tasks that are not ``known`` yet."""
        return {
            task.id: self.answers(task.id, variant)
            for task in self.tasks
            if (task.id, variant) in self._entries and task.id not in known
        }

    def answers(self, task_id: str, variant: str) -> list[Candidate]:
        """Return the candidates of one task and variant, with their values of re-scoring if these
        rank."""
        entry = self._entries.get((task_id, variant), {"candidates": []})
        found = [candidate_from_dict(one) for one in entry["candidates"]]
        if ranked_by_votes({"run": self.run}):
            return [without_value(candidate) for candidate in found]
        if variant in self.solvers:
            model = self._entries.get((task_id, self.variants[-1]), {})
            values = solver_values([model])
            return [with_value(candidate, values) for candidate in found]
        return found

    def merged(self, known: Mapping[str, Sequence[Candidate]]) -> dict[str, list[Candidate]]:
        """Return by task id the candidates of the last variant and of all solvers, so far.

        Args:
            known: what was returned before; tasks without news are left out.
        """
        sources = (self.variants[-1], *self.solvers)
        found: dict[str, list[Candidate]] = {}
        for name in sources:
            for task_id, candidates in self.candidates(name).items():
                found.setdefault(task_id, []).extend(candidates)
        return {i: c for i, c in found.items() if i not in known or len(c) != len(known[i])}

    def metrics(self, extra: Sequence[Metric] = ()) -> dict[str, dict[str, float]]:
        """Return, by variant, the loss and all metrics over the finished tasks with known answers.

        Solvers have columns of their own, and :data:`ALL` is for the last variant and all solvers
        together. If programs were asked for, their shares too, over all finished tasks: train
        pairs are always known.
        """
        measured = {}
        for variant in self.variants:
            values = self._of_candidates(self.candidates(variant), extra)
            if values:
                values = {"loss": self._loss(variant), **values}
            values |= self._of_programs(variant)
            if values:
                measured[variant] = values
        diverged = self._diverged()
        if any(diverged.values()):
            for variant, count in diverged.items():
                measured.setdefault(variant, {})[DIVERGED] = count
        for name in self.solvers:
            values = self._of_candidates(self.candidates(name), extra)
            if values:
                measured[name] = values
        if self.solvers:
            # A task counts for all sources when the model is finished with it.
            together = {i: c for i, c in self.merged({}).items() if self.has_model(i)}
            values = self._of_candidates(together, extra)
            if values:
                measured[ALL] = values
        return measured

    def _known_outputs(self, found: Container[str]) -> dict[str, list[Grid]]:
        """Return the true answers by task id of the tasks in ``found`` that have them."""
        known = {}
        for task in self.tasks:
            outputs = [pair.output for pair in task.test if pair.output is not None]
            if task.id in found and len(outputs) == len(task.test):
                known[task.id] = outputs
        return known

    def _of_candidates(
        self, found: Mapping[str, Sequence[Candidate]], extra: Sequence[Metric]
    ) -> dict[str, float]:
        """Return all metrics over tasks with known answers, or {} if there are none."""
        # Every process has everything already.
        metric = ARCMetrics(extra, sync_on_compute=False)
        for task_id, outputs in self._known_outputs(found).items():
            metric.update(task_id, found[task_id], outputs)
        return metric.compute() if len(metric.rows) else {}

    def _loss(self, variant: str) -> float:
        """Return the loss over the finished tasks with known answers, in nats a token."""
        nats, tokens = 0.0, 0
        for task_id in self._known_outputs(self.candidates(variant)):
            loss = self._entries[task_id, variant]["loss"]
            if loss is not None:
                nats, tokens = nats + loss[0], tokens + loss[1]
        return nats / tokens if tokens else float("nan")

    def _diverged(self) -> dict[str, int]:
        """Return the number of tasks whose tuning diverged, by variant."""
        entries = self._entries.items()
        return {
            variant: sum("diverged" in entry for (_, of), entry in entries if of == variant)
            for variant in self.variants
        }

    def _of_programs(self, variant: str) -> dict[str, float]:
        """Return the mean of each share of programs over tasks, or {} if none were asked for."""
        entries = [self._entries.get((task.id, variant)) for task in self.tasks]
        shares = [code_shares(entry["code"]) for entry in entries if entry and "code" in entry]
        if not shares:
            return {}
        return {name: math.fsum(s[name] for s in shares) / len(shares) for name in CODE_METRICS}

    def write(self, measured: Mapping[str, Mapping[str, float]]) -> None:
        """Write ``NAME.results.json``: what the table shows, for other programs to read.

        Raises:
            DataError: The file cannot be written.
        """
        tasks = len(self.tasks) - self.left
        text = json.dumps({"tasks": tasks, "variants": measured}, indent=2)
        path = self.results_path
        try:
            write_whole(path, f"{text}\n".encode())
        except OSError as error:
            raise DataError(
                f"the results cannot be written ({error.strerror})",
                value=str(path),
                expected="free space on its disk",
                next_step="Make room and run the same command again: the journal has them all.",
            ) from error

    def _forget(self) -> None:
        """Remove this process's journal; process 0 also removes those of processes that no
        longer exist."""
        for rank, path in self._journals():
            if rank == self.rank or (self.rank == 0 and rank >= self.world_size):
                path.unlink(missing_ok=True)

    def _journals(self) -> list[tuple[int, Path]]:
        """Return the journals that exist, with the numbers of their processes."""
        found = [(0, self.path)] if self.path.exists() else []
        for path in self.folder.glob(f"{self.name}.rank*.journal.jsonl"):
            number = path.name.removeprefix(f"{self.name}.rank").removesuffix(".journal.jsonl")
            if number.isdecimal():
                found.append((int(number), path))
        return sorted(found)

    def _take(self, entries: Sequence[dict[str, Any]]) -> None:
        for entry in entries:
            self._entries.setdefault((entry["task"], entry["variant"]), entry)


def _entry(task_id: str, variant: str, outcome: Outcome) -> dict[str, Any]:
    loss = outcome.loss
    return {
        "task": task_id,
        "variant": variant,
        "candidates": [candidate_to_dict(c) for c in outcome.candidates],
        # A loss that is no number is none: JSON has no word for it.
        "loss": list(loss) if loss is not None and math.isfinite(loss[0]) else None,
        "steps": outcome.steps,
        "views": outcome.views,
    } | _extra(outcome)


def _extra(outcome: Outcome) -> dict[str, Any]:
    """Return what an entry says only where there is something to say."""
    said: dict[str, Any] = {}
    if outcome.code is not None:
        said["code"] = outcome.code
    if outcome.rescoring is not None:
        said["rescoring"] = outcome.rescoring
    if outcome.of_solvers:
        said[RESCORED] = outcome.of_solvers
    if outcome.losses:
        said["losses"] = [list(point) for point in outcome.losses]
    return said | ({"diverged": True} if outcome.diverged else {})
