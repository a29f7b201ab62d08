"""New inputs for tasks, sampled from a model that learned to write inputs from inputs."""

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer

from arcflow.core.augment import Augmentation
from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import ConfigError
from arcflow.core.files import write_whole
from arcflow.core.grid import Grid
from arcflow.core.overwriting import refuse_overwriting
from arcflow.core.seeds import derive
from arcflow.core.task import Pair, Task, task_key
from arcflow.datamodules.task_batches import TaskBatch
from arcflow.engines.base import Completion, Request, SamplingParams
from arcflow.engines.vllm import VLLMConfig
from arcflow.evaluation.engine_setup import EngineName, EngineSession, check_engine, open_engine
from arcflow.evaluation.grid_requests import AnswerConfig, answer_tokens
from arcflow.evaluation.views import evaluation_views
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder
from arcflow.text.kinds import get_kind
from arcflow.text.tokenizer import load_tokenizer

KIND = "input-from-inputs"
_log = logging.getLogger(__name__)
_AUGMENT = AugmentConfig(keep_colors=0.5, move_background=0.0)
_VLLM = VLLMConfig()


@dataclass(frozen=True)
class GenerateConfig:
    """How new inputs are sampled.

    Attributes:
        output: JSON file to write: task id to a list of inputs, each with its log-probability.
        tasks: whose inputs are shown: the datamodule's "train", "val", "test" or "predict" tasks.
        n: samples a task, each asked for in a view of its own: turned, recoloured, reordered.
        temperature: over 0; higher is more various and less often valid.
        top_p: smallest set of tokens with this total probability that is sampled from.
        augment: how the views differ.
        side_margin: an input may be longer than the longest side of the task's inputs by this
            factor (at most 30 cells).
        overwrite: write over a file that is there already.
    """

    output: str = "inputs.json"
    tasks: Literal["train", "val", "test", "predict"] = "train"
    n: int = 8
    temperature: float = 1.0
    top_p: float = 1.0
    augment: AugmentConfig = _AUGMENT
    side_margin: float = 1.5
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name, value, right, expected in (
            ("n", self.n, self.n >= 1, "at least 1"),
            ("temperature", self.temperature, self.temperature > 0, "more than 0"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "more than 0, at most 1"),
        ):
            if not right:
                raise ConfigError(
                    f"generate.{name}: out of range",
                    value=value,
                    expected=expected,
                    next_step=f"Correct --generate.{name}.",
                )


class InputGenerator(Callback):
    """Samples inputs for the task batches of ``predict``, and writes those that are valid and new.

    The file is written whole after every task batch: a run that is stopped leaves what it has.

    Args:
        config: how they are sampled.
        engine: as of :class:`arcflow.callbacks.pass_n.PassN`.
        vllm: options of that engine.
        seed: samples are functions of (seed, task id, number).

    Attributes:
        found: task id to its new inputs, as they are written.
        counts: what became of the samples: new, malformed, unfinished, known, too long.
    """

    def __init__(
        self,
        config: GenerateConfig,
        engine: EngineName = "transformers",
        vllm: VLLMConfig = _VLLM,
        seed: int = 0,
    ) -> None:
        self.config, self.engine, self.vllm, self.seed = config, engine, vllm, seed
        self.found: dict[str, list[dict[str, Any]]] = {}
        self.counts: Counter[str] = Counter()
        self._room: EngineSession | None = None
        self._encoder: Encoder | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the engine."""
        if trainer.world_size > 1:
            raise ConfigError(
                "generate: one process writes the inputs",
                value=f"{trainer.world_size} processes",
                expected="trainer.devices: 1",
                next_step="Set --trainer.devices 1.",
            )
        path = Path(self.config.output)
        if path.exists() and not self.config.overwrite:
            raise ConfigError(
                "generate.output: there is such a file already",
                value=str(path),
                expected="a file to be made",
                next_step="Choose another --generate.output, or set --generate.overwrite true.",
            )
        check_engine(self.engine, pl_module, None)
        data: Any = trainer.datamodule
        read = {task.source for task in data.tasks("predict")} if path.exists() else ()
        refuse_overwriting("generate.output", path, read)
        self._encoder = Encoder(load_tokenizer(data.tokenizer), data.text, get_kind(KIND))
        self._max_tokens = data.max_tokens
        self._room = open_engine(
            self.engine,
            self.vllm,
            pl_module,
            data,
            None,
            AnswerConfig(),
            trainer.default_root_dir,
            time.time,
        )

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Sample for a task batch."""
        if isinstance(batch, TaskBatch):
            self._sample(batch.tasks)
            write_whole(Path(self.config.output), (json.dumps(self.found) + "\n").encode())

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what was found."""
        self._close()
        total = sum(self.counts.values())
        print(
            f"inputs: {self.config.output}: {self.counts['new']} new of {total} samples for "
            f"{len(self.found)} tasks ("
            + ", ".join(f"{n} {what}" for what, n in self.counts.items() if what != "new")
            + ")"
        )

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """End the engine."""
        self._close()

    def _sample(self, tasks: Sequence[Task]) -> None:
        encoder, config = self._encoder, self.config
        assert encoder is not None
        assert self._room is not None
        requests: list[Request] = []
        asked: list[tuple[Task, Augmentation]] = []
        for task in tasks:
            shown = inputs_alone(task)
            room = answer_tokens(encoder, shown, config.side_margin)
            for i, view in enumerate(evaluation_views(shown, config.n, config.augment, self.seed)):
                fitted = fit_context(encoder, view.apply(shown), self._max_tokens, 0, room)
                if fitted is None:
                    self.counts["too long"] += 1
                    continue
                drawn = derive(self.seed, "inputs", task_key(task), i)
                prompt = tuple(encoder.prompt(fitted, 0).tolist())
                requests.append(Request(prompt, self._room.trained, drawn, room))
                asked.append((task, view))
        sampling = SamplingParams(1, config.temperature, config.top_p, stop_ids=encoder.stop_ids)
        answers = self._room.engine.generate(requests, sampling)
        known = {task.id: {_key(pair.input) for pair in _pairs(task)} for task in tasks}
        for task in tasks:
            self.found.setdefault(task.id, [])
        for (task, view), (answer,) in zip(asked, answers, strict=True):
            self._keep(task, view, answer, known[task.id])

    def _keep(self, task: Task, view: Augmentation, answer: Completion, known: set[bytes]) -> None:
        assert self._encoder is not None
        _, grid = self._encoder.decode(answer.token_ids)
        if not answer.finished:
            self.counts["unfinished"] += 1
        elif grid is None:
            self.counts["malformed"] += 1
        elif _key(grid := view.invert(grid)) in known:
            self.counts["known"] += 1
        else:
            known.add(_key(grid))
            self.counts["new"] += 1
            self.found[task.id].append(
                {
                    "input": grid.tolist(),
                    "log_prob": answer.log_prob,
                    "n_tokens": answer.n_tokens,
                    "view": view.name,
                }
            )

    def _close(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.close()


def inputs_alone(task: Task) -> Task:
    """Return a task of all inputs as train pairs, and a test pair in whose place a new one is
    written.

    The outputs stay with the train pairs, for the kinds that show them; the last test pair's
    place is taken by the first pair's input, which no prompt of kind "input-from-inputs" shows.
    """
    pairs = _pairs(task)
    return Task(task.id, pairs, (Pair(pairs[0].input, None),), task.source)


def _pairs(task: Task) -> tuple[Pair, ...]:
    return (*task.train, *task.test)


def _key(grid: Grid) -> bytes:
    return bytes(grid.shape) + grid.tobytes()
