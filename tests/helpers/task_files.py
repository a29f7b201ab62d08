"""Writes files of small tasks."""

import json
from pathlib import Path
from typing import Any


def write(path: Path, obj: object) -> Path:
    path.write_text(json.dumps(obj), encoding="utf-8")
    return path


def toy(shift: int = 0, answers: bool = True) -> dict[str, Any]:
    test: dict[str, Any] = {"input": [[shift, 1]]}
    if answers:
        test["output"] = [[1, shift]]
    return {"train": [{"input": [[shift, 2, 3]], "output": [[3, 2, shift]]}], "test": [test]}
