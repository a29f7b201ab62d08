"""GGUF files of small models, written as llama.cpp's converter writes them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests.helpers.tokenizers import qwen_like

LAYERS, HEADS, KEY_HEADS = 2, 4, 2

_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "max_position_embeddings": 32_768,
    "initializer_range": 0.2,
    "rms_norm_eps": 2.0**-17,
}

_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "embed_tokens": "token_embd",
    "lm_head": "output",
    "norm": "output_norm",
}


def small_model(kind: str = "llama", seed: int = 0, **options: Any) -> PreTrainedModel:
    """A model of two layers whose every weight, norms and biases included, is random."""
    make = {"llama": (LlamaForCausalLM, LlamaConfig), "qwen2": (Qwen2ForCausalLM, Qwen2Config)}
    model, config = make[kind]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = model(config(vocab_size=len(qwen_like()), **_SIZES | options))
        for parameter in made.parameters():
            if parameter.ndim == 1:
                torch.nn.init.normal_(parameter, mean=0.5, std=0.2)
    return made.eval()


def _name(key: str) -> str:
    """llama.cpp's name of a tensor."""
    *path, leaf = key.removeprefix("model.").split(".")
    if path[0] == "layers":
        return f"blk.{path[1]}.{_NAMES['.'.join(path[2:])]}.{leaf}"
    return f"{_NAMES['.'.join(path)]}.{leaf}"


def _reordered(key: str, tensor: Tensor) -> Tensor:
    """llama.cpp rotates neighbouring rows of a head, transformers those of its two halves."""
    heads = {"q_proj": HEADS, "k_proj": KEY_HEADS}.get(key.split(".")[-2], 0)
    if not heads:
        return tensor
    halves = tensor.reshape(heads, 2, -1, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)


def write_gguf(
    path: Path,
    model: PreTrainedModel,
    architecture: str = "llama",
    splitting: str = "qwen2",
    type: Type = Type.F32,
    change: Callable[[GGUFWriter], object] = lambda writer: None,
) -> Path:
    """Write a model with the tokenizer of ``qwen_like``; ``change`` adds to it."""
    writer = GGUFWriter(str(path), architecture)
    config = model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    _write_tokenizer(writer, splitting)
    tied = config.tie_word_embeddings
    for key, tensor in model.state_dict().items():
        if key == "lm_head.weight" and tied:
            continue
        values = _reordered(key, tensor) if architecture == "llama" else tensor
        stored = type if values.ndim == 2 else Type.F32
        data = gguf.quants.quantize(values.contiguous().numpy(), stored)
        writer.add_tensor(_name(key), data, raw_dtype=stored)
    change(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_tokenizer(writer: GGUFWriter, splitting: str) -> None:
    tokenizer = qwen_like()
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    special = set(tokenizer.added_tokens_decoder)
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if i in special else 1 for i in range(len(tokens))])
    writer.add_token_merges([" ".join(pair) for pair in backend["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def divisors(values: np.ndarray[Any, Any]) -> Callable[[GGUFWriter], object]:
    """What makes rotary embeddings scaled ones, see ``arcflow.modules.gguf.rope``."""
    return lambda writer: writer.add_tensor("rope_freqs.weight", values.astype(np.float32))
