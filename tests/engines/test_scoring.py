"""Log-probabilities of given completions against forward passes over whole texts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2ForCausalLM

from arcflow.core.errors import ConfigError
from arcflow.engines import scoring
from arcflow.engines.base import AdapterRef, Answers, Engine, ScoreRequest
from arcflow.engines.transformers import TransformersEngine
from arcflow.modules.attention import register
from tests.engines.test_transformers import PAD, VOCAB, prompts_with_shared_parts, tiny_model
from tests.helpers.adapters import swapping_weights

MODEL = tiny_model().eval()


def brute_force(model: Qwen2ForCausalLM, request: ScoreRequest) -> list[float]:
    """Each completion alone: one forward pass over prompt and completion, without a cache."""
    found = []
    for completion in request.completions:
        ids = torch.tensor([[*request.prompt_ids, *completion]])
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits[0].double().log_softmax(-1)
        start = len(request.prompt_ids)
        places = range(start, ids.shape[1])
        found.append(sum(float(logits[t - 1, ids[0, t]]) for t in places))
    return found


def log_probs(answers: Answers) -> list[list[float]]:
    return [[one.log_prob for one in found] for found in answers]


def near(expected: list[list[float]]) -> list[object]:
    return [pytest.approx(found, abs=1e-5) for found in expected]


tokens = st.lists(st.integers(2, VOCAB - 1), min_size=1, max_size=12).map(tuple)
score_requests = st.builds(ScoreRequest, tokens, st.lists(tokens, max_size=5).map(tuple))


@settings(deadline=None, max_examples=60)
@given(st.lists(score_requests, max_size=4), st.sampled_from([1, 60, 100_000]), st.booleans())
def test_scores_equal_brute_force_whatever_the_batch(
    requests: list[ScoreRequest], budget: int, share: bool
) -> None:
    engine = TransformersEngine(MODEL, PAD, max_batch_tokens=budget, share_prefix=share)
    answers = engine.score(requests)
    assert log_probs(answers) == near([brute_force(MODEL, request) for request in requests])
    for request, found in zip(requests, answers, strict=True):
        assert tuple(one.token_ids for one in found) == request.completions
        assert [one.n_tokens for one in found] == list(map(len, request.completions))
        assert all(one.finished and not one.error for one in found)


def requests_with_long_prompts() -> list[ScoreRequest]:
    completions = ((3, 4, 5), (6,), (7, 8, 9, 10, 11), (3, 4, 6))
    return [ScoreRequest(prompt, completions) for prompt in prompts_with_shared_parts()]


@pytest.mark.parametrize("attention", ["sdpa", "arcflow_segments"])
def test_few_logits_at_a_time_change_nothing(
    attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    model = tiny_model(2, attention).eval()
    requests = requests_with_long_prompts()
    expected = near([brute_force(model, request) for request in requests])
    widths: list[int] = []
    model.register_forward_hook(lambda _, __, output: widths.append(output.logits[..., 0].numel()))
    for share in (True, False):
        monkeypatch.setattr(scoring, "_MOST_LOGITS", 20 * VOCAB)
        engine = TransformersEngine(model, PAD, share_prefix=share)
        assert log_probs(engine.score(requests)) == expected
    assert max(widths) <= 50  # a single row may be over the bound


def test_a_prompt_is_computed_once_for_all_its_completions() -> None:
    model = tiny_model()
    seen: list[int] = []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    prompt = tuple(range(2, 22)) * 3
    TransformersEngine(model, PAD).score([ScoreRequest(prompt, ((3, 4),) * 5)])
    assert sum(seen) == len(prompt) - 1 + 5 * 2


def test_sliding_windows_score_whole_texts() -> None:
    model = tiny_model(
        use_sliding_window=True, sliding_window=8, layer_types=["sliding_attention"] * 2
    ).eval()
    requests = requests_with_long_prompts()
    expected = near([brute_force(model, request) for request in requests])
    assert log_probs(TransformersEngine(model, PAD).score(requests)) == expected


def test_each_request_is_scored_by_its_adapter() -> None:
    model, other = tiny_model(), tiny_model(11).eval()
    ref = AdapterRef(11, other.state_dict())
    plain = requests_with_long_prompts()
    requests = [
        ScoreRequest(one.prompt_ids, one.completions, ref if i % 2 else None)
        for i, one in enumerate(plain)
    ]
    scores = log_probs(TransformersEngine(model, PAD, swapping_weights(model)).score(requests))
    expected = [brute_force(other if i % 2 else model.eval(), one) for i, one in enumerate(plain)]
    assert scores == near(expected)


def test_what_is_late_has_an_error() -> None:
    ticks = iter(range(100))
    engine = TransformersEngine(
        tiny_model(), PAD, max_batch_tokens=1, clock=lambda: float(next(ticks))
    )
    found = engine.score([ScoreRequest((2, 3), ((4,), (5,), (6,)))], seconds=3.5)
    late = [one.error for (one) in found[0]]
    assert late == ["", "the time limit was reached", "the time limit was reached"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ScoreRequest((), ((2,),)), "score request 0: empty prompt"),
        (ScoreRequest((2,), ((3,), ())), "score request 0: empty completion"),
        (ScoreRequest((2,), ((3,),), AdapterRef(4)), "cannot switch adapters: got 4"),
    ],
)
def test_refuses(request_: ScoreRequest, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TransformersEngine(tiny_model(), PAD).score([request_])


def test_an_engine_without_scores_says_so() -> None:
    class Plain(Engine):
        pass

    with pytest.raises(ConfigError, match=r"cannot score given answers: got 'Plain'"):
        Plain().score([])
