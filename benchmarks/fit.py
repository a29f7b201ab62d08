"""Useful tokens a second of a training step: arcflow's fit against TRL's SFTTrainer.

    pip install "arcflow[bench]"
    python benchmarks/fit.py [--tokens N] [--rounds N] [--threads N] [--only characters]

Both train all weights of the same model on the same samples (ARC-AGI-1's training tasks as
characters, augmented, loss on the answer alone) with as many tokens a batch; padding does not
count. arcflow prepares its samples as it goes, TRL's are prepared beforehand. TRL is run with
best-fit packing, with padded batches of similar lengths, and with one sample at a time and
gradients accumulated (no padding, no mask); its best figure counts, and each figure is the best
of the rounds. Once with the character vocabulary, once
with one of 151,936 entries as Qwen's. On a GPU in bfloat16, with the sizes of Qwen2.5-0.5B.
Without TRL, arcflow's rate of arithmetic is set against that of a plain matrix product.
"""

import argparse
import json
import logging
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.datamodules.streams.resumable_loader import TrainLoader
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from arcflow.sources.arc import load_split
from arcflow.sources.base import TaskList
from arcflow.text.encode import Encoder, Example
from arcflow.text.pack import Packer
from arcflow.text.tokenizer import load_tokenizer

QWEN_VOCABULARY = 151_936
GPU = torch.cuda.is_available()
LARGE = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
}
BACKBONE = BackboneConfig(config=LARGE if GPU else {})
LR = 1e-3


@dataclass
class Clock:
    """Of one run: its first step's start, its last step's end, its tokens without padding."""

    start: float = 0.0
    end: float = 0.0
    tokens: int = 0

    def count(self, batch: Any) -> None:
        """Call before each step."""
        self.start = self.start or now()
        mask = batch.get("attention_mask")
        self.tokens += batch["input_ids"].numel() if mask is None else int(mask.sum())

    def rate(self) -> float:
        return self.tokens / (self.end - self.start)


def now() -> float:
    """Seconds: of one thread on the CPU its own time, which other programs do not lengthen."""
    if GPU:
        torch.cuda.synchronize()
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


class Watch(Callback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        self.clock.count(batch)

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self.clock.end = now()


def run_arcflow(loader: TrainLoader, vocabulary: int, steps: int) -> tuple[Clock, LoRAModule]:
    module = LoRAModule(
        BACKBONE,
        optimizer=OptimizerConfig(lr=LR, weight_decay=0.0),
        schedule=ScheduleConfig("constant"),
        vocab_size=vocabulary,
    )
    clock = Clock()
    trainer = Trainer(
        max_steps=steps,
        precision="bf16-mixed" if GPU else "32-true",
        callbacks=[Watch(clock)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    return clock, module


def run_trl(
    examples: list[Example], vocabulary: int, tokens: int, tokenizer: Any, batching: str
) -> Clock:
    """One pass of SFTTrainer over the samples that arcflow's batches hold."""
    import datasets
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    datasets.disable_progress_bars()
    clock = Clock()

    class Timed(SFTTrainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: Any, *args: Any) -> Any:
            clock.count(inputs)
            return super().training_step(model, inputs, *args)

    class End(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            clock.end = now()

    several = max(1, round(tokens * len(examples) / sum(len(e.input_ids) for e in examples)))
    batches: dict[str, Any] = {
        "best-fit packing": {"packing": True, "per_device_train_batch_size": 1},
        "similar lengths, padded": {
            "per_device_train_batch_size": several,
            "train_sampling_strategy": "group_by_length",
        },
        "one by one, accumulated": {
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": several,
        },
    }
    table = datasets.table.InMemoryTable.from_pydict(
        {
            "input_ids": [e.input_ids.tolist() for e in examples],
            "labels": [e.labels.tolist() for e in examples],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        options = SFTConfig(
            folder,
            max_length=tokens,
            num_train_epochs=1,
            learning_rate=LR,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=0.0,
            optim="adamw_torch_fused",
            gradient_checkpointing=False,
            bf16=GPU,
            use_cpu=not GPU,
            dataloader_pin_memory=GPU,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=0,
            **batches[batching],
        )
        trainer = Timed(
            model=load_backbone(replace(BACKBONE, attention="sdpa"), vocabulary),
            args=options,
            # A name of its own spares the hash of the table, which fails with some pyarrows.
            train_dataset=datasets.Dataset(table, fingerprint=uuid.uuid4().hex),
            processing_class=tokenizer,
            callbacks=[End()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return clock


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


def operations(module: LoRAModule, examples: list[Example]) -> float:
    """Of the products that the samples' loss needs: 6 a weight and token, and half of each
    sample's square for the scores and the values; in the last layer's feed-forward part, its
    attention's queries and the head, scored tokens alone."""
    config = module.model.config
    layers = module.model.base_model.layers
    tokens = sum(len(e.input_ids) for e in examples)
    scored = sum(int((e.labels != -100).sum()) for e in examples)
    last = sum(p.numel() for p in layers[-1].mlp.parameters())
    inner = sum(p.numel() for p in layers.parameters()) - last
    head = config.vocab_size * config.hidden_size
    pairs = 0.0
    for e in examples:
        n, m = len(e.input_ids), int((e.labels != -100).sum())
        pairs += (len(layers) - 1) * n * n / 2 + m * n - m * m / 2
    return 6 * (inner * tokens + (last + head) * scored) + 12 * config.hidden_size * pairs


def case(name: str, vocabulary: int, tokens: int, steps: int, rounds: int) -> Any:
    """Measure one vocabulary; prints what is found."""
    tokenizer = load_tokenizer("characters")
    tasks, longest = load_split("arc-agi-1/training"), min(tokens, 4096)
    stream = TaskStream(TaskList(tasks), Encoder(tokenizer), AugmentConfig(), 0, longest)
    made: dict[int, Example] = {}

    def length(index: int) -> int:
        example = stream.sample(index)
        if example is None:
            return 0
        made[index] = example
        return len(example.input_ids)

    packer = Packer(length, tokens)
    examples = [made[i] for row in (packer.row() for _ in range(steps)) for i in row]
    runs: dict[str, Callable[[], float]] = {}
    if find_spec("trl") is not None:
        for batching in (
            "best-fit packing",
            "similar lengths, padded",
            "one by one, accumulated",
        ):
            runs[f"TRL, {batching}"] = lambda batching=batching: run_trl(
                examples, vocabulary, tokens, tokenizer, batching
            ).rate()
    ours: list[LoRAModule] = []

    def arcflow() -> float:
        clock, module = run_arcflow(TrainLoader(stream, tokens), vocabulary, steps)
        ours[:] = [module]
        return clock.rate()

    runs["arcflow"] = arcflow
    best = dict.fromkeys(runs, 0.0)
    for _ in range(rounds):
        for label, run in runs.items():
            best[label] = max(best[label], run())
    total = sum(len(e.input_ids) for e in examples)
    work = operations(ours[0], examples) / total * best["arcflow"]
    peak = matrix_rate()
    print(f"{name}: vocabulary of {vocabulary}, {tokens} tokens a batch")
    for label, value in best.items():
        print(f"  {label:30} {value:10,.0f} useful tokens/s")
    print(f"  {'share of the matrix rate':30} {work / peak:10.1%} of {peak / 1e9:,.0f} GFLOP/s")
    found = {"name": f"fit, {name}", "value": round(best.pop("arcflow"), 1)}
    if best:
        against = max(best, key=best.__getitem__)
        found |= {"unit": "useful tokens/s", "against": against, "against_value": best[against]}
    else:
        found |= {"value": work / 1e9, "unit": "GFLOP/s", "against": "square matrix product"}
        found["against_value"] = peak / 1e9
    found["against_value"] = round(found["against_value"], 1)
    return found | {"ratio": round(found["value"] / found["against_value"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    default = 32_768 if GPU else 4096
    parser.add_argument("--tokens", type=int, default=default, help="tokens a batch")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, alternating")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="of torch on the CPU: one, in seconds of processor time, or more, by the clock",
    )
    parser.add_argument("--only", choices=["characters", "qwen"], help="one vocabulary alone")
    options = parser.parse_args()
    if not GPU:
        torch.set_num_threads(options.threads)
    for name in ("lightning.pytorch", "transformers", "trl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    seed_everything(0, verbose=False)
    found = []
    if options.only != "qwen":
        characters = len(load_tokenizer("characters"))
        found.append(case("characters", characters, options.tokens, 4, options.rounds))
    if options.only != "characters":
        # On the CPU a step of TRL takes the better part of a minute with these: one, and small.
        sizes = (options.tokens, 6, options.rounds) if GPU else (options.tokens // 2, 1, 1)
        found.append(case("qwen", QWEN_VOCABULARY, *sizes))
    # The other vocabulary's figures travel with the first's.
    print(json.dumps(found[0] | ({"also": found[1]} if len(found) > 1 else {})))


if __name__ == "__main__":
    main()
