"""The fused loss: torch's cross entropy and its gradients, without all the logits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from arcflow.modules.loss.fused_cross_entropy import linear_cross_entropy, scored_positions


def inputs(n: int, d: int = 8, v: int = 21, dtype=torch.float32, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, d, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(v, d, generator=generator).to(dtype).requires_grad_()
    bias = torch.randn(v, generator=generator).to(dtype).requires_grad_()
    return hidden, weight, bias, torch.randint(0, v, (n,), generator=generator)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 40),
    v=st.integers(1, 50),
    chunk=st.integers(1, 50) | st.none(),
    reduction=st.sampled_from(["mean", "sum"]),
    biased=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_it_is_torchs_cross_entropy(n, v, chunk, reduction, biased, seed) -> None:
    hidden, weight, bias, labels = inputs(n, v=v, seed=seed)
    leaves = (hidden, weight, bias) if biased else (hidden, weight)
    expected = cross_entropy(
        hidden @ weight.T + (bias if biased else 0.0), labels, reduction=reduction
    )
    got = linear_cross_entropy(
        hidden, weight, labels, bias if biased else None, reduction=reduction, chunk=chunk
    )
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-5)
    # A factor on the loss (gradient accumulation, a loss scaler) reaches the gradients.
    for a, b in zip(
        torch.autograd.grad(got * 3, leaves), torch.autograd.grad(expected * 3, leaves), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_gradients_are_those_of_finite_differences() -> None:
    hidden, weight, bias, labels = inputs(5, d=3, v=4, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda h, w, b: linear_cross_entropy(h, w, labels, b, chunk=2), (hidden, weight, bias)
    )


@pytest.mark.parametrize("learned", ["hidden", "weight", "bias"])
def test_only_what_learns_gets_a_gradient(learned: str) -> None:
    hidden, weight, bias, labels = inputs(9)
    named = {"hidden": hidden, "weight": weight, "bias": bias}
    for name, tensor in named.items():
        tensor.requires_grad_(name == learned)
    linear_cross_entropy(hidden, weight, labels, bias, chunk=4).backward()
    expected = torch.autograd.grad(cross_entropy(hidden @ weight.T + bias, labels), named[learned])
    torch.testing.assert_close(named[learned].grad, expected[0])
    assert all(t.grad is None for name, t in named.items() if name != learned)


def test_without_a_scored_position_the_loss_is_zero_with_gradients_of_zero() -> None:
    hidden, weight, _, labels = inputs(0)
    for reduction in ("mean", "sum"):
        loss = linear_cross_entropy(hidden, weight, labels, reduction=reduction)
        assert loss.item() == 0.0
        of_hidden, of_weight = torch.autograd.grad(loss, (hidden, weight))
        assert of_hidden.shape == (0, 8)
        assert torch.equal(of_weight, torch.zeros(21, 8))


def test_autocast_multiplies_in_its_type_and_learns_in_float32() -> None:
    hidden, weight, _, labels = inputs(64, d=32)
    expected = cross_entropy(hidden @ weight.T, labels)
    of_hidden, of_weight = torch.autograd.grad(expected, (hidden, weight))
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, labels, chunk=7)
    loss.backward()
    assert loss.dtype == hidden.grad.dtype == weight.grad.dtype == torch.float32
    assert loss.item() != expected.item()
    torch.testing.assert_close(loss, expected, atol=0.05, rtol=0.01)
    torch.testing.assert_close(hidden.grad, of_hidden, atol=0.002, rtol=0.05)
    torch.testing.assert_close(weight.grad, of_weight, atol=0.01, rtol=0.05)


def test_bfloat16_states_give_a_float32_loss_and_bfloat16_gradients() -> None:
    hidden, weight, bias, labels = inputs(64, d=32, dtype=torch.bfloat16)
    wide = [t.detach().float().requires_grad_() for t in (hidden, weight, bias)]
    expected = cross_entropy(wide[0] @ wide[1].T + wide[2], labels)
    expected.backward()
    loss = linear_cross_entropy(hidden, weight, labels, bias, chunk=5)
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, atol=0.05, rtol=0.01)
    for narrow, reference in zip((hidden, weight, bias), wide, strict=True):
        assert narrow.grad.dtype == torch.bfloat16
        torch.testing.assert_close(narrow.grad.float(), reference.grad, atol=0.01, rtol=0.05)


def test_float16_gradients_survive_a_mean_over_many_tokens() -> None:
    # The gradient of a certain token is tiny; a loss scaler lifts it, if it was not lost before.
    hidden, weight, _, labels = inputs(4096, d=4, v=3, dtype=torch.float16)
    with torch.no_grad():
        hidden.mul_(0.01)
    (linear_cross_entropy(hidden, weight, labels) * 65536).backward()
    wide = hidden.detach().float().requires_grad_()
    (cross_entropy(wide @ weight.detach().float().T, labels) * 65536).backward()
    torch.testing.assert_close(hidden.grad.float(), wide.grad, atol=0.05, rtol=0.02)


class Largest(TorchDispatchMode):
    """Remembers the most elements of a tensor made by any operation."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.elements = max(self.elements, out.numel())
        return out


def test_the_logits_of_all_positions_never_exist() -> None:
    hidden, weight, _, labels = inputs(500, d=4, v=100)
    with Largest() as seen:
        linear_cross_entropy(hidden, weight, labels, chunk=25).backward()
    assert seen.elements == 25 * 100


def test_scored_positions_predict_the_next_token() -> None:
    hidden = torch.arange(2 * 5 * 3.0).reshape(2, 5, 3).requires_grad_()
    labels = torch.tensor([[9, -100, 4, -100, 6], [-100, 7, -100, -100, -100]])
    states, targets = scored_positions(hidden, labels)
    assert targets.tolist() == [4, 6, 7]
    assert torch.equal(states, torch.stack([hidden[0, 1], hidden[0, 3], hidden[1, 0]]))
    states.sum().backward()
    assert hidden.grad.sum() == 9.0


def test_nothing_scored_gives_nothing() -> None:
    states, targets = scored_positions(torch.randn(1, 4, 3), torch.full((1, 4), -100))
    assert states.shape == (0, 3)
    assert targets.shape == (0,)


@pytest.mark.parametrize("shape", [(1, 30), (3, 10)])
def test_together_they_are_the_loss_of_transformers(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(*shape, 8), torch.randn(21, 8)
    labels = torch.where(torch.rand(shape) < 0.5, torch.randint(0, 21, shape), -100)
    logits = (hidden @ weight.T)[:, :-1].reshape(-1, 21)
    expected = cross_entropy(logits, labels[:, 1:].reshape(-1), ignore_index=-100)
    states, targets = scored_positions(hidden, labels)
    torch.testing.assert_close(linear_cross_entropy(states, weight, targets), expected)
