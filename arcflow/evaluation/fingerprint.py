"""The fingerprint of an evaluation: a journal is continued only by one with the same."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import torch

from arcflow import __version__
from arcflow.core.task import Task
from arcflow.datamodules.base import ArcflowDataModule
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.ttft.tuner import Tuner

EvaluationFingerprint = dict[str, Any]


def evaluation_fingerprint(
    part: str,
    module: Any,
    data: ArcflowDataModule,
    tasks: Sequence[Task],
    answer: AnswerConfig,
    tuner: Tuner | None,
    options: dict[str, Any],
) -> EvaluationFingerprint:
    """Return what an evaluation's results depend on, as plain values by name; tasks and weights
    as digests.

    Args:
        part: "val", "test" or "predict".
        module: whose weights answer.
        data: text and context.
        tasks: all that are evaluated, in order.
        answer: how answers are made.
        tuner: test-time fine-tuning, where it is on.
        options: further ones by name, as on the command line.
    """
    base = getattr(module, "base_record", {})
    record: EvaluationFingerprint = {
        "arcflow": __version__,
        "evaluation of": part,
        "tasks": _digest([_task_text(task) for task in tasks]),
        "weights": weights_digest(module),
        "base_model": {k: v for k, v in base.items() if k != "name"},  # folders move
        "data.max_tokens": data.max_tokens,
        "data.task_batch_size": data.task_batch_size,
        "text": data.text_fingerprint,
    }
    record |= options
    answering = asdict(answer)
    if not answer.searches:
        del answering["dfs"]
    record |= _flat("pass_n.answer", answering)
    # What memory allows may change on the way.
    del record["pass_n.answer.max_batch_tokens"]
    if tuner is None:
        record["test_time.steps"] = 0
    else:
        record |= _flat("test_time", {name: _plain(v) for name, v in tuner.options.items()})
        custom_loss = getattr(module, "custom_loss", None)  # tuned adapters depend on it
        if custom_loss is not None:
            record |= _flat("model.loss_fn", custom_loss)
    plain: EvaluationFingerprint = json.loads(json.dumps(record))
    return plain


def weights_digest(module: Any) -> str:
    """Return a digest of every bit that the module trained; its base is described elsewhere."""
    digest = hashlib.blake2b(digest_size=16)
    for name, parameter in sorted(module.named_parameters()):
        if parameter.requires_grad:
            digest.update(name.encode())
            values = parameter.detach().to("cpu").contiguous()
            digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _task_text(task: Task) -> list[Any]:
    return [
        task.id,
        [
            [pair.input.tolist(), None if pair.output is None else pair.output.tolist()]
            for pair in (*task.train, *task.test)
        ],
        len(task.train),
    ]


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _flat(prefix: str, options: dict[str, Any]) -> EvaluationFingerprint:
    """Return nested options by their dotted names, as on the command line."""
    flat: EvaluationFingerprint = {}
    for name, value in options.items():
        path = f"{prefix}.{name}"
        flat |= _flat(path, value) if isinstance(value, dict) and value else {path: value}
    return flat
