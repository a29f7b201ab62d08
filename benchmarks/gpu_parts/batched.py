"""Tasks tuned together: padded batched products against slice by slice, and one by one."""

from collections.abc import Iterator

import numpy as np
import torch
from lightning.pytorch import Trainer

from arcflow.core.grid import make_grid
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.engines.base import AdapterRef
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.tokenizer import load_tokenizer
from arcflow.ttft.tuner import Tuner
from gpu_parts.row import Place, Row, judged, measured, now
from gpu_parts.training import QWEN, SMALL, make_module, shape_name

TOGETHER = 16


def make_tasks(count: int, side: int) -> list[Task]:
    """Random tasks of different sizes, whose outputs are their inputs turned over."""
    tasks = []
    for number in range(count):
        generator = rng(0, "gpu-check", number)
        pairs = []
        for _ in range(4):
            shape = tuple(generator.integers(max(1, side // 2), side + 1, 2))
            cells = generator.integers(0, 10, shape, dtype=np.int8)
            pairs.append(Pair(make_grid(cells), make_grid(cells[:, ::-1])))
        tasks.append(Task(f"task{number}", tuple(pairs[:3]), tuple(pairs[3:]), "gpu-check"))
    return tasks


def tuner(steps: int, tokens: int, together: int, rank: int) -> Tuner:
    return Tuner(
        steps,
        tokens,
        lora=LoRAConfig(rank=rank, alpha=2.0 * rank),
        optimizer=OptimizerConfig(lr=1e-3, weight_decay=0.0),
        schedule=ScheduleConfig("linear"),
        tasks_together=together,
    )


def apart(left: list[AdapterRef], right: list[AdapterRef]) -> float:
    """The largest distance of two tasks' adapters, relative to their length."""
    found = 0.0
    for a, b in zip(left, right, strict=True):
        assert a.state is not None
        assert b.state is not None
        gap = sum(float((a.state[name] - b.state[name]).square().sum()) for name in a.state)
        size = sum(float(tensor.square().sum()) for tensor in a.state.values())
        found = max(found, (gap / size) ** 0.5)
    return found


def rows(place: Place) -> Iterator[Row]:
    """Equality in float32, and the speed of the shape of Qwen2.5-0.5B in bfloat16."""
    encoder = Encoder(load_tokenizer("characters"), TextConfig(loss="outputs"))
    yield from equality(place, encoder)
    yield from speed(place, encoder)


def equality(place: Place, encoder: Encoder) -> Iterator[Row]:
    """On this device together, against the CPU (slice by slice), and against one by one."""
    torch.backends.cuda.matmul.allow_tf32 = False
    count, steps = (3, 4) if place.small else (TOGETHER, 20)
    tasks = make_tasks(count, 5 if place.small else 8)
    sizes = SMALL if place.small else {}  # the quickstart's model
    found = {}
    for name, device, together in (
        ("together", place.device, count),
        ("alone", place.device, 1),
        ("slice by slice", "cpu", count),
    ):
        module = make_module(sizes, 112, None, 1e-3)
        module.configure_model()
        module.model.to(device)
        found[name] = tuner(steps, 300, together, 16).tune(module, encoder, tasks)
    for name in ("alone", "slice by slice"):
        other = "on the CPU" if name == "slice by slice" else "by PEFT's layers"
        distance = apart(found["together"], found[name])
        yield judged(
            f"{count} adapters tuned together and {name} {other}, {steps} steps in float32: "
            "relative distance",
            f"{distance:.1e}",
            "at most 0.01, rounding",
            distance < 1e-2,
        )


def speed(place: Place, encoder: Encoder) -> Iterator[Row]:
    """Milliseconds of one task's step, with k tasks in a pass."""
    count, steps = (2, 2) if place.small else (TOGETHER, 16)
    tasks = make_tasks(count, 5 if place.small else 12)
    sizes, tokens = (SMALL, 200) if place.small else (QWEN, 1024)
    vocabulary = 112 if place.small else 151_936
    cuda = place.device == "cuda"
    module = make_module(sizes, vocabulary, None, 1e-3, "bfloat16" if cuda else "float32")
    module.configure_model()
    module.model.to(place.device)
    if cuda:
        module.trainer = Trainer(precision="bf16-mixed", logger=False, enable_checkpointing=False)
    taken: dict[int, float] = {}
    for k in dict.fromkeys((1, min(4, count), count)):
        tuner(1, tokens, k, 16).tune(module, encoder, tasks[:k])  # kernels, allocator
        began = now(place.device)
        refs = tuner(steps, tokens, k, 16).tune(module, encoder, tasks)
        taken[k] = (now(place.device) - began) / count / steps
        assert not any(ref.diverged for ref in refs), "a tuned adapter is not finite"
    for k, seconds in taken.items():
        yield measured(
            f"tuning, {shape_name(place)}, rows of {tokens} tokens, k = {k}",
            f"{1e3 * seconds:.1f} ms a task's step, {60 / seconds / steps:.1f} tasks/min",
        )
    ratio = taken[1] / taken[count]
    yield measured(f"tuning, k = {count} to k = 1", f"ratio {ratio:.2f}")
