"""Answer tokens a second: vLLM against transformers' ``generate``, same model, same prompts.

    python benchmarks/engines.py [--tasks N] [--views N] [--tokens N] [--layers N] [--hidden N]

Prompts are augmented views of ARC-AGI-1's evaluation tasks of at most 512 tokens, as characters;
answers are greedy and of a fixed length, by random weights. Once by the base model, once with an
adapter for each task. Three sides: transformers' own ``generate`` on padded batches, arcflow's
transformers engine (common beginnings once), and the vLLM engine with its adapters in one batch.
Every side runs twice and its second run counts: what is loaded and compiled once is not counted,
and vLLM's cache of prompts is of no use, because the second run has other views. On the CPU a
side's time is that of its process's processor.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from arcflow.core.augment_sampling import AugmentConfig, sample_augmentation
from arcflow.core.seeds import rng
from arcflow.engines.base import AdapterRef, Answers, Request, SamplingParams
from arcflow.engines.transformers import TransformersEngine
from arcflow.engines.vllm import VLLMConfig, VLLMEngine
from arcflow.modules.adapter_files import write_adapter
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    adapter_parameters,
    adapter_state,
    attach_adapter,
    set_active,
)
from arcflow.sources.arc import load_split
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.tokenizer import load_tokenizer

GPU = torch.cuda.is_available()
MAX_PROMPT = 512
Side = Callable[[Sequence[Request], SamplingParams], Answers]


def views(
    tasks: int, each: int, adapters: Sequence[AdapterRef | None], start: int
) -> list[Request]:
    """``each`` augmented prompts of each of ``tasks`` tasks."""
    encoder = Encoder(load_tokenizer("characters"), TextConfig())
    found: list[Request] = []
    short = [t for t in load_split("arc-agi-1/evaluation") if encoder.length(t) <= MAX_PROMPT]
    for number, task in enumerate(short[:tasks]):
        hidden = task.without_answers()
        for view in range(start, start + each):
            augmented = sample_augmentation(AugmentConfig(), hidden, rng(0, "views", number, view))
            prompt = encoder.prompt(augmented.apply(hidden))
            found.append(Request(tuple(prompt.tolist()), adapters[number]))
    return found


def plain_generate(model: Any, batch: int) -> Side:
    """transformers' own ``generate`` on batches padded on the left, longest prompts first."""

    def answer(requests: Sequence[Request], sampling: SamplingParams) -> Answers:
        order = sorted(range(len(requests)), key=lambda i: -len(requests[i].prompt_ids))
        answers: Answers = [[] for _ in requests]
        groups: dict[AdapterRef | None, list[int]] = {}
        for i in order:
            groups.setdefault(requests[i].adapter, []).append(i)
        for adapter, members in groups.items():
            set_active(model, None if adapter is None else str(adapter.id), trainable=False)
            for at in range(0, len(members), batch):
                rows = [requests[i].prompt_ids for i in members[at : at + batch]]
                longest = max(map(len, rows))
                ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows])
                mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
                with torch.no_grad():
                    model.generate(
                        input_ids=ids.to(model.device),
                        attention_mask=mask.to(model.device),
                        max_new_tokens=sampling.max_tokens,
                        do_sample=False,
                        use_cache=True,
                        pad_token_id=0,
                        eos_token_id=None,
                    )
        set_active(model, None)
        return answers

    return answer


def processor_seconds(pid: int) -> float:
    """Processor time of a process, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rate(
    side: Side, first: list[Request], second: list[Request], sampling: SamplingParams, pid: int
) -> tuple[float, Answers]:
    """Answer tokens a second of the second run, and its answers."""
    side(first, sampling)
    now = time.perf_counter if GPU else lambda: processor_seconds(pid)
    start = now()
    answers = side(second, sampling)
    return len(second) * sampling.max_tokens / (now() - start), answers


def agreement(ours: Answers, theirs: Answers) -> float:
    """Share of requests with the same answer."""
    same = [a[0].token_ids == b[0].token_ids for a, b in zip(ours, theirs, strict=True)]
    return sum(same) / len(same)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64, help="length of an answer")
    parser.add_argument("--batch", type=int, default=32, help="rows of a padded batch")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sizes = {
        "hidden_size": args.hidden,
        "intermediate_size": 3 * args.hidden,
        "num_hidden_layers": args.layers,
        "num_attention_heads": args.hidden // 32,
        "num_key_value_heads": max(1, args.hidden // 64),
    }
    sampling = SamplingParams(max_tokens=args.tokens)
    with tempfile.TemporaryDirectory() as root:
        model = load_backbone(
            BackboneConfig(config=sizes, attention="sdpa"), len(load_tokenizer("characters"))
        ).eval()
        model.save_pretrained(f"{root}/base")
        model.to("cuda" if GPU else "cpu")
        adapters: list[AdapterRef | None] = []
        lora = LoRAConfig(rank=16)
        for number in range(args.tasks):
            attach_adapter(model, lora, str(number), number)
            with torch.no_grad():
                for parameter in adapter_parameters(model, str(number)).values():
                    parameter.normal_(std=0.02)
            path = Path(f"{root}/adapter{number}")
            write_adapter(adapter_state(model, str(number)), path, lora, "base")
            adapters.append(AdapterRef(number, path=path))
        set_active(model, None)
        model.eval()

        @contextmanager
        def use_adapter(ref: AdapterRef | None) -> Iterator[None]:
            set_active(model, None if ref is None else str(ref.id), trainable=False)
            yield
            set_active(model, None)

        engine = VLLMEngine(
            f"{root}/base",
            VLLMConfig(threads=args.threads, kv_cache_gb=2.0, dtype="float32"),
            MAX_PROMPT + args.tokens,
            lora.rank,
            args.tasks,
        )
        ours = TransformersEngine(model, 0, use_adapter)
        sides: dict[str, Side] = {
            "transformers' generate": plain_generate(model, args.batch),
            "arcflow's transformers engine": ours.generate,
            "arcflow's vLLM engine": engine.generate,
        }
        none: list[AdapterRef | None] = [None] * args.tasks
        rates: dict[str, dict[str, float]] = {}
        try:
            engine.generate([Request((1,))], replace(sampling, max_tokens=1))  # it is running now
            for case, refs in (("base", none), ("an adapter a task", adapters)):
                first = views(args.tasks, args.views, refs, 0)
                second = views(args.tasks, args.views, refs, args.views)
                longest = max(len(r.prompt_ids) for r in second)
                print(f"{case}: {len(second)} prompts of up to {longest} tokens", flush=True)
                rates[case], found = {}, {}
                for name, side in sides.items():
                    pid = engine.pid if name.endswith("vLLM engine") else os.getpid()
                    rates[case][name], found[name] = rate(side, first, second, sampling, pid or 0)
                    print(f"  {name:<30}{rates[case][name]:>9,.0f} tokens/s", flush=True)
                same = agreement(found["arcflow's vLLM engine"], found[list(sides)[1]])
                print(f"  same answers of both engines: {same:.1%}")
        finally:
            engine.close()
    base = rates["an adapter a task"]
    value, against = base["arcflow's vLLM engine"], base["transformers' generate"]
    print(
        json.dumps(
            {
                "name": f"answers of {args.tasks} tasks with an adapter each, "
                f"{args.hidden} wide, {args.layers} layers",
                "value": round(value),
                "unit": "answer tokens/s",
                "against": "transformers' generate",
                "against_value": round(against),
                "ratio": round(value / against, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
