"""A task whose test-time fine-tuning diverges is answered by the model as it was trained."""

from typing import Any

import pytest
import torch

from arcflow.core.errors import CheckpointError
from arcflow.modules.lora.adapters import adapter_state
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer
from arcflow.ttft import train_batched
from tests.ttft.test_tuner import make_module, make_task, tuner


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


@pytest.mark.parametrize("options", [{}, {"tasks_together": 2}, {"mode": "all"}, {"mode": "fresh"}])
def test_tuning_that_diverges_gives_the_untuned_model(
    encoder: Encoder,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
) -> None:
    module = make_module()
    before = {name: tensor.clone() for name, tensor in module.model.state_dict().items()}
    callback = tuner(4, lr=1e38, **options)
    tasks = [make_task("a"), make_task("b")]
    refs = callback.tune(module, encoder, tasks, on_step=lambda *_: None)
    after = module.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    for ref in refs:
        assert (ref.steps, ref.diverged) == (0, True)
        assert all(bool(torch.isfinite(tensor).all()) for tensor in (ref.state or {}).values())
    if "mode" not in options:
        trained = adapter_state(module.model)
        assert all(torch.equal(refs[0].state[name], tensor) for name, tensor in trained.items())
    for task_id in "ab":
        assert f"answered with the model as it was trained: {task_id}." in caplog.text


def test_without_a_listener_it_is_noticed_at_the_end(encoder: Encoder) -> None:
    for options in ({}, {"tasks_together": 2}):
        refs = tuner(4, lr=1e38, **options).tune(make_module(), encoder, [make_task("a")])
        assert [ref.diverged for ref in refs] == [True]


def test_one_that_diverges_leaves_those_beside_it_alone(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [make_task(name, side=1 + i) for i, name in enumerate("abc")]
    expected = tuner(5, tasks_together=3).tune(make_module(), encoder, tasks)
    step, calls = train_batched._Optimizers.step, [0]

    def poisoned(self: Any) -> None:
        step(self)
        calls[0] += 1
        if calls[0] == 2:
            optimizer, _ = self._all[0]
            optimizer.param_groups[0]["params"][1].data[:] = float("nan")

    monkeypatch.setattr(train_batched._Optimizers, "step", poisoned)
    seen: list[tuple[str, int]] = []
    refs = tuner(5, tasks_together=3).tune(
        make_module(), encoder, tasks, on_step=lambda task, at, _: seen.append((task, at))
    )
    assert [ref.diverged for ref in refs] == [False, True, False]
    assert [at for task, at in seen if task == "b"] == [0, 1, 2]  # noticed at its next step
    for i in (0, 2):
        assert refs[i].steps == 5
        for name, tensor in (expected[i].state or {}).items():
            assert torch.equal(refs[i].state[name], tensor), name


def test_an_adapter_that_is_not_finite_is_not_answered_with(encoder: Encoder) -> None:
    module, callback = make_module(), tuner(1)
    [ref] = callback.tune(module, encoder, [make_task("a")])
    name = next(iter(ref.state))
    ref.state[name].view(-1)[3] = float("nan")
    with (
        pytest.raises(CheckpointError, match=f"not finite.*got '{name}'"),
        callback.use_adapter(module, ref),
    ):
        pass
