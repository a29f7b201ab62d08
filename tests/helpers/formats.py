"""A few tasks, and how each file format writes them."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arcflow.core.task import Task
from arcflow.sources.arc import load_split

TASKS = load_split("arc-agi-1/training")[:6]
EVALUATED = load_split("arc-agi-1/evaluation")[:6]


def write(path: Path, obj: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(obj), encoding="utf-8")
    return path


def pairs_of(task: Task) -> list[dict[str, Any]]:
    of = task.to_json()
    return [*of["train"], *of["test"]]


def row(task: Task) -> dict[str, Any]:
    """As BARC has it."""
    couples = [[pair["input"], pair["output"]] for pair in pairs_of(task)]
    return {"source": "def main(grid):\n    return grid\n", "examples": couples, "seeds": []}


def lines(objects: list[Any]) -> str:
    return "".join(json.dumps(obj) + "\n" for obj in objects)


# How each format is written: the folder, the tasks -> what to name.


def write_file(folder: Path, tasks: list[Task]) -> Path:
    for task in tasks[1:]:
        write(folder / f"{task.id}.json", task.to_json())
    return write(folder / f"{tasks[0].id}.json", tasks[0].to_json()) if len(tasks) == 1 else folder


def write_nested(folder: Path, tasks: list[Task]) -> Path:
    for i, task in enumerate(tasks):
        write(folder / f"part{i % 2}" / f"{task.id}.json", task.to_json())
    return folder


def write_concepts(folder: Path, tasks: list[Task]) -> Path:
    for i, task in enumerate(tasks):
        concept = ("Copy", "Count")[i % 2]
        write(folder / concept / f"{concept}{i}.json", task.to_json())
    (folder / ".DS_Store").write_text("x")
    return folder


def write_mini_arc(folder: Path, tasks: list[Task]) -> Path:
    """Cells in quotes, untouched ones null, spaces and commas in the names."""
    for i, task in enumerate(tasks):
        text = json.dumps(task.to_json())
        for color in range(1, 10):
            text = text.replace(f"{color},", f'"{color}",').replace(f"{color}]", f'"{color}"]')
        text = text.replace("[0, 0,", "[null, null,")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"Fill the box, then_{i}_l6a.json").write_text(text)
    return folder


def write_map(folder: Path, tasks: list[Task]) -> Path:
    return write(folder / "mine.json", {task.id: task.to_json() for task in tasks})


def write_kaggle(folder: Path, tasks: list[Task]) -> Path:
    hidden = {task.id: task.without_answers().to_json() for task in tasks}
    solved = {task.id: [pair["output"] for pair in task.to_json()["test"]] for task in tasks}
    write(folder / "x_solutions.json", solved)
    return write(folder / "x_challenges.json", hidden)


def write_variations(folder: Path, tasks: list[Task]) -> Path:
    return write(folder / "mine.json", {task.id: [task.to_json()] * 2 for task in tasks})


def write_variation_files(folder: Path, tasks: list[Task]) -> Path:
    for task in tasks:
        write(folder / f"{task.id}.json", [task.to_json()])
    return folder


def write_dump(folder: Path, tasks: list[Task]) -> Path:
    for task in tasks:
        write(folder / f"{task.id}.json", pairs_of(task))
    return folder


def write_dump_file(folder: Path, tasks: list[Task]) -> Path:
    return write(folder / "dump.json", {task.id: pairs_of(task) for task in tasks})


def write_lines(folder: Path, tasks: list[Task]) -> Path:
    path = folder / "mine.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(lines([{"id": task.id} | task.to_json() for task in tasks]))
    return path


def write_barc(folder: Path, tasks: list[Task]) -> Path:
    path = folder / "barc.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(lines([row(task) for task in tasks]))
    return path


def packed(writer: Callable[[Path, list[Task]], Path]) -> Callable[[Path, list[Task]], Path]:
    def write_packed(folder: Path, tasks: list[Task]) -> Path:
        path = writer(folder, tasks)
        out = path.with_name(path.name + ".gz")
        out.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return out

    return write_packed


FORMATS: dict[str, Callable[[Path, list[Task]], Path]] = {
    "folder": write_nested,
    "ConceptARC": write_concepts,
    "Mini-ARC": write_mini_arc,
    "tasks": write_map,
    "Kaggle": write_kaggle,
    "variations": write_variations,
    "files of variations": write_variation_files,
    "dump": write_dump,
    "dump in a file": write_dump_file,
    "lines": write_lines,
    "BARC": write_barc,
    "packed tasks": packed(write_map),
    "packed lines": packed(write_barc),
}


def grids_of(tasks: list[Task]) -> set[tuple[bytes, bytes | None]]:
    return {
        (pair.input.tobytes(), None if pair.output is None else pair.output.tobytes())
        for task in tasks
        for pair in (*task.train, *task.test)
    }
