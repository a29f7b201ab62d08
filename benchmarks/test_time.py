"""Tuned tasks a minute: k adapters in one forward pass against one by one.

    python benchmarks/test_time.py [--steps N] [--rounds N] [--layers N] [--model qwen]

The same tasks, samples and steps for every k, in turns within one run; each figure is the best of
its rounds. ``k = 1`` is what ``test_time.tasks_together: 1`` does, PEFT's layers; "1, joint path"
is a group of one task on the path of the others, which shows what the hand-written layers gain
and what the grouping. Real ARC tasks whose samples have at most 300 tokens as characters.
- embedded: the quickstart's model and recipe (rank 32), rows of a single sample, and rows filled
  with samples up to 300 tokens.
- qwen: random weights of Qwen2.5-0.5B's shape and vocabulary, rank 16. On the CPU with --layers of
  its 24 layers and rows as above; on a GPU all of them, rows of up to 1,024 tokens, in bfloat16,
  with the share of the card's measured rate of arithmetic.
"""

import argparse
import json
import logging
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Trainer

from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.task import Task
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from arcflow.sources.arc import load_split
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.tokenizer import load_tokenizer
from arcflow.ttft.leave_one_out import LeaveOneOut

GPU = torch.cuda.is_available()
QWEN_VOCABULARY = 151_936
QWEN: dict[str, Any] = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
}
LONGEST = 300
TASKS = 16
TOGETHER = ("1", "1, joint path", "4", "16")
"""Ways to tune: how many tasks share a pass."""


@dataclass
class Case:
    """One model and row length.

    Attributes:
        name: for the table.
        backbone: the model.
        vocabulary: its number of token ids.
        lora: the adapters.
        tokens: of a step's row.
        steps: a task.
    """

    name: str
    backbone: BackboneConfig
    vocabulary: int
    lora: LoRAConfig
    tokens: int
    steps: int
    seconds: dict[str, float] = field(default_factory=dict)


def now() -> float:
    """Seconds: of one thread on the CPU its own time, which other programs do not lengthen."""
    if GPU:
        torch.cuda.synchronize()
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def small_tasks(encoder: Encoder) -> list[Task]:
    """The first tasks of ARC-AGI-1's training set that are short and have pairs to leave out."""
    found = []
    for task in load_split("arc-agi-1/training"):
        lengths = [encoder.length(task, i) for i in range(len(task.test))]
        if len(task.train) > 1 and max(lengths) <= LONGEST:
            found.append(task.without_answers())
    return found[:TASKS]


def make_module(case: Case) -> LoRAModule:
    module = LoRAModule(case.backbone, None, vocab_size=case.vocabulary)
    module.configure_model()
    if GPU:
        module.model.to("cuda")
        module.trainer = Trainer(precision="bf16-mixed", logger=False, enable_checkpointing=False)
    return module


def tune(case: Case, way: str, steps: int, module: Any, encoder: Encoder, tasks: Any) -> None:
    """Tune the tasks in one of the ways of :data:`TOGETHER`."""
    if way == "1, joint path":
        callback = tuner(case, 2, steps)
        for task in tasks:  # a group of one, since there is no second task
            callback.tune(module, encoder, [task])
        return
    tuner(case, int(way), steps).tune(module, encoder, tasks)


def tuner(case: Case, together: int, steps: int) -> TestTimeFineTuning:
    """The quickstart's recipe."""
    return TestTimeFineTuning(
        steps,
        case.tokens,
        lora=case.lora,
        optimizer=OptimizerConfig(lr=3e-3, betas=(0.9, 0.95), weight_decay=0.0),
        schedule=ScheduleConfig("linear"),
        augment=AugmentConfig(keep_colors=0.5, move_background=0.0),
        tasks_together=together,
    )


def measure(case: Case, encoder: Encoder, tasks: list[Task], rounds: int) -> None:
    module = make_module(case)
    for k in TOGETHER:
        # Kernels, allocator, imports.
        tune(case, k, 1, module, encoder, tasks[: int(k.partition(",")[0])])
    for _ in range(rounds):
        for k in TOGETHER:
            start = now()
            tune(case, k, case.steps, module, encoder, tasks)
            took = now() - start
            case.seconds[k] = min(took, case.seconds.get(k, took))
    report(case, module, encoder, tasks)


def report(case: Case, module: LoRAModule, encoder: Encoder, tasks: list[Task]) -> None:
    callback = tuner(case, 1, case.steps)
    tokens, work = 0, 0.0
    for job in callback.jobs(tasks):
        stream = LeaveOneOut(encoder, callback.augment, callback.leave_out, None, callback.seed)
        for _, row in job.rows(stream, callback.recipe):
            lengths = [len(example.input_ids) for example in row]
            scored = sum(int((example.labels != -100).sum()) for example in row)
            tokens += sum(lengths)
            work += operations(module, case.lora.rank, lengths, scored)
    peak = matrix_rate()
    layers = module.model.config.num_hidden_layers
    print(
        f"{case.name}: {layers} layers, vocabulary of {case.vocabulary}, rank {case.lora.rank}, "
        f"{len(tasks)} tasks of {case.steps} steps, {tokens / len(tasks) / case.steps:.0f} "
        "tokens a step"
    )
    for k, seconds in case.seconds.items():
        print(
            f"  k = {k:13} {60 * len(tasks) / seconds:10.2f} tasks/min {tokens / seconds:10,.0f} "
            f"tokens/s {1e3 * seconds / len(tasks) / case.steps:8.1f} ms a task's step "
            f"{work / seconds / peak:6.1%} of {peak / 1e9:,.0f} GFLOP/s"
        )


def operations(module: LoRAModule, rank: int, lengths: list[int], scored: int) -> float:
    """Floating-point operations of the products of one row's step.

    4 a weight and token of the base (forward, and the gradient of its input), 6 of the adapter;
    the last layer's feed-forward part and the head on scored tokens alone; attention's two
    products thrice, over half of each sample's square.
    """
    config = module.model.config
    head_width = config.hidden_size // config.num_attention_heads
    q, kv = config.hidden_size, config.num_key_value_heads * head_width
    hidden, inner = config.hidden_size, config.intermediate_size
    attention = [(hidden, q), (hidden, kv), (hidden, kv), (q, hidden)]
    feed = [(hidden, inner), (hidden, inner), (inner, hidden)]

    def products(sizes: list[tuple[int, int]]) -> int:
        return sum(4 * a * b + 6 * rank * (a + b) for a, b in sizes)

    layers, tokens = config.num_hidden_layers, sum(lengths)
    total = float(layers * products(attention) * tokens)
    total += products(feed) * ((layers - 1) * tokens + scored)
    total += 4 * config.vocab_size * hidden * scored
    return total + layers * sum(12 * hidden * n * n / 2 for n in lengths)


def matrix_rate() -> float:
    """Floating-point operations a second of square products in the training's number type."""
    n = 8192 if GPU else 1536
    kind = torch.bfloat16 if GPU else torch.float32
    a = torch.randn(n, n, device="cuda" if GPU else "cpu", dtype=kind)
    best = 0.0
    for _ in range(6):
        start = now()
        _ = a @ a
        best = max(best, 2 * n**3 / (now() - start))
    return best


def result(case: Case) -> dict[str, Any]:
    rates = {k: 60 * TASKS / seconds for k, seconds in case.seconds.items()}
    return {
        "name": f"test_time, {case.name}, k = 16",
        "value": round(rates["16"], 2),
        "unit": "tuned tasks/min",
        "against": "k = 1",
        "against_value": round(rates["1"], 2),
        "ratio": round(rates["16"] / rates["1"], 2),
        "ratio_to_joint_path": round(rates["16"] / rates["1, joint path"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10, help="a task, of the embedded model")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each k, alternating")
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    parser.add_argument(
        "--layers", type=int, default=24 if GPU else 1, help="of the 24 of Qwen2.5-0.5B's shape"
    )
    parser.add_argument(
        "--model",
        choices=["embedded", "qwen", "both"],
        default="both" if GPU else "embedded",
        help="which of them; on a CPU qwen alone takes minutes",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in ("lightning.pytorch", "transformers", "bitsandbytes"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    encoder = Encoder(load_tokenizer("characters"), TextConfig(loss="outputs"))
    tasks = small_tasks(encoder)
    dtype: Any = "bfloat16" if GPU else "float32"
    small = BackboneConfig(config={"initializer_range": 0.06})
    large = BackboneConfig(config=QWEN | {"num_hidden_layers": options.layers}, dtype=dtype)
    rank = LoRAConfig(rank=32, alpha=64.0)
    cases = [
        Case("embedded model, a sample a step", small, 112, rank, 1, options.steps),
        Case("embedded model, filled rows", small, 112, rank, LONGEST, options.steps),
        Case(
            "Qwen2.5-0.5B's shape",
            large,
            QWEN_VOCABULARY,
            LoRAConfig(rank=16),
            1024 if GPU else LONGEST,
            16 if GPU else 1,
        ),
    ]
    if options.model != "both":
        cases = cases[:2] if options.model == "embedded" else cases[2:]
    for case in cases:
        rounds = options.rounds if GPU or case.backbone is small else 1
        measure(case, encoder, tasks, rounds)
    # The other cases' figures travel with the first's.
    first, *others = map(result, cases)
    print(json.dumps(first | ({"also": others} if others else {})))


if __name__ == "__main__":
    main()
