"""The transformers engine against a loop without cache, batching or prefix sharing."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

from arcflow.core.errors import ConfigError
from arcflow.engines.base import AdapterRef, Completion, Request, SamplingParams
from arcflow.engines.prefix import group_prompts, plan_batches
from arcflow.engines.sampling import draw_uniforms, sample_tokens
from arcflow.engines.transformers import TransformersEngine
from arcflow.modules.attention import register
from tests.helpers.adapters import swapping_weights

PAD, STOP, VOCAB = 0, 1, 24


def tiny_model(seed: int = 0, attention: str = "sdpa", **changes: Any) -> Qwen2ForCausalLM:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = Qwen2Config(
            vocab_size=VOCAB,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            **changes,
        )
        model = Qwen2ForCausalLM._from_config(config, attn_implementation=attention)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:  # far from uniform, so that a wrong mask shows
                    parameter.mul_(6.0)
    return model


def prompts_with_shared_parts(seed: int = 0) -> list[tuple[int, ...]]:
    """Two tasks with three test inputs each, two prompts on their own, one of one token."""
    draw = random.Random(seed)

    def some(n: int) -> tuple[int, ...]:
        return tuple(draw.randrange(2, VOCAB) for _ in range(n))

    first, second = some(30), some(21)
    prompts = [first + some(3), second + some(9), some(17), first + some(8), second + some(1)]
    return [*prompts, first + some(5), some(1), second + some(6), some(40)]


def naive(
    model: Qwen2ForCausalLM,
    prompt: tuple[int, ...],
    sampling: SamplingParams,
    seed: int = 0,
    sample=0,
) -> Completion:
    ids, total = list(prompt), 0.0
    uniforms = draw_uniforms([(seed, sample)], sampling.max_tokens)[0]
    with torch.no_grad():
        for step in range(sampling.max_tokens):
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].double()
            token = int(logits.argmax())
            if sampling.temperature > 0:
                token = _inverse_cdf(logits, float(uniforms[step]), sampling)
            total += float(logits.log_softmax(-1)[token])
            if token in sampling.stop_ids:
                return Completion(tuple(ids[len(prompt) :]), total, step + 1, True)
            ids.append(token)
    return Completion(tuple(ids[len(prompt) :]), total, sampling.max_tokens, False)


def _inverse_cdf(logits: torch.Tensor, u: float, sampling: SamplingParams) -> int:
    probs = (logits / sampling.temperature).softmax(-1).tolist()
    kept, total = [], 0.0
    for token in sorted(range(len(probs)), key=lambda t: -probs[t]):
        if total >= sampling.top_p:
            break
        kept.append(token)
        total += probs[token]
    at = 0.0
    for token in sorted(kept):
        at += probs[token]
        if at > u * total:
            return token
    return max(kept)


def assert_same(got: Completion, expected: Completion) -> None:
    assert got.token_ids == expected.token_ids
    assert got.n_tokens == expected.n_tokens
    assert got.finished == expected.finished
    assert got.log_prob == pytest.approx(expected.log_prob, abs=1e-4)


GREEDY = SamplingParams(max_tokens=12, stop_ids=(STOP, 5))
SAMPLED = SamplingParams(n=3, temperature=0.8, top_p=0.9, max_tokens=12, stop_ids=(STOP, 5))


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("budget", [1, 150, 100_000])
@pytest.mark.parametrize("attention", ["sdpa", "arcflow_segments"])
def test_greedy_equals_a_naive_loop(share: bool, budget: int, attention: str) -> None:
    register()
    model = tiny_model(attention=attention)
    assert model.config._attn_implementation == attention
    prompts = prompts_with_shared_parts()
    engine = TransformersEngine(model, PAD, max_batch_tokens=budget, share_prefix=share)
    answers = engine.generate([Request(prompt) for prompt in prompts], GREEDY)
    expected = [naive(model.eval(), prompt, GREEDY) for prompt in prompts]
    assert len({e.finished for e in expected}) == 2, "the case must hold finished and cut answers"
    for (got,), one in zip(answers, expected, strict=True):
        assert_same(got, one)


@pytest.mark.parametrize("attention", ["sdpa", "arcflow_segments"])
def test_an_answer_does_not_depend_on_its_batch(attention: str) -> None:
    register()
    engine = TransformersEngine(tiny_model(3, attention), PAD)
    requests = [Request(p, seed=i) for i, p in enumerate(prompts_with_shared_parts(1))]
    for sampling in (GREEDY, SAMPLED):
        together = engine.generate(requests, sampling)
        backwards = engine.generate(requests[::-1], sampling)[::-1]
        for request, one, other in zip(requests, together, backwards, strict=True):
            alone = engine.generate([request], sampling)[0]
            for a, b, c in zip(one, other, alone, strict=True):
                assert_same(a, c)
                assert_same(b, c)


def test_sampling_equals_a_naive_loop_and_is_a_function_of_seed_and_sample() -> None:
    model = tiny_model(5).eval()
    engine = TransformersEngine(model, PAD)
    requests = [Request(p, seed=7 + i) for i, p in enumerate(prompts_with_shared_parts(2))]
    answers = engine.generate(requests, SAMPLED)
    for request, completions in zip(requests, answers, strict=True):
        for k, got in enumerate(completions):
            assert_same(got, naive(model, request.prompt_ids, SAMPLED, request.seed, k))
    fewer = SamplingParams(1, SAMPLED.temperature, SAMPLED.top_p, 12, SAMPLED.stop_ids)
    for one, many in zip(engine.generate(requests, fewer), answers, strict=True):
        assert_same(one[0], many[0])
    other = engine.generate([Request(r.prompt_ids, seed=1000 + r.seed) for r in requests], SAMPLED)
    assert [[c.token_ids for c in cs] for cs in other] != [
        [c.token_ids for c in cs] for cs in answers
    ]


def test_sample_tokens_has_the_exact_distribution() -> None:
    log_probs = torch.tensor([0.5, 0.1, 0.0, 0.25, 0.15]).log()[None]
    grid = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000

    def shares(temperature: float, top_p: float) -> list[float]:
        drawn = sample_tokens(log_probs.expand(len(grid), 5), grid, temperature, top_p)
        return (torch.bincount(drawn, minlength=5) / len(grid)).tolist()

    assert shares(1.0, 1.0) == pytest.approx([0.5, 0.1, 0.0, 0.25, 0.15], abs=2e-4)
    assert shares(1.0, 0.75) == pytest.approx([2 / 3, 0, 0, 1 / 3, 0], abs=2e-4)
    assert shares(1.0, 0.4) == [1.0, 0, 0, 0, 0]
    squared = [0.25, 0.01, 0.0, 0.0625, 0.0225]
    assert shares(0.5, 1.0) == pytest.approx([p / sum(squared) for p in squared], abs=2e-4)


def test_greedy_samples_are_computed_once() -> None:
    model = tiny_model()
    calls = []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: calls.append(kwargs["input_ids"].shape[0]), with_kwargs=True
    )
    sampling = SamplingParams(n=4, max_tokens=3)
    (completions,) = TransformersEngine(model, PAD).generate([Request((3, 4))], sampling)
    assert len(completions) == 4
    assert len(set(completions)) == 1
    assert set(calls) == {1}


def test_the_shared_beginning_is_computed_once() -> None:
    model = tiny_model()
    seen = []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    beginning = tuple(range(2, 22)) * 2
    requests = [Request((*beginning, 2 + i)) for i in range(4)]
    TransformersEngine(model, PAD).generate(requests, SamplingParams(max_tokens=1))
    assert sum(seen) == len(beginning) + len(requests)


def test_leaves_mode_random_state_and_generation_defaults_alone() -> None:
    model = tiny_model()
    model.generation_config = GenerationConfig(repetition_penalty=3.0, do_sample=True, top_k=2)
    model.train()
    model.model.layers[0].eval()
    modes = [module.training for module in model.modules()]
    own = model.generation_config
    random_states = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())
    request = Request(prompts_with_shared_parts()[0])
    for sampling in (GREEDY, SAMPLED):
        TransformersEngine(model, PAD).generate([request], sampling)
    assert [module.training for module in model.modules()] == modes
    assert model.generation_config is own
    assert torch.equal(torch.get_rng_state(), random_states[0])
    assert np.array_equal(np.random.get_state()[1], random_states[1])
    assert random.getstate() == random_states[2]
    (got,) = TransformersEngine(model, PAD).generate([request], GREEDY)[0]
    assert_same(got, naive(model.eval(), request.prompt_ids, GREEDY))


def test_each_request_is_answered_by_its_adapter() -> None:
    model = tiny_model()
    others = {n: tiny_model(n) for n in (11, 12)}
    switches: list[int | None] = []
    refs = {n: AdapterRef(n, other.state_dict()) for n, other in others.items()}
    prompts = prompts_with_shared_parts()
    pattern = [None, 11, 12, 11, None, 12, 12, 11, None]
    requests = [
        Request(p, adapter=None if n is None else refs[n])
        for p, n in zip(prompts, pattern, strict=True)
    ]
    answers = TransformersEngine(model, PAD, swapping_weights(model, switches)).generate(
        requests, GREEDY
    )
    assert sorted(switches, key=str) == [11, 12, None], "one switch an adapter"
    for prompt, n, (got,) in zip(prompts, pattern, answers, strict=True):
        expected = model if n is None else others[n]
        assert_same(got, naive(expected.eval(), prompt, GREEDY))


def test_sliding_window_models_do_not_share() -> None:
    model = tiny_model(
        use_sliding_window=True, sliding_window=8, layer_types=["sliding_attention"] * 2
    )
    prompts = prompts_with_shared_parts()
    engine = TransformersEngine(model, PAD)
    assert not engine.share_prefix
    for prompt, (got,) in zip(
        prompts, engine.generate([Request(p) for p in prompts], GREEDY), strict=True
    ):
        assert_same(got, naive(model.eval(), prompt, GREEDY))


@pytest.mark.parametrize(
    ("request_", "sampling", "message"),
    [
        (Request((2,)), SamplingParams(n=0), "nothing to generate"),
        (Request((2,)), SamplingParams(temperature=-1.0), "bad temperature: got -1.0"),
        (Request((2,)), SamplingParams(top_p=0.0), "bad top_p: got 0.0. Expected more than 0"),
        (Request(()), SamplingParams(), "request 0: empty prompt"),
        (Request((2,), AdapterRef(4)), SamplingParams(), "cannot switch adapters: got 4"),
    ],
)
def test_refuses(request_: Request, sampling: SamplingParams, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TransformersEngine(tiny_model(), PAD).generate([request_], sampling)


def test_no_requests_no_answers() -> None:
    assert TransformersEngine(tiny_model(), PAD).generate([], SamplingParams()) == []


prompt_lists = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=12).map(tuple), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=150)
@given(prompt_lists, st.integers(1, 3), st.integers(1, 80), st.integers(1, 5))
def test_plans_hold_every_row_once_and_share_only_what_is_equal(
    prompts: list[tuple[int, ...]], n: int, budget: int, new: int
) -> None:
    batches = list(plan_batches(group_prompts(prompts, n), new, budget))
    rows = [row for batch in batches for group in batch for row in group.rows]
    assert sorted(rows) == [(i, k) for i in range(len(prompts)) for k in range(n)]
    for batch in batches:
        for group in batch:
            members = [prompts[i] for i, _ in group.rows]
            assert len({prompt[: group.shared] for prompt in members}) == 1
            assert min(map(len, members)) > group.shared
            assert max(map(len, members)) <= group.longest
        rows_here = sum(len(group.rows) for group in batch)
        width = max(g.shared for g in batch) + max(g.longest - g.shared for g in batch)
        assert rows_here == 1 or rows_here * (width + new) <= budget
