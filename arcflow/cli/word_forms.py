"""Short forms of options that jsonargparse does not know, and what they stand for."""

import json
from collections.abc import Sequence
from typing import Any

from arcflow.cli.final_values import read_value

RUN_FOLDER = ""
"""The ``save_dir`` of a logger that is to write into the run's folder."""
_NEED_FOLDER = ("CSVLogger", "TensorBoardLogger")
"""Lightning's loggers that cannot be made without ``save_dir``."""
_LOGGER = "--trainer.logger"


def expand(words: Sequence[str]) -> list[str]:
    """Return the words with short forms written out.

    ``--test_time null`` stands for no test-time fine-tuning, and a logger that is named without a
    folder writes into the run's folder.

    Args:
        words: The options of a command.
    """
    found: list[str] = []
    i = 0
    while i < len(words):
        name, equals, value = words[i].partition("=")
        taken = [words[i]]
        if not equals and i + 1 < len(words) and name in ("--test_time", _LOGGER, f"{_LOGGER}+"):
            value = words[i + 1]
            taken.append(value)
        i += len(taken)
        if name == "--test_time" and value.strip().lower() in ("null", "none", "~"):
            taken = ["--test_time.steps=0"]
        elif name in (_LOGGER, f"{_LOGGER}+"):
            if _class_name(value) in _NEED_FOLDER:
                taken.append(f"{_LOGGER}.save_dir={RUN_FOLDER}")
            elif value.lstrip().startswith(("{", "[")):
                taken = [f"{name}={json.dumps(_with_folders(read_value(value)))}"]
        found += taken
    return found


def fill_loggers(content: Any) -> Any:
    """Return a config in which each logger has a folder that cannot be made without one.

    Args:
        content: What a config file says.
    """
    trainer = content.get("trainer") if isinstance(content, dict) else None
    if not isinstance(trainer, dict) or not isinstance(trainer.get("logger"), dict | list | str):
        return content
    return {**content, "trainer": {**trainer, "logger": _with_folders(trainer["logger"])}}


def _with_folders(loggers: Any) -> Any:
    return [_filled(one) for one in loggers] if isinstance(loggers, list) else _filled(loggers)


def _filled(logger: Any) -> Any:
    name = logger.get("class_path") if isinstance(logger, dict) else logger
    if not isinstance(name, str) or _class_name(name) not in _NEED_FOLDER:
        return logger
    given = logger.get("init_args") if isinstance(logger, dict) else None
    return {
        **(logger if isinstance(logger, dict) else {}),
        "class_path": name,
        "init_args": {"save_dir": RUN_FOLDER, **(given or {})},
    }


def _class_name(text: str) -> str:
    """Return the last part of a class's name; nothing for what is no name."""
    return text.rpartition(".")[2] if text.replace(".", "").replace("_", "").isalnum() else ""
