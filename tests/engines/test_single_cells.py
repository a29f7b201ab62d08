"""A model that learned grids of one token a cell writes them so, and both engines' ids are read."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.engines.base import Answers, Request, SamplingParams
from arcflow.engines.transformers import TransformersEngine
from arcflow.engines.vllm import VLLMConfig, VLLMEngine
from arcflow.text.encode import Encoder, TextConfig
from tests.helpers.tokenizers import llama3_like

GRID = make_grid([[0, 1, 2, 0, 7], [3, 3, 4, 5, 5], [9, 9, 9, 9, 9]])
TASK = Task("t", (Pair(make_grid([[1, 0]]), make_grid([[0, 1]])),), (Pair(make_grid([[5]]), GRID),))
ENCODER: Encoder = Encoder(llama3_like(), TextConfig(format="chat"))


@pytest.fixture(scope="module")
def learned() -> Qwen2ForCausalLM:
    """A small model that knows one answer by heart."""
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    example = ENCODER.example(TASK)
    ids, labels = (
        torch.from_numpy(a.astype(np.int64))[None] for a in (example.input_ids, example.labels)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = Qwen2Config(vocab_size=len(llama3_like()), **sizes, **heads)
        model = Qwen2ForCausalLM._from_config(config, attn_implementation="sdpa")
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    return model.eval()


def request() -> Request:
    return Request(tuple(ENCODER.prompt(TASK.without_answers()).tolist()))


def check(answers: Answers) -> None:
    [[answer]] = answers
    digits = llama3_like().convert_tokens_to_ids(list("0123456789"))
    cells = [token for token in answer.token_ids if token in digits]
    assert cells == [digits[c] for c in GRID.ravel()]
    assert answer.finished
    # 15 cells, two line breaks and the end.
    assert answer.n_tokens == 18 == ENCODER.max_answer_tokens(3, 5)
    assert np.array_equal(ENCODER.decode(answer.token_ids)[1], GRID)


SAMPLING = SamplingParams(max_tokens=40, stop_ids=ENCODER.stop_ids)


def test_the_transformers_engine_writes_one_token_a_cell(learned: Qwen2ForCausalLM) -> None:
    check(TransformersEngine(learned, 0).generate([request()], SAMPLING))


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="vLLM is not installed (make setup-dev)"
)
def test_the_vllm_engine_writes_one_token_a_cell(learned: Qwen2ForCausalLM, tmp_path: Path) -> None:
    learned.save_pretrained(tmp_path)
    config = VLLMConfig(threads=1, kv_cache_gb=0.1, stall_seconds=120)
    engine = VLLMEngine(str(tmp_path), config, 512, 8, max_adapters=1)
    try:
        check(engine.generate([request()], SAMPLING))
    finally:
        engine.close()
