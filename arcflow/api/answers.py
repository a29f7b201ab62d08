"""fine_tune and answer: adapt a model to one task, and ask it about the task's test inputs."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from arcflow.api.models import Model
from arcflow.core.task import Task
from arcflow.engines.base import AdapterRef
from arcflow.engines.transformers import TransformersEngine
from arcflow.evaluation.grid_requests import GridRequests, check_context
from arcflow.scoring.voting import Candidate
from arcflow.ttft.tuner import Tuner

_STEPS = 64


@dataclass(frozen=True, eq=False)
class Adapter:
    """What `fine_tune` made of one task's pairs.

    Attributes:
        ref: the tuned weights, on the CPU.
        tuner: puts them in place, and the model's own back.
        losses: mean loss of each step, in nats a scored token.
    """

    ref: AdapterRef
    tuner: Tuner
    losses: tuple[float, ...]


def fine_tune(model: Model, task: Task, **options: Any) -> Adapter:
    """Adapt a model to one task, from the task's own train pairs.

    The model learns leave-one-out views of the train pairs: each pair is asked in turn with the
    others as examples, turned, flipped and recoloured. Test outputs play no part. The model itself
    is left as it was; the adapter is used where `answer` is given it.

    Args:
        model: as `load_model` returns it.
        task: the task to adapt to. With a single train pair there is nothing to leave out: no
            step is taken, and a warning says so.
        options: arguments of `arcflow.TestTimeFineTuning`, for example ``steps=200``; they
            replace those of ``model.tuning``.

    Returns:
        The adapter, with the loss of every step.

    Raises:
        ConfigError: options that are out of range, or do not suit the model.
    """
    tuner = Tuner(**{"steps": _STEPS, **model.tuning, **options})
    hidden, losses = task.without_answers(), list[float]()
    tuner.check(model.module, [hidden], 1)
    [ref] = tuner.tune(
        model.module,
        model.encoder,
        [hidden],
        on_step=lambda _task, _step, loss: losses.append(loss),
        samples=tuner.leave_one_out(model.encoder, model.max_tokens),
    )
    return Adapter(ref, tuner, tuple(losses))


def answer(
    model: Model, task: Task, adapter: Adapter | None = None, *, seed: int = 0, **options: Any
) -> list[Candidate]:
    """Answer every test input of a task over augmented views.

    The first view is the task as it is; the others are turned, flipped and recoloured, and each
    answer is turned back. Test outputs play no part.

    Args:
        model: as `load_model` returns it.
        task: the task to answer.
        adapter: what `fine_tune` made for this task; None answers with the model as it is.
        seed: views and samples are functions of (seed, task).
        options: fields of `arcflow.evaluation.grid_requests.AnswerConfig`, for example
            ``views=16``; they replace those of ``model.answering``.

    Returns:
        A candidate for each view, test input and sample; its grid is None where the model wrote
        none. `arcflow.vote` ranks them.

    Raises:
        ConfigError: options that are out of range, or no prompt fits ``model.max_tokens``.
    """
    config, hidden = replace(model.answering, **options), task.without_answers()
    check_context(model.encoder, [hidden], config, model.max_tokens)
    requests = GridRequests(model.encoder, config, model.max_tokens, seed)
    requests.ask(("task", "answer"), hidden, None if adapter is None else adapter.ref)
    use = None if adapter is None else partial(adapter.tuner.use_adapter, model.module)
    engine = TransformersEngine(model.module.model, model.pad_id, use, config.max_batch_tokens)
    answers = engine.generate(requests.requests, requests.sampling)
    return requests.candidates(answers)["task", "answer"]
