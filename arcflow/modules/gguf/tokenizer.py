"""The tokenizer in a GGUF file: its vocabulary, special tokens, chat template, and its splitting.

A GGUF file names the way its texts are split (``tokenizer.ggml.pre``) where a tokenizer.json spells
it out. transformers knows some of these names and splits all other texts as GPT-2's: a tokenizer
with such a name would give other tokens than the model was trained on.
"""

from pathlib import Path
from typing import Any

from arcflow.modules.gguf.header import GGUFHeader

_BYTE_LEVEL = "gpt2"
_AS_GPT2 = ("gpt-2",)
_SINGLE_DIGITS = (
    "codeshell",
    "command-r",
    "exaone",
    "minerva-7b",
    "refact",
    "smollm",
    "starcoder",
)
"""The names for: each digit alone, the rest as GPT-2's (llama.cpp, ``src/llama-vocab.cpp``)."""


def unknown_splitting(header: GGUFHeader) -> str:
    """Return the name of a file's splitting of texts if it is not known; "" if it is."""
    if header.metadata.get("tokenizer.ggml.model") != _BYTE_LEVEL:
        return ""  # the vocabulary alone says how texts are split
    name = str(header.metadata.get("tokenizer.ggml.pre", "default"))
    return "" if name in (*_AS_GPT2, *_SINGLE_DIGITS, *_known_to_transformers()) else name


def load_gguf_tokenizer(path: Path, header: GGUFHeader) -> Any:
    """Load the tokenizer of a GGUF file, with its chat template.

    Args:
        path: The file.
        header: Its header.

    Returns:
        A fast tokenizer of transformers.
    """
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    if header.metadata.get("tokenizer.ggml.pre") in _SINGLE_DIGITS:
        loaded.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    return loaded


def _known_to_transformers() -> tuple[str, ...]:
    try:
        from transformers.integrations.gguf import gguf_tokenizer_mapping as mapping
    except ImportError:  # of an older version
        return ()
    return tuple(getattr(mapping, "GGUF_PRE_TOKENIZER_SPLITS", ()))
