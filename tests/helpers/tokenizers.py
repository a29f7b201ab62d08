"""Small tokenizers that behave like those of well-known models; built in code, no download."""

import functools
from collections.abc import Sequence
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

# The split patterns are part of the models' published tokenizer files.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPLIT = QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('no system role here') }}{% endif %}"
    "{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %}"
    " {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)

_CORPUS = (
    "One rule turns each input grid into its output grid. Look at the examples, then answer.",
    "Puzzles are drawn on grids of cells; every digit names a colour, and rows end in a newline.",
    "Example 1\n\nInput:\n\n```grid\n0 1 2\n```\n\nOutput:\n\n```grid shape: 3x3\n```\n\n## Turn\n",
    "system user assistant the and of to in is that it for on with as this be are at by from",
)


def byte_level(
    split: str, special: Sequence[str], corpus: Sequence[str], *, trim: bool, size: int = 1000
) -> Tokenizer:
    """Byte-level BPE trained on a corpus."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=trim)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    return tokenizer


@functools.cache
def qwen_like() -> Any:
    """Byte-level BPE, one token a digit, ChatML; as Qwen2 and Qwen2.5."""
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level(QWEN2_SPLIT, special, _CORPUS, trim=False),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHATML,
    )


@functools.cache
def llama3_like() -> Any:
    """Byte-level BPE, up to three digits a token, offsets trimmed; as Llama 3."""
    digits = [" ".join(f"{i:03d}" for i in range(1000))] * 2
    special = ("<|begin|>", "<|end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    corpus = [*_CORPUS, *digits]
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level(LLAMA3_SPLIT, special, corpus, trim=True, size=2500),
        bos_token="<|begin|>",
        eos_token="<|eot_id|>",
        pad_token="<|end|>",
        chat_template=HEADERS,
    )


@functools.cache
def sentencepiece_like() -> Any:
    """BPE over characters with a space put before the text and byte fall-back; as Llama 2."""
    special = ["<unk>", "<s>", "</s>"]
    fallback = [f"<0x{i:02X}>" for i in range(256)]
    letters = sorted(
        {c for text in _CORPUS for c in text if c not in " \n"} | set("0123456789▁|IO")
    )
    merges = [("▁", c) for c in letters if c != "▁"] + [("i", "n")]
    tokens = [*special, *fallback, *letters, *dict.fromkeys("".join(m) for m in merges)]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={t: i for i, t in enumerate(tokens)},
            merges=merges,
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="always", split=False),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        chat_template=NO_SYSTEM,
    )


@functools.cache
def word_level(*, keeps_space: bool) -> Any:
    """One token a word; white space is a token of its own, or lost."""
    words = ["<unk>", "</s>", *"0123456789", *"IO \n"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    if keeps_space:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken("</s>", special=True, normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")
