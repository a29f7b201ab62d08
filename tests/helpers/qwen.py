"""A very small model from random weights in the format of Qwen2.5, with its chat template."""

from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from tests.helpers.tokenizers import qwen_like


def save_tiny_qwen(folder: Path) -> Path:
    """Save model and tokenizer, and return the folder."""
    tokenizer = qwen_like()
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(tokenizer) + 5,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                tie_word_embeddings=True,
                eos_token_id=tokenizer.eos_token_id,
                bos_token_id=None,
            )
        )
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder
