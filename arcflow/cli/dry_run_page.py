"""The lines that a dry run prints."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from lightning.pytorch import Trainer

from arcflow.callbacks.measured_evaluation import EvaluationTimes, MeasuredPassN
from arcflow.callbacks.measured_fit import StepTimes
from arcflow.core.memory import peak_memory
from arcflow.core.run_start import run_started
from arcflow.core.task import Task
from arcflow.datamodules.base import ArcflowDataModule
from arcflow.datamodules.streams.resumable_loader import TrainLoader
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.evaluation.status import in_words
from arcflow.evaluation.time_budget import read_deadline
from arcflow.sources.base import TaskList
from arcflow.text.context import fit_context, tokens_that_fit

FEW = 10
"""The most tasks that are named one by one."""

Lines = Iterator[tuple[str, str]]
"""Names and what is said of them."""


def fit_lines(
    trainer: Trainer, times: StepTimes, validates_every: int, limit: int | float | None
) -> Lines:
    """Yield what was measured of a training run.

    Args:
        trainer: It took the steps.
        times: What was measured.
        validates_every: The batches between two validations of the run; 0 if it has none.
        limit: The run's own ``trainer.limit_val_batches``.
    """
    data = trainer.datamodule
    if isinstance(data, ArcflowDataModule):
        yield from _task_lines(data, "train")
        yield from _task_lines(data, "val")
    seconds = times.seconds
    if seconds is None:
        yield "time", "no step is left to take"
        return
    if times.samples:
        yield (
            "tokens",
            f"{times.tokens_per_step:,.0f} a step; the longest of {times.samples} samples has "
            f"{times.longest:,}",
        )
    loader = trainer.train_dataloader
    if isinstance(loader, TrainLoader) and loader.skipped:
        yield "do not fit", f"samples that were passed over until then: {loader.skipped}"
    measured = len(times.steps[1:] or times.steps)
    speed = f", {times.tokens_per_step / seconds:,.0f} tokens/s" if times.samples else ""
    yield "measured", f"{seconds:.3g} s a step, the mean of {measured}{speed}"
    start, left = times.began - run_started(), trainer.max_steps - times.start
    if trainer.max_steps < 0:
        yield "time", f"{in_words(start)} to start; no trainer.max_steps says when the run ends"
        return
    parts = {"start": start, f"{left} steps": left * seconds}
    if validates_every and times.validation:
        often = left * trainer.accumulate_grad_batches // validates_every
        batches = len(data._loss_loader("val")) if isinstance(data, ArcflowDataModule) else 1
        if often:
            each = _limited(batches, limit) * _mean(times.validation)
            parts[f"{often} validation{'s' * (often > 1)}"] = often * each
    yield "time", _sum(parts)


def _task_lines(data: ArcflowDataModule, part: str) -> Lines:
    """Yield the tasks of a part, and which of them never fit the context.

    Samples that a generator makes are counted as they are drawn: their tasks say little about them.
    """
    used = data.tasks(part)
    tasks = data.train_base_tasks() if part == "train" else used
    if not tasks:
        return
    yield part, _named(used)
    stream = data._stream
    generated = not (isinstance(stream, TaskStream) and isinstance(stream.source, TaskList))
    too_long = [] if part == "train" and generated else _never_fit(data, tasks)
    yield from _too_long(too_long, len(tasks), data.max_tokens)
    dropped = len(tasks) - len(used) - len(too_long)
    if part == "train" and dropped > 0:
        yield "left out", f"{dropped} of {len(tasks)}, as they are evaluated"


def _never_fit(data: ArcflowDataModule, tasks: Sequence[Task]) -> list[str]:
    """Return a line for each task none of whose answers fits with a single train pair."""
    found = []
    for task in tasks:
        known = [i for i, pair in enumerate(task.test) if pair.output is not None]
        if known and not any(fit_context(data.encoder, task, data.max_tokens, i) for i in known):
            least = min(tokens_that_fit(data.encoder, task, i)[0] for i in known)
            found.append(f"{task.id}: {least:,} tokens with one train pair")
    return found


def evaluation_lines(
    trainer: Trainer, evaluation: MeasuredPassN, limit: int | float | None
) -> Lines:
    """Yield what was measured of an evaluation.

    Args:
        trainer: It ran the task batch.
        evaluation: What was measured.
        limit: The run's own limit of the batches of the loss.
    """
    times, data = evaluation.times, trainer.datamodule
    assert isinstance(data, ArcflowDataModule)
    left = len(times.left)
    done = f"; {len(times.tasks) - left} are finished" if left < len(times.tasks) else ""
    yield "tasks", f"{_named(times.tasks)}{done}"
    work = times.workload
    if work.prompts:
        yield "prompts", f"{work.prompts:,}, together {work.tokens:,} tokens"
        yield (
            "longest",
            f"{work.longest:,} tokens with room for the answer (task {work.longest_task}); "
            f"data.max_tokens is {data.max_tokens:,}",
        )
    inputs = sum(len(task.test) for task in times.left)
    yield from _too_long(work.too_long, inputs, data.max_tokens, "test inputs")
    if work.shortened:
        yield "shortened", _listed(work.shortened, f"{len(work.shortened)} of {inputs} test inputs")
    yield "measured", _measured(times)
    start = times.began - run_started()
    parts = {"start": start, f"{left} tasks": times.estimate / trainer.world_size}
    if times.loss_batches:
        parts["losses"] = _limited(times.loss_batches, limit) * _mean(times.loss_seconds)
    yield "time", _sum(parts)
    end = read_deadline(evaluation.deadline, run_started())
    if end is not None:
        enough = sum(parts.values()) <= end - run_started()
        remains = in_words(end - run_started())
        verdict = "enough" if enough else "too little for all steps and views, which will be fewer"
        yield "deadline", f"{remains} from the start: {verdict}"
    if evaluation.solvers:
        longest = in_words(evaluation.solver_seconds * left / trainer.world_size)
        yield "solvers", f"{', '.join(evaluation.solvers)} beside the model: at most {longest}"


def _measured(times: EvaluationTimes) -> str:
    parts = [f"tuning {times.tuning:.3g} s for {times.steps} steps"] if times.steps else []
    parts.append(f"answers {times.answering:.3g} s")
    return f"{times.seconds:.3g} s for {_named(times.measured)}: {', '.join(parts)}"


def memory_lines() -> Lines:
    """Yield the peak memory of this process and of its GPU so far."""
    peak = peak_memory()
    if peak is not None:
        yield "memory", f"{peak / 2**30:.2f} GiB at most"
    for i in range(torch.cuda.device_count()):
        used = torch.cuda.max_memory_reserved(i)
        if used:
            total = torch.cuda.get_device_properties(i).total_memory
            yield f"GPU {i}", f"{used / 2**30:.2f} of {total / 2**30:.1f} GiB at most"


def _too_long(found: Sequence[str], of: int, max_tokens: int, what: str = "tasks") -> Lines:
    if found:
        head = f"{len(found)} of {of} {what} at data.max_tokens {max_tokens:,}"
        yield "do not fit", _listed(found, head)


def _listed(lines: Sequence[str], head: str) -> str:
    """Return the head and the first lines below it."""
    more = [f"and {len(lines) - FEW} more"] * (len(lines) > FEW)
    return "\n              ".join((head, *lines[:FEW], *more))


def _named(tasks: Sequence[Task]) -> str:
    """Return the number of tasks, with their ids if these are few."""
    ids = f" ({', '.join(task.id for task in tasks)})" if 0 < len(tasks) <= FEW else ""
    return f"{len(tasks)} {'task' if len(tasks) == 1 else 'tasks'}{ids}"


def _sum(parts: dict[str, float]) -> str:
    each = ", ".join(f"{name} {in_words(seconds)}" for name, seconds in parts.items())
    return f"about {in_words(sum(parts.values()))} ({each})"


def _limited(batches: int, limit: int | float | None) -> float:
    """Return how many batches Lightning takes under a limit: a number, a share or none."""
    if limit is None:
        return batches
    return min(batches, limit) if isinstance(limit, int) else batches * limit


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 0.0
