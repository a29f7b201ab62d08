"""Tokens a second of a 135M model on the CPU, saved in bfloat16, by number type.

    python benchmarks/dtype.py [--isa AVX2]

Every case is a process of its own, in turns: a model with the sizes of SmolLM2-135M and random
weights, with LoRA, is trained on rows of ``--tokens`` tokens and then answers greedily. "auto" is
arcflow's default, "file" the type of the file. ``--isa AVX2`` hides what newer processors can do
from oneDNN and from torch's kernels, and shows "auto" a processor that lacks the instructions.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

SIZES = {
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}
CASES = {"auto": "auto", "file": "bfloat16", "float32": "float32"}


def measure(folder: str, dtype: str, tokens: int, steps: int) -> dict[str, object]:
    """One case, in this process: processor seconds of training and of answering."""
    import torch

    from arcflow.modules import number_type
    from arcflow.modules.backbone import BackboneConfig, load_backbone
    from arcflow.modules.lora.adapters import LoRAConfig, attach_adapter

    if "ONEDNN_MAX_CPU_ISA" in os.environ:
        number_type.cpu_computes = lambda dtype: False
    torch.set_num_threads(1)
    config = BackboneConfig(model=folder, dtype=dtype, attention="sdpa")
    model = load_backbone(config, SIZES["vocab_size"], device_type="cpu")
    attach_adapter(model, LoRAConfig(rank=16), seed=0)
    ids = torch.randint(0, 49_000, (1, tokens), generator=torch.Generator().manual_seed(0))
    taken = []
    for _ in range(steps + 1):
        begin = time.process_time()
        model(input_ids=ids, labels=ids).loss.backward()
        taken.append(time.process_time() - begin)
    model.eval()
    begin = time.process_time()
    with torch.no_grad():
        out = model.generate(
            ids[:, :64],
            max_new_tokens=tokens // 4,
            min_new_tokens=tokens // 4,
            do_sample=False,
            pad_token_id=0,
            use_cache=True,
        )
    wrote = (out.shape[1] - 64) / (time.process_time() - begin)
    # The first step also makes what the later ones use again.
    fit = tokens / statistics.median(taken[1:])
    return {"dtype": str(model.dtype), "fit_tokens_s": fit, "generate_tokens_s": wrote}


def save_model(folder: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    AutoModelForCausalLM.from_config(LlamaConfig(**SIZES), dtype=torch.bfloat16).save_pretrained(
        folder
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isa", default="", help="the most that oneDNN may use, e.g. AVX2")
    parser.add_argument("--tokens", type=int, default=64, help="tokens a row; default: 64")
    parser.add_argument("--steps", type=int, default=2, help="steps after the first; default: 2")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each; default: 2")
    parser.add_argument("--case", nargs=2, metavar=("FOLDER", "DTYPE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(*options.case, options.tokens, options.steps)))
        return
    environ = dict(os.environ)
    if options.isa:
        environ |= {"ONEDNN_MAX_CPU_ISA": options.isa, "ATEN_CPU_CAPABILITY": options.isa.lower()}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        save_model(folder)
        for _ in range(options.repeats):
            for name, dtype in CASES.items():
                words = [sys.executable, __file__, "--case", folder, dtype]
                words += ["--tokens", str(options.tokens), "--steps", str(options.steps)]
                done = subprocess.run(
                    words, env=environ, check=True, stdout=subprocess.PIPE, text=True
                )
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
    result: dict[str, object] = {"isa": options.isa or "all"}
    for what in ("fit_tokens_s", "generate_tokens_s"):
        rates = {name: statistics.median(run[what] for run in found[name]) for name in CASES}
        for name, rate in rates.items():
            print(f"{what:18} {name:8} {rate:8.1f}   to file: {rate / rates['file']:.2f}")
        result[what] = rates
    result["dtypes"] = {name: runs[0]["dtype"] for name, runs in found.items()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
