#!/usr/bin/env bash
# PEFT 0.21.2: an adapter with init_lora_weights "pissa_niter_N" is another model after reloading.
#
# Guess before running: save_pretrained writes the trained matrices A and B, and
# PeftModel.from_pretrained puts them on the base model, so the logits come back as they were; with
# plain "pissa" they do.
# Seen: loading first repeats the initialisation, which subtracts the leading singular vectors of
# each weight from the base, and only then loads A and B. "pissa" repeats it exactly. "pissa_niter_N"
# uses a randomised SVD whose numbers are drawn from torch's global generator, so that what is
# subtracted is not what was subtracted before: the logits are far off, and nothing says so.
#
# Exits 0 if this behaviour is seen, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 transformers==5.19.0 peft==0.21.2 numpy==2.3.5
cd "$work"
cat > reload.py <<'PY'
import sys

import peft
import torch
from transformers import LlamaConfig, LlamaForCausalLM

config = LlamaConfig(
    vocab_size=64, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2,
)
torch.manual_seed(0)
LlamaForCausalLM(config).save_pretrained("base")
tokens = torch.arange(20)[None]
apart = {}
for init in ("pissa", "pissa_niter_4"):
    torch.manual_seed(1)
    model = peft.get_peft_model(
        LlamaForCausalLM.from_pretrained("base"),
        peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=init),
    ).eval()
    with torch.no_grad():
        before = model(tokens).logits
        model.save_pretrained(init)
        torch.manual_seed(2)
        again = peft.PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained("base"), init)
        apart[init] = float((again.eval()(tokens).logits - before).abs().max())
        scale = float(before.abs().max())
    print(f"{init}: logits up to {scale:.3f}, apart after reloading by {apart[init]:.6f}")
print("peft", peft.__version__)
sys.exit(0 if apart["pissa"] < 1e-4 and apart["pissa_niter_4"] > 1e-3 else 1)
PY
HF_HUB_OFFLINE=1 "$work/venv/bin/python" reload.py 2> /dev/null
