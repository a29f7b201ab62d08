#!/usr/bin/env bash
# transformers 5.19.0 with gguf 0.19.0: a Llama 3.1 read from a GGUF file loses its scaled rotation.
#
# Guess before running: llama.cpp's converter writes the scaling of Llama 3.1's rotary embeddings as
# a tensor of divisors, rope_freqs.weight; transformers knows rope_type "llama3", so it either makes
# the scaling of them again, or says that a tensor of the file was not used.
# Seen: neither. The config says rope_type "default", the report of the loading has no missing, no
# unexpected and no mismatched key, and the model computes other logits. Saved as safetensors it
# gives the same ones, and so does a GGUF file of a model without scaling.
#
# Exits 0 if this behaviour is seen, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 transformers==5.19.0 accelerate==1.15.0 gguf==0.19.0 numpy==2.3.5
cd "$work"
cat > rope.py <<'PY'
import sys

import gguf
import torch
import transformers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

HEADS, SIZE, THETA = 4, 64, 500_000.0
SCALED = {
    "rope_type": "llama3", "rope_theta": THETA, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
}
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "embed_tokens": "token_embd", "lm_head": "output",
    "norm": "output_norm",
}


def gguf_name(key):
    parts = key.removeprefix("model.").split(".")[:-1]
    if parts[0] == "layers":
        return f"blk.{parts[1]}.{NAMES['.'.join(parts[2:])]}.weight"
    return f"{NAMES['.'.join(parts)]}.weight"


def gguf_order(key, weight):
    """llama.cpp turns neighbouring rows of a head, transformers those of its two halves."""
    if "q_proj" not in key and "k_proj" not in key:
        return weight
    return weight.reshape(HEADS, 2, -1, SIZE).transpose(1, 2).reshape(weight.shape)


def write(path, model, divisors):
    writer = gguf.GGUFWriter(path, "llama")
    config = model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(SIZE)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(THETA)
    writer.add_rope_dimension_count(SIZE // HEADS)
    writer.add_vocab_size(config.vocab_size)
    for key, weight in model.state_dict().items():
        writer.add_tensor(gguf_name(key), gguf_order(key, weight).contiguous().numpy())
    if divisors is not None:
        writer.add_tensor("rope_freqs.weight", divisors.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def apart(a, b):
    with torch.no_grad():
        return float((a(tokens).logits - b(tokens).logits).abs().max())


torch.manual_seed(0)
tokens = torch.randint(0, 64, (1, 600))
seen = {}
for name, rope in {"plain": {"rope_type": "default", "rope_theta": THETA}, "scaled": SCALED}.items():
    config = LlamaConfig(
        vocab_size=64, hidden_size=SIZE, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=HEADS, num_key_value_heads=HEADS, max_position_embeddings=131072,
        initializer_range=0.2, rope_parameters=rope, tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).eval()
    divisors = None
    if name == "scaled":
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        plain = THETA ** (-torch.arange(0, SIZE // HEADS, 2).float() / (SIZE // HEADS))
        divisors = (plain / scaled).float()
    write(f"{name}.gguf", model, divisors)
    model.save_pretrained(name)
    read, report = AutoModelForCausalLM.from_pretrained(
        ".", gguf_file=f"{name}.gguf", output_loading_info=True, dtype=torch.float32
    )
    saved = LlamaForCausalLM.from_pretrained(name).eval()
    seen[name] = (apart(model, read.eval()), apart(model, saved), read.config.rope_parameters)
    keys = {k: sorted(v) for k, v in report.items() if v}
    print(f"{name}: rope_type {seen[name][2]['rope_type']}, logits apart by {seen[name][0]:.2e} "
          f"(safetensors {seen[name][1]:.2e}), keys reported: {keys}")
    seen[name] += (keys,)
print("transformers", transformers.__version__, "gguf 0.19.0")
plain, scaled = seen["plain"], seen["scaled"]
lost = plain[0] < 1e-3 and scaled[0] > 1e-2 and scaled[1] < 1e-3 and not scaled[3]
sys.exit(0 if lost and scaled[2]["rope_type"] == "default" else 1)
PY
HF_HUB_OFFLINE=1 "$work/venv/bin/python" rope.py 2> /dev/null
