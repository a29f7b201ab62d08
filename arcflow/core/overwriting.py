"""Refusal of outputs that would replace what they are made from."""

import os
from collections.abc import Iterable
from pathlib import Path

from arcflow.core.errors import ConfigError


def refuse_overwriting(option: str, output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse an output that is an input too, by whatever name, or lies in a folder of inputs.

    Args:
        option: The option that names the output, for the error message.
        output: The file that is to be written.
        inputs: The files and folders that are read; a name that is no path is passed over.

    Raises:
        ConfigError: The output is one of the inputs, also through a symbolic or hard link, or is a
            file in a folder of inputs.
    """
    if not os.path.exists(output):
        return
    for given in inputs:
        path = Path(given).expanduser()
        if not given or not path.exists():
            continue
        files = (one for one in path.rglob("*") if one.is_file()) if path.is_dir() else (path,)
        for file in files:
            if os.path.samefile(file, output):
                same = "" if str(file) == str(output) else f" ({file})"
                raise ConfigError(
                    f"{option}: the output would replace an input{same}",
                    value=str(output),
                    expected="a file that is not read too",
                    next_step="Give the output another name.",
                )
