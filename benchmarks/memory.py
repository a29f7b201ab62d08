"""Peak memory of one training step, by sample length and options.

    python benchmarks/memory.py [--model NAME] [--layers N] [--lengths 512 4096] [--limit_gb 8]

Every case runs in a process of its own: a model with the sizes of Qwen2.5 and random weights (or
a saved one), one step that makes the optimizer's state, then one step on a sample of that many
tokens, the last eighth of which is scored. On a GPU the peak is torch's; on the CPU it is the
process's resident memory less what the imports take, in float32.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
from pathlib import Path
from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    "Qwen2.5-0.5B": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
    "Qwen2.5-1.5B": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
    "Qwen2.5-7B": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
    },
}
VOCABULARY = 151_936
GB = 1e9

Case = dict[str, Any]
# Each row adds one option to an earlier one.
OPTIONS: dict[str, Case] = {
    "all weights, all logits": {"lora": False, "scored_only": False},
    "all weights": {"lora": False},
    "LoRA, all logits": {"scored_only": False},
    "LoRA": {},
    "LoRA, checkpointing": {"checkpointing": True},
    "LoRA, checkpointing, NF4": {"checkpointing": True, "quantization": "nf4"},
}


def save_model(shape: dict[str, Any], folder: str) -> None:
    """Random weights, saved as a downloaded model would be."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    config = Qwen2Config(**shape, vocab_size=VOCABULARY, max_position_embeddings=32_768)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)


def resident(field: str) -> int:
    """Bytes of ``VmRSS`` or ``VmHWM`` of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def measure(folder: str, length: int, case: Case, limit_gb: float, threads: int) -> Case:
    """Peak bytes of a step at ``length`` tokens; None where the limit was in the way."""
    import torch
    from torch import nn

    from arcflow.modules.backbone import BackboneConfig, load_backbone
    from arcflow.modules.lora.adapters import LoRAConfig, attach_adapter
    from arcflow.modules.loss.causal_lm import causal_loss
    from arcflow.modules.optim import OptimizerConfig, build_optimizer

    gpu = torch.cuda.is_available()
    start = 0 if gpu else resident("VmRSS")
    if not gpu:
        torch.set_num_threads(threads)
        limit = int(limit_gb * GB) + start
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    trains_all = not case.get("lora", True)
    try:
        model = load_backbone(
            BackboneConfig(
                model=folder,
                quantization=case.get("quantization", "none"),
                dtype="float32" if trains_all or not gpu else "bfloat16",
                gradient_checkpointing=case.get("checkpointing", False),
            ),
            VOCABULARY,
        )
        if not trains_all:
            attach_adapter(model, LoRAConfig())
        model = model.to("cuda") if gpu else model
        optimizer = build_optimizer(model, OptimizerConfig())

        def step(tokens: int) -> None:
            ids = torch.randint(0, VOCABULARY, (1, tokens), device=model.device)
            positions = torch.arange(tokens, device=model.device)[None]
            labels = ids.masked_fill(positions < tokens - tokens // 8, -100)
            batch = {"input_ids": ids, "labels": labels, "position_ids": positions}
            with torch.autocast("cuda", torch.bfloat16, enabled=gpu):
                if case.get("scored_only", True):
                    loss, _ = causal_loss(model, batch)
                else:
                    logits = model(ids, position_ids=positions, use_cache=False).logits
                    loss = nn.functional.cross_entropy(logits[0, :-1].float(), labels[0, 1:])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        step(64)
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # starts VmHWM anew
        step(length)
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        if isinstance(error, MemoryError) or "memory" in text or "alloc" in text:
            return {"bytes": None}
        raise
    if gpu:
        return {"bytes": torch.cuda.max_memory_allocated()}
    return {"bytes": resident("VmHWM") - start}


def _child(queue: Any, function: Any, arguments: tuple[Any, ...]) -> None:
    queue.put(function(*arguments))


def in_child(context: Any, function: Any, *arguments: Any) -> Any:
    """Call in a fresh process; ``{"bytes": None}`` where it died."""
    queue = context.SimpleQueue()
    child = context.Process(target=_child, args=(queue, function, arguments))
    child.start()
    child.join()
    if child.exitcode != 0:
        # A limit may also end it inside a library that does not raise.
        return {"bytes": None}
    return queue.get()


def longest(lengths: list[int], peaks: list[int | None], budget: float) -> int | None:
    """Tokens at which the line through the shortest and longest measured case meets the budget."""
    known = [(n, peak) for n, peak in zip(lengths, peaks, strict=True) if peak is not None]
    if len(known) < 2 or known[-1][1] <= known[0][1]:
        return None
    (short, low), (long, high) = known[0], known[-1]
    return max(0, int(short + (budget - low) * (long - short) / (high - low)))


def show(bytes_: int | None) -> str:
    return "   over" if bytes_ is None else f"{bytes_ / GB:7.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="Qwen2.5-0.5B", help="a shape, or a saved folder")
    parser.add_argument("--layers", type=int, default=0, help="0: 2 on the CPU, all on a GPU")
    parser.add_argument("--lengths", type=int, nargs="*", help="tokens; fewer on the CPU")
    parser.add_argument("--budget_gb", type=float, default=24.0, help="what has to be enough")
    parser.add_argument("--limit_gb", type=float, default=8.0, help="CPU cases stop above this")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["arcflow.modules.lora_module", "bitsandbytes"])
    gpu = in_child(context, has_gpu)
    lengths = args.lengths or ([512, 1024, 2048, 4096, 8192] if gpu else [512, 2048])
    with tempfile.TemporaryDirectory() as temporary:
        folder, name = args.model, args.model
        if args.model in SHAPES:
            shape = dict(SHAPES[args.model])
            shape["num_hidden_layers"] = args.layers or (shape["num_hidden_layers"] if gpu else 2)
            folder = temporary
            name = f"{args.model}'s shape, {shape['num_hidden_layers']} layers"
            in_child(context, save_model, shape, folder)
        where = "GPU" if gpu else "CPU, float32"
        print(f"peak GB of one step, {name}, {where}; tokens in one sample:")
        print(" " * 26 + "".join(f"{length:>8,}" for length in lengths), flush=True)
        peaks: dict[str, list[int | None]] = {}
        for label, case in OPTIONS.items():
            print(f"{label:<26}", end="", flush=True)
            peaks[label] = []
            for length in lengths:
                result = in_child(
                    context, measure, folder, length, case, args.limit_gb, args.threads
                )
                peaks[label].append(result["bytes"])
                print(" " + show(result["bytes"]), end="", flush=True)
            print()
    first, last = peaks["all weights, all logits"], peaks["LoRA, checkpointing, NF4"]
    both = [i for i, (a, b) in enumerate(zip(first, last, strict=True)) if a and b]
    at = both[-1]
    print(f"longest sample in {args.budget_gb:g} GB, by the line through two measured lengths:")
    for label, row in peaks.items():
        tokens = longest(lengths, row, args.budget_gb * GB)
        print(f"{label:<26}{tokens:>8,}" if tokens else f"{label:<26}       ?")
    value, against = (last[at] or 0) / GB, (first[at] or 0) / GB
    print(
        json.dumps(
            {
                "name": f"memory of a {lengths[at]}-token sample, {name}, NF4 LoRA, "
                "checkpointing, scored logits",
                "value": round(value, 3),
                "unit": "GB",
                "against": "all weights, all logits",
                "against_value": round(against, 3),
                "ratio": round(against / value, 2),
            }
        )
    )


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    main()
