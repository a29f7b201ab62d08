"""The exact text that a model reads of a task, with what the loss scores."""

from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import ConfigError
from arcflow.core.shipped_configs import find_config
from arcflow.core.task import Task
from arcflow.core.yaml_text import prepare_yaml
from arcflow.text.context import fit_context
from arcflow.text.encode import IGNORED_LABEL, Encoder, TextConfig
from arcflow.text.tokenizer import CHARACTERS, load_tokenizer

_TINY = "tiny-qwen2"  # as in arcflow.modules.backbone, which imports torch


@dataclass(frozen=True)
class PromptSettings:
    """The settings that decide how a task is written.

    Attributes:
        tokenizer: The tokenizer's name or folder.
        text: How tasks become text.
        augment: How views differ.
        max_tokens: The longest prompt and answer together, in tokens.
        seed: The seed of the views.
    """

    tokenizer: str = CHARACTERS
    text: TextConfig = field(default_factory=TextConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    max_tokens: int = 4096
    seed: int = 0


@dataclass(frozen=True)
class MarkedPrompt:
    """A prompt with its answer.

    Attributes:
        pieces: The text in order, each piece with whether its tokens are scored.
        tokens: The number of tokens.
        scored: The number of tokens that the loss scores; 0 if the answer is hidden.
        pairs: The number of train pairs that fit.
    """

    pieces: tuple[tuple[str, bool], ...]
    tokens: int
    scored: int
    pairs: int


def read_settings(configs: Sequence[str], tokenizer: str = "") -> PromptSettings:
    """Return the settings of a run.

    Args:
        configs: Config files, names of shipped configs, or folders of runs, of which the options
            that were saved last are taken. Later ones override earlier ones.
        tokenizer: A tokenizer's name or folder in place of the run's.

    Raises:
        ConfigError: A config that does not exist or cannot be read, or an option that cannot work.
    """
    options: dict[str, Any] = {}
    for name in configs:
        _put_over(options, _read(name))
    model, data, asked = (_inside(options.get(group)) for group in ("model", "data", "pass_n"))
    backbone = _inside(model.get("backbone"))
    weights = str(backbone.get("model", _TINY))
    own = CHARACTERS if weights == _TINY or weights.endswith(".json") else weights
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(TextConfig, "text")
    parser.add_class_arguments(AugmentConfig, "augment")
    parser.add_argument("--max_tokens", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    given = {
        "text": data.get("text"),
        "max_tokens": data.get("max_tokens"),
        "augment": _inside(asked.get("answer")).get("augment"),
        "seed": options.get("seed_everything"),
    }
    try:
        parsed = parser.parse_object({k: v for k, v in given.items() if v is not None})
        made = parser.instantiate(parsed)
    except (ArgumentError, ValueError, TypeError) as error:
        raise ConfigError(
            f"--config: the options of the text cannot be read ({str(error).splitlines()[0]})",
            value=list(configs),
            expected="options that arcflow fit takes",
            next_step="Correct the config.",
        ) from error
    chosen = tokenizer or model.get("tokenizer") or own
    return PromptSettings(chosen, made.text, made.augment, made.max_tokens, made.seed)


def mark_prompt(settings: PromptSettings, task: Task, test_index: int = 0) -> MarkedPrompt:
    """Return the text of a task as the model reads it, token for token.

    Args:
        settings: How it is written.
        task: The task under a view; train pairs are left out until it fits.
        test_index: The test input that is asked about.

    Raises:
        ConfigError: Not even one train pair fits, or the tokenizer cannot work.
    """
    tokenizer = load_tokenizer(settings.tokenizer)
    encoder = Encoder(tokenizer, settings.text)
    known = task.test[test_index].output is not None
    room = None if known else 0
    fitted = fit_context(encoder, task, settings.max_tokens, test_index, answer_tokens=room)
    if fitted is None:
        raise ConfigError(
            "data.max_tokens is too small for the task with a single train pair",
            value=settings.max_tokens,
            expected="more tokens",
            next_step="Give a config with a larger data.max_tokens.",
        )
    if known:
        example = encoder.example(fitted, test_index)
        ids = example.input_ids.tolist()
        scored = (example.labels != IGNORED_LABEL).tolist()
    else:
        ids = encoder.prompt(fitted, test_index).tolist()
        scored = [False] * len(ids)
    ends = [i for i in range(1, len(ids)) if scored[i] != scored[i - 1]] + [len(ids)]
    pieces, before = [], ""
    for end in ends:
        # From the beginning each time: what a token says may depend on those before it.
        text = tokenizer.decode(ids[:end], skip_special_tokens=False)
        pieces.append((text[len(before) :], scored[end - 1]))
        before = text
    return MarkedPrompt(tuple(pieces), len(ids), sum(scored), len(fitted.train))


def _read(name: str) -> Mapping[str, Any]:
    """Return the options in a file, a shipped config, or a run's folder."""
    path = Path(name).expanduser()
    if path.is_dir():
        saved = sorted(path.glob("**/config.yaml"), key=lambda one: one.stat().st_mtime)
        found = saved[-1] if saved else None
    else:
        found = find_config(name)
    if found is None:
        raise ConfigError(
            "--config: no such config",
            value=name,
            expected="a YAML file, the name of a config that comes with arcflow, or the folder of "
            "a run",
            next_step="Check the path.",
        )
    try:
        content = yaml.safe_load(prepare_yaml(found.read_text("utf-8"), str(found)))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"--config: {found} cannot be read",
            value=str(error).splitlines()[0],
            expected="a config in YAML",
            next_step="Correct the file.",
        ) from error
    return content if isinstance(content, dict) else {}


def _inside(value: Any) -> dict[str, Any]:
    """Return the options of an object, whether or not they stand below ``init_args``."""
    if not isinstance(value, dict):
        return {}
    inner = value.get("init_args")
    return {**value, **inner} if isinstance(inner, dict) else value


def _put_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _put_over(below[key], value)
        else:
            below[key] = value
