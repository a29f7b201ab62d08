"""The amount of work in an evaluation before any of it is done: prompts, tokens, what fits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from arcflow.core.task import Task
from arcflow.evaluation.grid_requests import AnswerConfig, answer_tokens
from arcflow.evaluation.program_runtime import Programs
from arcflow.evaluation.views import evaluation_views
from arcflow.text.context import fit_context, tokens_that_fit
from arcflow.text.encode import Encoder


@dataclass
class Workload:
    """What an engine will be asked about some tasks.

    Attributes:
        prompts: The number of prompts.
        tokens: The tokens of all prompts, counted on the tasks as they are, before augmentation.
        longest: The tokens of the longest prompt with room for its answer.
        longest_task: The task's id.
        too_long: A line for each test input that no prompt can ask about, and why.
        shortened: A line for each test input that is asked about with fewer train pairs.
    """

    prompts: int = 0
    tokens: int = 0
    longest: int = 0
    longest_task: str = ""
    too_long: list[str] = field(default_factory=list)
    shortened: list[str] = field(default_factory=list)


def measure_workload(
    encoder: Encoder,
    programs: Programs | None,
    tasks: Sequence[Task],
    answer: AnswerConfig,
    max_tokens: int,
    variants: int = 1,
    seed: int = 0,
) -> Workload:
    """Count the prompts of tasks, and find what does not fit.

    Args:
        encoder: Writes the prompts for grids.
        programs: Writes the prompts for programs, if programs are asked for; else None.
        tasks: The tasks; their answers play no part.
        answer: How they are answered.
        max_tokens: The longest prompt and answer together, in tokens.
        variants: The number of models that are asked, with and without test-time fine-tuning.
        seed: The seed of the views.

    Returns:
        The counts over all tasks.
    """
    work = Workload()
    for task in (task.without_answers() for task in tasks):
        views = len(evaluation_views(task, answer.views, answer.augment, seed))
        if programs is None:
            asked = dict.fromkeys(range(len(task.test)), views)
            room = answer_tokens(encoder, task, answer.side_margin)
        else:  # a program answers all test inputs; a view shows one of them
            encoder = programs.encoder
            asked = {i: len(range(i, views, len(task.test))) for i in range(len(task.test))}
            room = encoder.max_answer_tokens()
        for i, prompts in asked.items():
            if prompts:
                _count(work, encoder, task, i, room, max_tokens, prompts * variants)
    return work


def _count(
    work: Workload,
    encoder: Encoder,
    task: Task,
    test_index: int,
    room: int,
    max_tokens: int,
    prompts: int,
) -> None:
    name = task.id if len(task.test) == 1 else f"{task.id} (test input {test_index + 1})"
    fitted = fit_context(encoder, task, max_tokens, test_index, answer_tokens=room)
    if fitted is None:
        least, _ = tokens_that_fit(encoder, task, test_index, room)
        work.too_long.append(f"{name}: {least:,} tokens with one train pair, {room:,} to answer")
        return
    if len(fitted.train) < len(task.train):
        work.shortened.append(f"{name}: {len(fitted.train)} of {len(task.train)} train pairs")
    tokens = encoder.prompt_length(fitted, test_index)
    work.prompts += prompts
    work.tokens += tokens * prompts
    if tokens + room > work.longest:
        work.longest, work.longest_task = tokens + room, task.id
