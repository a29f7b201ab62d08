"""A datamodule of your own: it says which tasks there are, ``ArcflowDataModule`` does the rest.

arcflow fit -c configs/quickstart.yaml --data custom_datamodule.MyData --data.root my_tasks
"""

# ruff: noqa: D102 - the methods are documented in the base class
import json
from pathlib import Path

from arcflow.core.task import Task, task_from_json
from arcflow.datamodules.base import ArcflowDataModule


class MyData(ArcflowDataModule):
    """Tasks from a folder of mine.

    Args:
        root: folder with train.json and val.json, each {id: task}.
    """

    def __init__(self, root: str, **kwargs):
        super().__init__(**kwargs)
        self.root = Path(root)

    def read(self, name: str) -> list[Task]:
        tasks = json.loads((self.root / name).read_text())
        return [task_from_json(key, task, source=name) for key, task in tasks.items()]

    def train_tasks(self):
        return self.read("train.json")

    def val_tasks(self):
        return self.read("val.json")
