"""Values that a run would refuse after ten seconds of imports, refused at once.

What is checked here is checked again where it is used; what cannot be told here is left to that.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arcflow.cli.class_names import check_class, check_logger_package
from arcflow.cli.final_values import class_names
from arcflow.cli.option_index import read_index
from arcflow.core.errors import CheckpointError, ConfigError, located
from arcflow.text.model_name import gguf_file
from arcflow.tools.run import did_you_mean

_ENGINES = ("transformers", "vllm")
_ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
_PARTS = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("predict",),
    "generate": (),
}
"""The parts of the data that a command reads."""


def check_values(command: str, values: Mapping[str, Any]) -> None:
    """Check the values of options that need no model to be refused.

    Args:
        command: ``"fit"``, ``"validate"``, ``"test"``, ``"predict"`` or ``"generate"``.
        values: The last value of each option, from :func:`~arcflow.cli.final_values.final_values`.

    Raises:
        ConfigError: If a class, an engine, a file, a folder or a number cannot be used.
        CheckpointError: If an adapter, or the weights to start from, are not there.
        DataError: If a selection of tasks names neither a published set nor a file.
    """
    for option in ("model", "data", "trainer.logger", "trainer.callbacks"):
        for name in class_names(values.get(option)):
            check_class(option, name)
    for name in class_names(values.get("trainer.logger")):
        check_logger_package(name)
    _check_seed(values.get("seed_everything"))
    _check_name("pass_n.engine", "engine", values.get("pass_n.engine"), _ENGINES)
    accelerator = values.get("trainer.accelerator")
    _check_name("trainer.accelerator", "accelerator", accelerator, _ACCELERATORS)
    _check_times(values)
    _check_folders(values)
    for option in ("model.backbone.model", "model.tokenizer"):
        model = values.get(option)
        if isinstance(model, str):
            gguf_file(model)
    if command == "fit" and "model" in values:
        _check_model_files(values)
    known = {path.rpartition(".")[2] for path in read_index()["classes"]}
    data = values.get("data")
    if data is None or str(data).rpartition(".")[2] in known:
        _check_tasks(command, values)


def check_folder(root: str, option: str = "trainer.default_root_dir") -> None:
    """Check that a folder can be made and written to, without making it.

    Args:
        root: The folder.
        option: The option that names it.

    Raises:
        ConfigError: If it, or what lies above it, is a file or not writable.
    """
    path = Path(os.path.abspath(root))
    above = next(one for one in (path, *path.parents) if os.path.lexists(one))
    why = None
    if not above.is_dir():
        why = "not a folder" if above == path else "Not a directory"
    elif not os.access(above, os.W_OK | os.X_OK):
        why = "not writable" if above == path else "Permission denied"
    if why is not None:
        run = "the run's folder" if option == "trainer.default_root_dir" else "the folder"
        raise ConfigError(
            f"{option}: {run} cannot be used ({why})",
            value=root,
            expected="a folder that can be made and written to",
            next_step=f"Choose another --{option}.",
        )


def _check_seed(seed: Any) -> None:
    if isinstance(seed, int) and not isinstance(seed, bool) and not 0 <= seed < 2**32:
        raise ConfigError(
            "seed_everything is out of range",
            value=seed,
            expected="0 to 4294967295",
            next_step="Correct --seed_everything.",
        )


def _check_name(option: str, what: str, name: object, known: tuple[str, ...]) -> None:
    """Refuse a name that is none of those known; a class path has a dot and is left alone."""
    if isinstance(name, str) and "." not in name and name not in known:
        raise ConfigError(
            f"{option}: no such {what}",
            value=name,
            expected=f"one of {', '.join(known)}, or a class path",
            next_step=f"{did_you_mean(name, known)}Correct --{option}.",
        )


def _check_times(values: Mapping[str, Any]) -> None:
    from arcflow.evaluation.time_budget import read_deadline

    deadline, each = values.get("pass_n.deadline"), values.get("pass_n.task_seconds")
    if isinstance(deadline, str):
        read_deadline(deadline)
    if isinstance(each, int | float) and each < 0:
        raise ConfigError(
            "pass_n.task_seconds is below zero",
            value=each,
            expected="seconds, or 0 for no limit",
            next_step="Correct --pass_n.task_seconds.",
        )


def _check_folders(values: Mapping[str, Any]) -> None:
    saved = values.get("trainer.logger.save_dir")
    if isinstance(saved, str) and saved and "://" not in saved:
        check_folder(saved, "trainer.logger.save_dir")


def _check_model_files(values: Mapping[str, Any]) -> None:
    start, adapter = values.get("model.start_from"), values.get("model.adapter")
    if isinstance(start, str) and not Path(start).expanduser().exists():
        raise CheckpointError(
            "model.start_from: nothing there",
            value=start,
            expected="a checkpoint of arcflow fit, or a folder that it exported (adapter or model)",
            next_step="Correct --model.start_from; paths start at the working directory.",
        )
    if isinstance(adapter, str) and not Path(adapter).is_dir():
        raise CheckpointError(
            f"adapter {adapter}: not an adapter folder",
            value="no adapter_config.json",
            expected="adapter_config.json and adapter_model.safetensors, as PEFT writes them",
            next_step="Check model.adapter.",
        )


def _check_tasks(command: str, values: Mapping[str, Any]) -> None:
    """Let the selection itself refuse a name that is neither a published set nor a file."""
    from arcflow.sources.arc import SPLITS

    for part in _PARTS[command]:
        tasks = values.get(f"data.{part}.tasks", values.get(f"data.{part}"))
        if not isinstance(tasks, str) or tasks in SPLITS or Path(tasks).expanduser().exists():
            continue
        if "," not in tasks and "+" not in tasks:
            from arcflow.sources.select import TaskSelection, load_tasks

            with located(f"data.{part}"):
                load_tasks(TaskSelection(tasks))
