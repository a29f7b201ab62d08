"""load_model: a trained run or a language model, ready to be adapted and to answer."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from arcflow.callbacks.checkpoint import checkpoint_folder, find_checkpoint
from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.core.yaml_text import prepare_yaml
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.modules.backbone import TINY, BackboneConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.tokenizer import load_tokenizer
from arcflow.ttft.tuner import Tuner

_MAX_TOKENS = 4096
_VIEWS_FROM_SCRATCH = AugmentConfig(keep_colors=0.5, move_background=0.0)
_SCHEDULE = ScheduleConfig("linear", warmup_ratio=0.1)


@dataclass(frozen=True)
class Model:
    """A language model together with how it reads tasks.

    Attributes:
        module: the LightningModule that holds the weights.
        encoder: writes prompts and reads answers.
        max_tokens: longest prompt and answer together.
        tuning: options of `arcflow.fine_tune` where the caller gives none.
        answering: how `arcflow.answer` answers where the caller says nothing else.
    """

    module: LoRAModule
    encoder: Encoder
    max_tokens: int = _MAX_TOKENS
    tuning: dict[str, Any] = field(default_factory=dict)
    answering: AnswerConfig = field(default_factory=AnswerConfig)

    @property
    def pad_id(self) -> int:
        """The token id that fills batches up."""
        tokenizer = load_tokenizer(self.module.tokenizer_name)
        pad = tokenizer.pad_token_id
        return int(tokenizer.eos_token_id if pad is None else pad)


def load_model(
    source: str | Path | BackboneConfig = TINY,
    *,
    text: TextConfig | None = None,
    max_tokens: int | None = None,
    device: str | None = None,
    seed: int = 0,
) -> Model:
    """Load a trained run, or a language model that arcflow has not trained yet.

    Args:
        source: the folder of a run of ``arcflow fit``; or a language model, as
            `BackboneConfig` or by its name: "tiny-qwen2" (small, random weights), a folder
            saved by transformers, or a name on the Hugging Face hub.
        text: how tasks become text. None takes the run's own; for a language model, the
            tokenizer's chat template where there is one, else the compact form.
        max_tokens: longest prompt and answer together; None takes the run's, else 4096.
        device: where the model computes, for example "cpu"; None takes the GPU if there is one.
        seed: random weights are a function of it; a run keeps its own.

    Returns:
        The model, and the settings with which it is adapted and answers: those of the run, or
        defaults for a language model.

    Raises:
        CheckpointError: the run's folder holds no checkpoint, or no record of its options.
        ConfigError: there is no such model, or the text does not suit its tokenizer.
    """
    if isinstance(source, BackboneConfig):
        model = _backbone(source, text, seed)
    elif _is_run(Path(source).expanduser()):
        model = _run(Path(source).expanduser(), text)
    else:
        model = _backbone(BackboneConfig(str(source)), text, seed)
    if model.module.backbone.quantization == "none":
        model.module.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if max_tokens is None:
        return model
    return Model(model.module, model.encoder, max_tokens, model.tuning, model.answering)


def _is_run(path: Path) -> bool:
    return checkpoint_folder(path).is_dir() or (path / "logs").is_dir()


def _backbone(config: BackboneConfig, text: TextConfig | None, seed: int) -> Model:
    if config.from_scratch and "initializer_range" not in config.config:
        # Small steps from large first weights learn most from few tokens.
        config = BackboneConfig(
            **{**vars(config), "config": config.config | {"initializer_range": 0.06}}
        )
    module = LoRAModule(config, seed=seed)
    tokenizer = load_tokenizer(module.tokenizer_name)
    if text is None and getattr(tokenizer, "chat_template", None):
        text = TextConfig(format="chat")
    elif text is None and config.from_scratch:
        # The outputs of the examples are learned too: there is little else to learn from.
        text = TextConfig(loss="outputs")
    encoder = Encoder(tokenizer, text)  # refuses what cannot work before the model is loaded
    module.configure_model()
    if not config.from_scratch:
        optimizer = OptimizerConfig(lr=1e-4, weight_decay=0.0)
        tuning = {
            "steps": 64,
            "tokens_per_step": 8192,
            "optimizer": optimizer,
            "schedule": _SCHEDULE,
        }
        return Model(module, encoder, tuning=tuning)
    tuning = {
        "steps": 300,
        "tokens_per_step": 640,
        "mode": "all",  # an adapter cannot make sense of random weights
        "optimizer": OptimizerConfig(lr=2e-3, betas=(0.9, 0.95), weight_decay=0.1),
        "schedule": _SCHEDULE,
        "augment": _VIEWS_FROM_SCRATCH,
    }
    answering = AnswerConfig(augment=_VIEWS_FROM_SCRATCH)
    return Model(module, encoder, tuning=tuning, answering=answering)


def _run(folder: Path, text: TextConfig | None) -> Model:
    """Load the last checkpoint of a run, with the options that the run was last started with."""
    checkpoint = find_checkpoint(folder, "last")
    options = _options(folder)
    data = options.get("data", {}).get("init_args", {})
    model = options["model"]
    # The checkpoint holds all that was trained; what training itself started from may be gone.
    arguments = model.setdefault("init_args", {})
    arguments["start_from"] = str(checkpoint)
    seed = options.get("seed_everything")
    if isinstance(seed, int) and not isinstance(seed, bool):
        arguments.setdefault("seed", seed)  # linked options are not recorded
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LoRAModule, "model", required=True)
    parser.add_class_arguments(Tuner, "test_time")
    parser.add_argument("--text", type=TextConfig)
    parser.add_argument("--answer", type=AnswerConfig)
    try:
        found = parser.parse_object(
            {
                "model": model,
                "test_time": options.get("test_time", {}),
                "text": data.get("text", {}),
                "answer": options.get("pass_n", {}).get("answer", {}),
            }
        )
    except ArgumentError as error:
        raise ConfigError(
            f"{folder}: the run's options cannot be read ({error})",
            value=model.get("class_path"),
            expected="a run of a LoRAModule, or of a subclass of it, by this version of arcflow",
            next_step="Load it with the version that trained it.",
        ) from error
    found = parser.instantiate(found)
    module, tuner = found.model, found.test_time
    encoder = Encoder(load_tokenizer(module.tokenizer_name), text or found.text)
    module.configure_model()
    return Model(
        module,
        encoder,
        data.get("max_tokens", _MAX_TOKENS),
        tuner.options if tuner.steps > 0 else {},
        found.answer,
    )


def _options(folder: Path) -> dict[str, Any]:
    """Read the options that Lightning wrote when the run was last started."""
    written = sorted(folder.rglob("config.yaml"), key=lambda path: path.stat().st_mtime)
    text = prepare_yaml(written[-1].read_text("utf-8"), str(written[-1])) if written else ""
    options = yaml.safe_load(text)
    if not isinstance(options, dict) or "model" not in options:
        raise CheckpointError(
            f"{folder}: a run without a record of its options",
            value=str(written[-1]) if written else "no config.yaml",
            expected="config.yaml in the run's logs, as arcflow fit writes it",
            next_step="Give the folder of a run, the trainer.default_root_dir of arcflow fit.",
        )
    return options
