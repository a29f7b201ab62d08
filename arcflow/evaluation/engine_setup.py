"""The engine of an evaluation, and what an engine in another process needs on disk."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from arcflow.core.class_path import did_you_mean, import_class
from arcflow.core.errors import ConfigError
from arcflow.datamodules.base import ArcflowDataModule
from arcflow.engines.base import AdapterRef, Engine
from arcflow.engines.transformers import TransformersEngine, check_searchable
from arcflow.engines.vllm import VLLMConfig, VLLMEngine, check_head_size, check_servable
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.modules.backbone import saved_architecture
from arcflow.modules.export import merge_and_export
from arcflow.modules.gguf.folder import model_folder
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.quiet import no_progress_bars
from arcflow.ttft.tuner import Tuner

EngineName = str
"""One of :data:`ENGINES`, or the class path of a subclass of :class:`Engine`."""

ENGINES = ("transformers", "vllm")
"""The engines that have a short name."""

_TRAINED_ID = 2**30
_MOST_ADAPTERS = 16


@dataclass
class EngineSession:
    """An engine that is running, and the files it needs.

    Attributes:
        engine: who writes the answers.
        trained: the trained adapter, where the engine has to be handed it.
        folder: where tuned adapters go for it; None where it needs no files.
    """

    engine: Engine
    trained: AdapterRef | None = None
    folder: Path | None = None
    root: Path | None = None

    def close(self) -> None:
        """End the engine and remove its files."""
        self.engine.close()
        if self.root is not None:
            shutil.rmtree(self.root, ignore_errors=True)


def check_engine(
    name: EngineName, module: Any, tuner: Tuner | None, answer: AnswerConfig | None = None
) -> None:
    """Refuse what the engine cannot serve, before anything is trained for it.

    Args:
        name: one of :data:`ENGINES` or a class path.
        module: whose model answers.
        tuner: test-time fine-tuning, where it is on.
        answer: how answers are made; None for by sampling.

    Raises:
        ConfigError: what it is and what to change.
    """
    if name != "vllm":
        engine_class(name)
        if answer is not None and answer.searches and getattr(module, "base_record", None):
            check_searchable(module.model.config)
        return
    if not isinstance(module, LoRAModule):
        raise ConfigError(
            "pass_n.engine: vLLM serves the models of LoRAModule",
            value=type(module).__name__,
            expected="a LoRAModule, or a subclass of it",
            next_step="Set --pass_n.engine transformers, or derive the module from LoRAModule.",
        )
    if tuner is not None and tuner.adapter_config(module) is None:
        raise ConfigError(
            "pass_n.engine: vLLM cannot change all weights from task to task",
            value="test_time.mode: all",
            expected="adapters (mode: continue or fresh), or the transformers engine",
            next_step="Set --pass_n.engine transformers.",
        )
    for config in _adapter_configs(module, tuner):
        check_servable(config.spec())
    loaded = bool(module.base_record)
    architecture = module.model.config if loaded else saved_architecture(module.backbone)
    if architecture is not None:
        check_head_size(architecture.get_text_config())


def engine_class(name: EngineName) -> type[Any]:
    """Return the class of an engine that works in the trainer's process.

    Args:
        name: "transformers" or a class path.

    Raises:
        ConfigError: there is no such engine.
    """
    if name == "transformers":
        return TransformersEngine
    if "." not in name:
        raise ConfigError(
            f"pass_n.engine: no such engine{did_you_mean(name, ENGINES)}",
            value=name,
            expected=f"{', '.join(ENGINES)} or the class path of a subclass of "
            "arcflow.engines.base.Engine",
            next_step="Correct --pass_n.engine.",
        )
    return import_class(name, Engine, "pass_n.engine")


def open_engine(
    name: EngineName,
    vllm: VLLMConfig,
    module: Any,
    data: ArcflowDataModule,
    tuner: Tuner | None,
    answer: AnswerConfig,
    root: str,
    clock: Callable[[], float],
) -> EngineSession:
    """Start the engine, give it the model, and return both as a session.

    Args:
        name: one of :data:`ENGINES` or a class path.
        vllm: its options.
        module: whose model answers.
        data: token ids and the longest sequence.
        tuner: whose adapters will come.
        answer: how answers are made.
        root: the run's folder; files for the engine live in a new folder within.
        clock: seconds, for time limits.
    """
    if name != "vllm":
        engine = engine_class(name)(
            model=module.model,
            pad_id=data.pad_id,
            use_adapter=None if tuner is None else partial(tuner.use_adapter, module),
            max_batch_tokens=answer.max_batch_tokens,
            clock=clock,
        )
        return EngineSession(engine)
    scratch = Path(tempfile.mkdtemp(prefix="engine-", dir=root))
    try:
        trained = None
        if module.lora is not None:
            trained = AdapterRef(_TRAINED_ID, path=module.export(scratch / "trained"))
        configs = _adapter_configs(module, tuner)
        engine = VLLMEngine(
            _base_folder(module, scratch),
            vllm,
            max_tokens=data.max_tokens,
            max_rank=max((config.rank for config in configs), default=0),
            max_adapters=min(data.task_batch_size + 1, _MOST_ADAPTERS) if configs else 1,
        )
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return EngineSession(engine, trained, scratch / "adapters", scratch)


def _adapter_configs(module: LoRAModule, tuner: Tuner | None) -> list[LoRAConfig]:
    tuned = None if tuner is None else tuner.adapter_config(module)
    return [config for config in (module.lora, tuned) if config is not None]


def _base_folder(module: LoRAModule, scratch: Path) -> str:
    """Return what the engine loads: the saved model as the user named it, or one written from
    memory."""
    if module.lora is not None and not module.backbone.from_scratch:
        return model_folder(module.backbone.model)
    # No adapter has this name: the weights without any.
    with no_progress_bars():
        return str(merge_and_export(module.model, scratch / "model", name=""))
