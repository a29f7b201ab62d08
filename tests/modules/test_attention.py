"""Attention over packed rows: what each sample would give alone, and nothing leaks."""

import inspect
import itertools

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from arcflow.core.errors import ConfigError
from arcflow.modules import attention
from arcflow.modules.attention import NAME, register

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
CONFIGS = {
    "qwen2": Qwen2Config(**SIZES),
    "qwen2 with windows": Qwen2Config(
        **SIZES, use_sliding_window=True, sliding_window=5, max_window_layers=1
    ),
    "qwen3": Qwen3Config(**SIZES, head_dim=16),
    "llama": LlamaConfig(**SIZES),
    "llama, one head a key": LlamaConfig(**SIZES | {"num_key_value_heads": 4}),
    "mistral with windows": MistralConfig(**SIZES, sliding_window=5),
}
LENGTHS = [7, 1, 13, 2, 22]


def model_of(name: str, implementation: str = NAME) -> PreTrainedModel:
    register()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[name], attn_implementation=implementation)
    with torch.no_grad():  # Random weights as large as trained ones, so that attention matters.
        for parameter in model.parameters():
            parameter.mul_(4 if parameter.ndim > 1 else 1)
    return model.eval()


def samples() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(1, 50, (1, n), generator=generator) for n in LENGTHS]


def packed(ids: list[Tensor]) -> dict[str, Tensor]:
    positions = torch.cat([torch.arange(i.shape[1]) for i in ids])[None]
    return {"input_ids": torch.cat(ids, dim=1), "position_ids": positions}


def gradients(model: PreTrainedModel) -> list[Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_and_gradients_equal_those_of_the_samples_alone(name: str) -> None:
    model = model_of(name)
    reference = model_of(name, "sdpa")
    weights = torch.randn(1, sum(LENGTHS), 50)
    row = model(**packed(samples()), use_cache=False).logits
    alone = torch.cat([reference(input_ids=i, use_cache=False).logits for i in samples()], dim=1)
    assert alone.std() > 0.3
    torch.testing.assert_close(row, alone, atol=1e-4, rtol=0)
    (row * weights).sum().backward()
    (alone * weights).sum().backward()
    for got, expected in zip(gradients(model), gradients(reference), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_it_equals_the_packed_path_of_sdpa(name: str) -> None:
    batch = packed(samples())
    row = model_of(name)(**batch, use_cache=False).logits
    masked = model_of(name, "sdpa")(**batch, use_cache=False).logits
    torch.testing.assert_close(row, masked, atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_sample_does_not_see_its_neighbours() -> None:
    model = model_of("qwen2")
    ids = samples()
    before = model(**packed(ids), use_cache=False).logits
    ids[2] = ids[2].roll(3)
    after = model(**packed(ids), use_cache=False).logits
    changed = (before != after).any(-1)[0]
    first = sum(LENGTHS[:2])
    assert changed[first : first + LENGTHS[2]].any()
    assert not changed[:first].any()
    assert not changed[first + LENGTHS[2] :].any()


@torch.no_grad()
def test_a_cache_that_nobody_reads_does_not_let_samples_see_each_other() -> None:
    model, batch = model_of("qwen2"), packed(samples())
    with_cache = model(**batch, use_cache=True).logits
    torch.testing.assert_close(with_cache, model(**batch, use_cache=False).logits)


@torch.no_grad()
@pytest.mark.parametrize("name", ["qwen2", "qwen2 with windows"])
def test_several_packed_rows_and_rows_without_packing(name: str) -> None:
    model = model_of(name)
    one, two = packed(samples()), packed([i.flip(1) for i in reversed(samples())])
    both = {k: torch.cat([one[k], two[k]]) for k in one}
    rows = model(**both, use_cache=False).logits
    torch.testing.assert_close(rows[:1], model(**one, use_cache=False).logits)
    torch.testing.assert_close(rows[1:], model(**two, use_cache=False).logits)
    ids = torch.cat([samples()[4], samples()[4].flip(1)])
    expected = model_of(name, "sdpa")(input_ids=ids, use_cache=False).logits
    torch.testing.assert_close(
        model(input_ids=ids, use_cache=False).logits, expected, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_padded_batches_are_those_of_sdpa(side: str) -> None:
    ids, mask = torch.zeros(3, 22, dtype=torch.long), torch.zeros(3, 22, dtype=torch.long)
    for i, sample in enumerate((samples()[0], samples()[2], samples()[4])):
        n = sample.shape[1]
        where = slice(0, n) if side == "right" else slice(22 - n, 22)
        ids[i, where], mask[i, where] = sample[0], 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    batch = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    got = model_of("qwen2")(**batch, use_cache=False).logits
    expected = model_of("qwen2", "sdpa")(**batch, use_cache=False).logits
    torch.testing.assert_close(got[mask == 1], expected[mask == 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["qwen2", "llama", "mistral with windows"])
def test_generation_with_padding_and_a_cache_is_that_of_sdpa(name: str) -> None:
    ids = torch.zeros(2, 13, dtype=torch.long)
    ids[0, 6:], ids[1] = samples()[0][0], samples()[2][0]
    options = {"attention_mask": (ids > 0).long(), "max_new_tokens": 12, "do_sample": False}
    got = model_of(name).generate(ids, **options)
    expected = model_of(name, "sdpa").generate(ids, **options)
    assert got.tolist() == expected.tolist()
    assert got.shape == (2, 25)


@torch.no_grad()
def test_a_sequence_in_pieces_through_a_cache_gives_the_whole() -> None:
    model, ids = model_of("qwen2"), samples()[4]
    whole = model(input_ids=ids, use_cache=False).logits
    first = model(input_ids=ids[:, :9], use_cache=True)
    second = model(input_ids=ids[:, 9:], past_key_values=first.past_key_values)
    torch.testing.assert_close(
        torch.cat([first.logits, second.logits], dim=1), whole, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing(reentrant: bool) -> None:
    batch = packed(samples())
    model = model_of("qwen2").train()
    model(**batch, use_cache=False).logits.square().sum().backward()
    plain = gradients(model)
    model.zero_grad()
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    model(**batch, use_cache=False).logits.square().sum().backward()
    for got, expected in zip(gradients(model), plain, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_no_mask_is_made_and_the_segments_are_found_once_a_pass(monkeypatch) -> None:
    masks: list[Tensor | None] = []
    inner = attention._loop

    def spy(query, key, value, asking, segments, *rest):
        masks.append(segments)
        return inner(query, key, value, asking, segments, *rest)

    monkeypatch.setattr(attention, "_loop", spy)
    batch = packed(samples())
    model = model_of("qwen2")
    model(**batch, use_cache=False)
    assert len(masks) == SIZES["num_hidden_layers"]
    assert all(seen is masks[0] for seen in masks)
    assert masks[0].lengths == LENGTHS
    # Positions that change in place are read again.
    batch["position_ids"].copy_(torch.arange(sum(LENGTHS))[None])
    model(**batch, use_cache=False)
    assert masks[-1].lengths == [sum(LENGTHS)]


def test_attention_dropout_is_applied() -> None:
    torch.manual_seed(0)
    query = torch.randn(1, 2, 8, 4)
    positions = torch.arange(8)[None]
    layer = torch.nn.Module()
    kept = attention.segment_attention(layer, query, query, query, None, position_ids=positions)
    other = attention.segment_attention(
        layer, query, query, query, None, dropout=0.5, position_ids=positions
    )
    assert not torch.equal(kept[0], other[0])


def test_a_model_that_hides_its_positions_is_refused() -> None:
    states = torch.randn(1, 2, 8, 4)
    with pytest.raises(ConfigError, match="Linear does not tell the positions of its tokens"):
        attention.segment_attention(torch.nn.Linear(1, 1), states, states, states, None)


def kernel_stand_in(*args, **kwargs) -> Tensor:
    """What torch documents its variable-length attention to do, one segment after the other."""
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    call = inspect.signature(varlen.varlen_attn).bind(*args, **kwargs)
    call.apply_defaults()
    a = call.arguments
    assert a["cu_seq_q"].dtype == a["cu_seq_k"].dtype == torch.int32
    of_queries, of_keys = (
        list(itertools.pairwise(a[n].tolist())) for n in ("cu_seq_q", "cu_seq_k")
    )
    assert a["max_q"] == max(end - start for start, end in of_queries)
    assert a["max_k"] == max(end - start for start, end in of_keys)
    before, after = a["window_size"]
    assert after == 0
    outs = []
    for (q0, q1), (k0, k1) in zip(of_queries, of_keys, strict=True):
        q, k, v = (
            a[n][i:j].transpose(0, 1)[None]
            for n, i, j in (("query", q0, q1), ("key", k0, k1), ("value", k0, k1))
        )
        shift = (k1 - k0) - (q1 - q0)  # queries are the last of the keys
        seen = torch.ones(q1 - q0, k1 - k0, dtype=torch.bool).tril(shift)
        if before >= 0:
            seen &= seen.triu(shift - before)
        out = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, seen, scale=a["scale"], enable_gqa=a["enable_gqa"]
        )
        outs.append(out[0].transpose(0, 1))
    return torch.cat(outs)


@pytest.mark.parametrize("name", ["qwen2", "mistral with windows", "llama, one head a key"])
@torch.no_grad()
def test_the_kernel_is_called_as_torch_documents_it(name: str, monkeypatch) -> None:
    model, batch = model_of(name), packed(samples())
    expected = model(**batch, use_cache=False).logits
    monkeypatch.setattr(attention, "_has_kernel", lambda query: True)
    monkeypatch.setattr(attention, "_kernel", lambda: kernel_stand_in)
    got = model(**batch, use_cache=False).logits
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.gpu
@pytest.mark.parametrize("name", ["qwen2", "mistral with windows"])
def test_the_kernel_equals_the_loop(name: str, monkeypatch) -> None:
    model = model_of(name).to("cuda", torch.bfloat16)
    batch = {k: v.cuda() for k, v in packed(samples()).items()}
    with torch.no_grad():
        fast = model(**batch, use_cache=False).logits
        monkeypatch.setattr(attention, "_has_kernel", lambda query: False)
        slow = model(**batch, use_cache=False).logits
    torch.testing.assert_close(fast.float(), slow.float(), atol=0.1, rtol=0.05)
