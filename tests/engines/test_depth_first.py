"""The search against the enumeration of every completion."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from arcflow.core.errors import ConfigError
from arcflow.engines.base import (
    OUT_OF_TIME,
    AdapterRef,
    Completion,
    Request,
    SamplingParams,
    SearchParams,
)
from arcflow.engines.depth_first import NOT_PROBABLE, OUT_OF_FORWARDS
from arcflow.engines.transformers import TransformersEngine
from arcflow.modules.attention import register
from tests.helpers.adapters import swapping_weights

PAD, STOP, END, VOCAB = 0, 1, 2, 6
MOST = 5
BOUNDS = (0.3, 0.05, 0.01, 0.002)


def tiny(seed: int = 0, family: str = "llama", attention: str = "sdpa") -> Any:
    """A model whose first tokens are all but certain and whose others are not."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if family == "gpt2":
            config = GPT2Config(
                vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=2, n_positions=64, n_inner=24
            )
            model = GPT2LMHeadModel._from_config(config, attn_implementation=attention)
        else:
            config = LlamaConfig(
                vocab_size=VOCAB,
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=64,
            )
            model = LlamaForCausalLM._from_config(config, attn_implementation=attention)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:  # far from uniform, so that a wrong mask shows
                    parameter.mul_(12.0)
    return model.eval()


class NeverTwice:
    """A grammar: no token twice in a row, and an end at even lengths only."""

    start = (0, -1)

    def step(self, state: tuple[int, int], token: int) -> tuple[int, int] | None:
        return None if token == state[1] else (state[0] + 1, token)

    def may_stop(self, state: tuple[int, int]) -> bool:
        return state[0] % 2 == 0

    def accepts(self, tokens: tuple[int, ...]) -> bool:
        pairs = itertools.pairwise(tokens)
        return len(tokens) % 2 == 0 and all(a != b for a, b in pairs)


def every_completion(
    model: Any, prompt: tuple[int, ...], stops: tuple[int, ...] = (STOP,), most: int = MOST
) -> dict[tuple[int, ...], float]:
    """The log-probability of every completion of at most ``most`` tokens, without a cache."""
    found: dict[tuple[int, ...], float] = {}
    level: dict[tuple[int, ...], float] = {(): 0.0}
    for _ in range(most):
        paths = list(level)
        rows = torch.tensor([prompt + path for path in paths])
        with torch.no_grad():
            logits = model(input_ids=rows, use_cache=False).logits[:, -1].double()
        after: dict[tuple[int, ...], float] = {}
        for path, scores in zip(paths, logits.log_softmax(-1).tolist(), strict=True):
            ends = math.fsum(math.exp(scores[stop]) for stop in stops)
            found[path] = level[path] + math.log(ends)
            for token, score in enumerate(scores):
                if token not in stops:
                    after[(*path, token)] = level[path] + score
        level = after
    return found


def clear_bound(wanted: float, *found: dict[tuple[int, ...], float]) -> float:
    """A bound near the wanted one that no completion's probability is within rounding of."""
    near = [
        value
        for value in (math.exp(value) for values in found for value in values.values())
        if abs(value / wanted - 1) < 0.05
    ]
    while any(abs(value / wanted - 1) < 1e-4 for value in near):
        wanted *= 1.0003
    return wanted


def params(bound: float, most: int = MOST, **changes: Any) -> SamplingParams:
    search = SearchParams(bound, 10**6, **{"best_guess": False, **changes})
    return SamplingParams(max_tokens=most, stop_ids=(STOP,), search=search)


def assert_exactly(
    got: list[Completion], every: dict[tuple[int, ...], float], bound: float
) -> None:
    expected = {path: value for path, value in every.items() if math.exp(value) >= bound}
    if not expected:
        assert got == [Completion((), 0.0, 0, finished=False, error=NOT_PROBABLE)]
        return
    assert [c.token_ids for c in got] == sorted(expected, key=lambda path: -expected[path])
    for completion in got:
        assert completion.finished
        assert completion.n_tokens == len(completion.token_ids) + 1
        probability = math.exp(expected[completion.token_ids])
        assert math.exp(completion.log_prob) == pytest.approx(probability, abs=1e-5)
        assert completion.log_prob == pytest.approx(expected[completion.token_ids], abs=1e-4)


# Different lengths, two that begin alike, one that is the beginning of another.
PROMPTS = [(3, 4, 5, 3, 3, 4, 2, 5), (3, 4, 5, 3, 3, 4, 5), (3, 4, 5, 3, 3, 4), (5,), (4, 3, 4)]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("grammar", [None, NeverTwice()], ids=["free", "grammar"])
def test_finds_exactly_what_enumeration_finds(family: str, grammar: NeverTwice | None) -> None:
    model = tiny(3, family)
    every = [every_completion(model, prompt) for prompt in PROMPTS]
    sizes = set()
    for wanted in BOUNDS:
        bound = clear_bound(wanted, *every)
        for share, tokens in ((True, 10_000), (False, 10_000), (True, 30), (True, 1)):
            engine = TransformersEngine(model, PAD, max_batch_tokens=tokens, share_prefix=share)
            answers = engine.generate([Request(p) for p in PROMPTS], params(bound, grammar=grammar))
            for got, known in zip(answers, every, strict=True):
                allowed = {
                    path: value
                    for path, value in known.items()
                    if grammar is None or grammar.accepts(path)
                }
                assert_exactly(got, allowed, bound)
                sizes.add(len(got))
    assert len(sizes) > 4, "the case must hold small and large results"


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10**6),
    st.lists(st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=9).map(tuple), min_size=1,
             max_size=4),
    st.floats(0.003, 0.9),
    st.booleans(),
)  # fmt: skip
def test_any_model_any_prompts_any_bound(
    seed: int, prompts: list[tuple[int, ...]], wanted: float, with_grammar: bool
) -> None:
    model, grammar = tiny(seed), NeverTwice() if with_grammar else None
    every = [every_completion(model, prompt, most=4) for prompt in prompts]
    bound = clear_bound(wanted, *every)
    assume(bound < 1)
    requests = [Request(prompt) for prompt in prompts]
    answers = TransformersEngine(model, PAD).generate(requests, params(bound, 4, grammar=grammar))
    for got, known in zip(answers, every, strict=True):
        allowed = {p: v for p, v in known.items() if grammar is None or grammar.accepts(p)}
        assert_exactly(got, allowed, bound)


@pytest.mark.parametrize("attention", ["sdpa", "eager", "arcflow_segments"])
def test_an_answer_does_not_depend_on_its_batch(attention: str) -> None:
    register()
    model = tiny(5, attention=attention)
    every = [every_completion(model, prompt) for prompt in PROMPTS]
    sampling = params(clear_bound(0.004, *every), best_guess=True)
    requests = [Request(prompt) for prompt in PROMPTS]
    engine = TransformersEngine(model, PAD)
    together = engine.generate(requests, sampling)
    backwards = engine.generate(requests[::-1], sampling)[::-1]
    for request, one, other in zip(requests, together, backwards, strict=True):
        (alone,) = engine.generate([request], sampling)
        for found in (one, other):
            assert [c.token_ids for c in found] == [c.token_ids for c in alone]
            for a, b in zip(found, alone, strict=True):
                assert a.log_prob == pytest.approx(b.log_prob, abs=1e-4)
    assert engine.generate(requests, sampling) == together, "the same batch, the same bits"


def test_the_room_of_a_request_bounds_its_completions() -> None:
    model = tiny(3)
    every = every_completion(model, PROMPTS[0])
    bound = clear_bound(0.002, every)
    requests = [Request(PROMPTS[0], max_tokens=most) for most in (1, 2, 4)]
    for request, got in zip(
        requests, TransformersEngine(model, PAD).generate(requests, params(bound)), strict=True
    ):
        assert request.max_tokens is not None
        short = {path: v for path, v in every.items() if len(path) < request.max_tokens}
        assert_exactly(got, short, bound)


def test_several_stop_tokens_make_one_completion() -> None:
    model, stops = tiny(3), (STOP, END)
    every = every_completion(model, PROMPTS[1], stops, most=4)
    bound = clear_bound(0.01, every)
    sampling = SamplingParams(
        max_tokens=4, stop_ids=stops, search=SearchParams(bound, 10**6, best_guess=False)
    )
    (got,) = TransformersEngine(model, PAD).generate([Request(PROMPTS[1])], sampling)
    assert len(got) > 2
    assert_exactly(got, every, bound)


def test_each_request_is_searched_with_its_adapter() -> None:
    model = tiny(0)
    others = {n: tiny(n) for n in (11, 12)}
    refs = {n: AdapterRef(n, other.state_dict()) for n, other in others.items()}
    pattern = [None, 11, 12, 11, None]
    every = [
        every_completion(model if n is None else others[n], prompt)
        for n, prompt in zip(pattern, PROMPTS, strict=True)
    ]
    bound = clear_bound(0.01, *every)
    requests = [
        Request(prompt, adapter=None if n is None else refs[n])
        for n, prompt in zip(pattern, PROMPTS, strict=True)
    ]
    answers = TransformersEngine(model, PAD, swapping_weights(model)).generate(
        requests, params(bound)
    )
    for got, known in zip(answers, every, strict=True):
        assert_exactly(got, known, bound)


def test_the_best_guess_is_the_greedy_answer_and_comes_beside_the_rest() -> None:
    added = 0
    for seed in range(6):
        model = tiny(seed)
        engine = TransformersEngine(model, PAD)
        every = [every_completion(model, prompt) for prompt in PROMPTS]
        bound = clear_bound(0.6, *every)
        requests = [Request(prompt) for prompt in PROMPTS]
        greedy = engine.generate(requests, SamplingParams(max_tokens=MOST, stop_ids=(STOP,)))
        answers = engine.generate(requests, params(bound, best_guess=True))
        for got, known, (best,) in zip(answers, every, greedy, strict=True):
            probable = {path for path, value in known.items() if math.exp(value) >= bound}
            wanted = probable | ({best.token_ids} if best.finished else set())
            if not wanted:
                assert got[0].error == NOT_PROBABLE
                continue
            assert {c.token_ids for c in got} == wanted
            added += len(wanted - probable)
            if best.finished:
                (same,) = (c for c in got if c.token_ids == best.token_ids)
                assert same.log_prob == pytest.approx(best.log_prob, abs=1e-4)
                assert same.n_tokens == best.n_tokens
    assert added, "the case must hold a guess below the bound"


def test_forwards_are_limited_and_each_path_is_computed_once() -> None:
    model = tiny(3)
    every = every_completion(model, PROMPTS[0])
    bound = clear_bound(0.002, every)
    computed: list[int] = []

    def count(_: Any, __: Any, kwargs: Any) -> None:
        computed.append(kwargs["input_ids"].numel())

    hook = model.register_forward_pre_hook(count, with_kwargs=True)
    engine = TransformersEngine(model, PAD)
    (whole,) = engine.generate([Request(PROMPTS[0])], params(bound))
    spent = sum(computed) - len(PROMPTS[0])
    hook.remove()
    # Every path that is probable enough to go on, computed once.
    probable = {path for path in _paths(model, PROMPTS[0], bound) if path}
    assert spent == len(probable)
    computed.clear()
    model.register_forward_pre_hook(count, with_kwargs=True)
    search = SearchParams(bound, spent // 2, best_guess=True)
    limited = SamplingParams(max_tokens=MOST, stop_ids=(STOP,), search=search)
    (part,) = engine.generate([Request(PROMPTS[0])], limited)
    assert sum(computed) - len(PROMPTS[0]) == spent // 2
    assert 0 < len(part) < len(whole)
    assert {c.token_ids for c in part} <= {c.token_ids for c in whole}
    one = SamplingParams(max_tokens=MOST, stop_ids=(STOP,), search=SearchParams(bound, 1, False))
    (few,) = engine.generate([Request((4, 3, 4))], one)
    assert all(c.error in ("", OUT_OF_FORWARDS) for c in few)


def _paths(model: Any, prompt: tuple[int, ...], bound: float) -> Iterator[tuple[int, ...]]:
    """Every path, short enough to be ended by one more token, that is probable enough."""
    level = {(): 0.0}
    for depth in range(MOST):
        yield from level
        after = {}
        for path, log_prob in level.items():
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([prompt + path]), use_cache=False).logits[
                    0, -1
                ]
            for token, score in enumerate(logits.double().log_softmax(-1).tolist()):
                if token != STOP and depth + 1 < MOST and log_prob + score >= math.log(bound):
                    after[(*path, token)] = log_prob + score
        level = after


def test_at_the_time_limit_what_was_found_comes_back() -> None:
    """The clock moves by a second at each look, so that a search ends in its middle."""
    model, now = tiny(3), [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    requests = [Request(prompt) for prompt in PROMPTS]
    sampling = params(0.001, best_guess=True)
    whole = TransformersEngine(model, PAD).generate(requests, sampling)
    engine = TransformersEngine(model, PAD, clock=clock)
    part = engine.generate(requests, sampling, seconds=40)
    for some, every in zip(part, whole, strict=True):
        assert {c.token_ids for c in some} <= {c.token_ids for c in every}
    assert 0 < sum(map(len, part)) < sum(map(len, whole))
    assert all(some[0].finished for some in part), "the best guesses came first"
    # Batches of one row each share the time: the last one is answered too.
    alone = TransformersEngine(model, PAD, max_batch_tokens=1, clock=clock)
    assert all(some[0].finished for some in alone.generate(requests, sampling, seconds=100))
    (nothing,) = engine.generate(requests[:1], sampling, seconds=0)
    assert nothing == [Completion((), 0.0, 0, finished=False, error=OUT_OF_TIME)]


GREEDY_SEARCH = SearchParams(0.1, 100)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        (params(0.0), "bad min_probability: got 0.0. Expected a probability above 0"),
        (params(1.0), "bad min_probability: got 1.0"),
        (params(-0.1), "bad min_probability: got -0.1"),
        (params(math.nan), "bad min_probability: got nan"),
        (params(math.inf), "bad min_probability: got inf"),
        (SamplingParams(search=SearchParams(0.1, 0)), "bad max_forwards: got 0"),
        (SamplingParams(n=2, search=GREEDY_SEARCH), "a search does not sample"),
        (SamplingParams(temperature=1.0, search=GREEDY_SEARCH), "a search does not sample"),
        (SamplingParams(top_p=0.9, search=GREEDY_SEARCH), "a search does not sample"),
    ],
)
def test_refuses(sampling: SamplingParams, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TransformersEngine(tiny(), PAD).generate([Request((3,))], sampling)


def test_refuses_models_that_forget() -> None:
    from tests.engines.test_transformers import tiny_model

    model = tiny_model(
        use_sliding_window=True, sliding_window=8, layer_types=["sliding_attention"] * 2
    )
    with pytest.raises(ConfigError, match="its cache cannot be cut back: got 'qwen2'"):
        TransformersEngine(model, PAD).generate([Request((3,))], params(0.1))


def test_logits_that_are_no_numbers_find_nothing() -> None:
    model = tiny()
    with torch.no_grad():
        model.lm_head.weight.fill_(math.nan)
    (got,) = TransformersEngine(model, PAD).generate(
        [Request((3, 4))], params(0.1, best_guess=True)
    )
    assert got == [Completion((), 0.0, 0, finished=False, error=NOT_PROBABLE)]
