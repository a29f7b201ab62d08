"""RE-ARC with no options, and which original a task of it varies."""

from arcflow.core.task import Task
from arcflow.sources.rearc.source import ReARC

SOURCE = ReARC()


def original_of(task: Task) -> str:
    return task.id.split("-")[2]
