"""Test-time fine-tuning: no trace, pure functions of (seed, task), and it learns."""

import random
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import ConfigError
from arcflow.core.seeds import rng
from arcflow.core.task import Task, task_from_json
from arcflow.engines.base import Request, SamplingParams
from arcflow.engines.transformers import TransformersEngine
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig, adapter_parameters, adapter_state
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.loss.causal_lm import causal_loss
from arcflow.modules.optim import OptimizerConfig
from arcflow.text.encode import Encoder
from arcflow.text.pack import pack_examples
from arcflow.text.tokenizer import load_tokenizer
from arcflow.ttft.leave_one_out import LeaveOneOut
from tests.helpers.tiny import LIGHTNING_WARNINGS, SIZES, packed

AS_IS = AugmentConfig(dihedral=False, recolor=False, reorder=False, swap_train_test=0.0)


def make_task(task_id: str = "t0", n_train: int = 3, n_test: int = 1, side: int = 3) -> Task:
    """The output is the input upside down."""
    draw = rng(0, task_id, n_train)

    def pair() -> dict[str, Any]:
        grid = draw.integers(0, 10, (side, side + 1))
        return {"input": grid.tolist(), "output": grid[::-1].tolist()}

    obj = {"train": [pair() for _ in range(n_train)], "test": [pair() for _ in range(n_test)]}
    return task_from_json(task_id, obj)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


LORA = LoRAConfig(rank=4)


def make_module(lora: LoRAConfig | None = LORA, trained: bool = True) -> LoRAModule:
    module = LoRAModule(BackboneConfig(config=SIZES), lora)
    module.configure_model()
    with torch.no_grad():
        # An adapter cannot reach the head: logits must be able to become large.
        module.model.get_input_embeddings().weight.mul_(20.0)
    if lora is not None and trained:
        draw = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in adapter_parameters(module.model).values():
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.1)
    return module


def tuner(steps: int = 3, lr: float = 5e-3, **options: Any) -> TestTimeFineTuning:
    options.setdefault("tokens_per_step", 300)
    return TestTimeFineTuning(steps, optimizer=OptimizerConfig(lr=lr, weight_decay=0.0), **options)


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def everything(module: LoRAModule, optimizer: torch.optim.Optimizer | None) -> dict[str, Any]:
    """All that tuning could change, as values that compare with ==."""

    def bits(tensor: Tensor | None) -> bytes | None:
        return None if tensor is None else tensor.detach().numpy().tobytes()

    model = module.model
    named = list(model.named_parameters())
    return {
        "weights": {name: bits(tensor) for name, tensor in model.state_dict().items()},
        "requires_grad": {name: parameter.requires_grad for name, parameter in named},
        "gradients": {name: bits(parameter.grad) for name, parameter in named},
        "identities": {name: id(parameter) for name, parameter in named},
        "modules": [(name, id(m), type(m), m.training) for name, m in model.named_modules()],
        "active": [m.active_adapters for m in model.modules() if hasattr(m, "active_adapters")],
        "optimizer": [
            (key, bits(value))
            for state in (optimizer.state.values() if optimizer else ())
            for key, value in state.items()
        ],
        "torch": bits(torch.get_rng_state()),
        "numpy": repr(np.random.get_state()),
        "python": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
        "config": repr(model.config),
        "peft": repr(getattr(model, "peft_config", None)),
    }


@pytest.mark.parametrize("lora", [LoRAConfig(rank=4, dropout=0.2), None], ids=["lora", "full"])
@pytest.mark.parametrize("tune", ["continue", "fresh", "all"])
@pytest.mark.parametrize("fail_at", [None, 0, 2])
def test_leaves_no_trace(
    encoder: Encoder, lora: LoRAConfig | None, tune: Any, fail_at: int | None
) -> None:
    module = make_module(lora)
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad])
    causal_loss(module.model, packed())[0].backward()
    optimizer.step()
    module.model.model.layers[0].eval()
    before = everything(module, optimizer)
    seen = []

    def on_step(task_id: str, step: int, loss: float) -> None:
        seen.append((task_id, step, loss))
        torch.rand(3), np.random.rand(3), random.random()
        if len(seen) - 1 == fail_at:
            raise RuntimeError("in the middle")

    tasks = [make_task("a"), make_task("b")]
    with torch.no_grad():
        if fail_at is None:
            tuner(2, mode=tune).tune(module, encoder, tasks, on_step=on_step)
            assert [(name, step) for name, step, _ in seen] == [
                ("a", 0),
                ("a", 1),
                ("b", 0),
                ("b", 1),
            ]
        else:
            with pytest.raises(RuntimeError, match="in the middle"):
                tuner(2, mode=tune).tune(module, encoder, tasks, on_step=on_step)
        assert not torch.is_grad_enabled()
    after = everything(module, optimizer)
    for what, value in before.items():
        assert after[what] == value, what


def test_the_same_seed_and_task_give_the_same_adapter_in_any_company(encoder: Encoder) -> None:
    module = make_module(LoRAConfig(rank=4, dropout=0.1))
    a, b, c = make_task("a"), make_task("b"), make_task("c", n_train=2)
    tune = partial(tuner().tune, module, encoder)
    together = tune([a, b, c])
    assert len({ref.id for ref in together}) == 3
    for task, ref in zip((a, b, c), together, strict=True):
        torch.manual_seed(task.train[0].input.sum())
        (alone,) = tune([task])
        assert alone.id not in {other.id for other in together}
        assert equal(dict(alone.state), dict(ref.state))
    assert not equal(dict(together[0].state), dict(together[1].state))
    (other_seed,) = tuner(seed=1).tune(module, encoder, [a])
    assert not equal(dict(other_seed.state), dict(together[0].state))


def test_test_pairs_play_no_part(encoder: Encoder) -> None:
    module, task = make_module(), make_task()
    other = replace(task, test=make_task("other", n_test=2).test)
    hidden, open_, changed = tuner().tune(module, encoder, [task.without_answers(), task, other])
    assert equal(dict(hidden.state), dict(open_.state))
    assert equal(dict(hidden.state), dict(changed.state))


def own_pairs_loss(module: LoRAModule, encoder: Encoder, task: Task) -> float:
    """The mean loss of the task's train pairs, each asked with the others as examples."""
    stream = LeaveOneOut(encoder, AS_IS)
    examples = [stream.example(task, i) for i in range(len(task.train))]
    row = pack_examples([example for example in examples if example is not None])
    batch = {
        key: torch.from_numpy(getattr(row, key))[None]
        for key in ("input_ids", "labels", "position_ids")
    }
    with torch.no_grad():
        return causal_loss(module.model, batch)[0].item()


@pytest.mark.parametrize("lora", [LoRAConfig(rank=4), None], ids=["lora", "full"])
@pytest.mark.parametrize("tune", ["continue", "fresh", "all"])
def test_learns_the_tasks_own_pairs(encoder: Encoder, lora: LoRAConfig | None, tune: Any) -> None:
    module, task = make_module(lora), make_task()
    callback = tuner(25, lr=2e-2, mode=tune, augment=AS_IS)
    frozen = own_pairs_loss(module, encoder, task)
    losses: list[float] = []
    (ref,) = callback.tune(module, encoder, [task], on_step=lambda *step: losses.append(step[2]))
    with callback.use_adapter(module, ref):
        tuned = own_pairs_loss(module, encoder, task)
    assert tuned < 0.7 * frozen
    assert losses[-1] < 0.7 * losses[0]
    assert own_pairs_loss(module, encoder, task) == frozen


def test_continue_starts_from_the_trained_adapter_and_fresh_does_not(encoder: Encoder) -> None:
    module, task = make_module(), make_task()
    trained = adapter_state(module.model)
    (copy,) = tuner(0).tune(module, encoder, [task])
    assert equal(dict(copy.state), trained)
    still = tuner(1, lr=1e-30, mode="fresh", lora=LoRAConfig(rank=2))
    (fresh,) = still.tune(module, encoder, [task])
    assert {2} == {min(tensor.shape) for tensor in fresh.state.values()}
    first = [tensor for name, tensor in fresh.state.items() if "lora_B" in name]
    assert all(tensor.abs().max() < 1e-20 for tensor in first)


def test_the_engine_answers_with_tuned_adapters(encoder: Encoder) -> None:
    module, tasks = make_module(), [make_task("a"), make_task("b")]
    callback = tuner(10, lr=2e-2)
    refs = callback.tune(module, encoder, tasks)
    requests = [
        Request(tuple(encoder.prompt(task).tolist()), ref)
        for task in tasks
        for ref in (refs[0], None, refs[1])
    ]
    engine = TransformersEngine(module.model, 0, partial(callback.use_adapter, module))
    before = everything(module, None)
    answers = engine.generate(requests, SamplingParams(max_tokens=8, stop_ids=encoder.stop_ids))
    assert everything(module, None) == before
    for i in (0, 3):
        assert len({answer.log_prob for (answer,) in answers[i : i + 3]}) == 3, "one an adapter"
    module.model.eval()
    for request, (answer,) in zip(requests, answers, strict=True):
        with callback.use_adapter(module, request.adapter), torch.no_grad():
            ids = [*request.prompt_ids, *answer.token_ids]
            logits = module.model(torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)
        start = len(request.prompt_ids)
        told = sum(logits[i - 1, ids[i]].item() for i in range(start, len(ids)))
        if answer.finished:
            told += max(logits[-1, stop].item() for stop in encoder.stop_ids)
        assert answer.log_prob == pytest.approx(told, abs=1e-3)
        assert tuple(logits[start - 1 : -1].argmax(-1).tolist()) == answer.token_ids


def test_one_train_pair_leaves_the_start_untrained(
    encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    module = make_module()
    single_pair_tasks, other = make_task("single_pair_tasks", n_train=1), make_task("other")
    tuner(5).check(module, [single_pair_tasks, other], task_batch_size=2)
    assert "1 of 2 tasks have a single train pair, nothing to leave out" in caplog.text
    assert "answered with the model as it was trained: single_pair_tasks." in caplog.text
    (ref,) = tuner(5).tune(module, encoder, [single_pair_tasks])
    assert equal(dict(ref.state), adapter_state(module.model))
    assert ref.steps == 0


def test_views_that_never_fit_leave_the_start_untrained(
    encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    module, task = make_module(), make_task()
    callback = tuner(5)
    samples = callback.leave_one_out(encoder, max_tokens=20)
    (ref,) = callback.tune(module, encoder, [task], samples=samples)
    assert equal(dict(ref.state), adapter_state(module.model))
    assert "task t0: test-time fine-tuning ended after 0 of 5 steps" in caplog.text


def decoded(encoder: Encoder, ids: Any) -> str:
    return str(encoder._tokenizer.decode(ids))


def test_every_pair_is_asked_in_turn_and_never_shown(encoder: Encoder) -> None:
    task = make_task(n_train=4)
    answers = [encoder.config.grid.encode(pair.output) for pair in task.train]
    for leave_out, shown in ((1, 3), (2, 2), (9, 1)):
        stream = LeaveOneOut(encoder, AS_IS, leave_out)
        for block in range(3):
            asked = []
            for i in range(4 * block, 4 * block + 4):
                example = stream.example(task, i)
                assert example is not None
                scored = int((example.labels != -100).argmax())
                prompt = decoded(encoder, example.input_ids[:scored])
                answer = decoded(encoder, example.input_ids[scored:])
                (index,) = [k for k, text in enumerate(answers) if text in answer]
                assert answers[index] not in prompt
                assert sum(text in prompt for text in answers) == shown
                asked.append(index)
            assert sorted(asked) == [0, 1, 2, 3]


def test_rows_hold_the_samples_in_order_within_the_budget(encoder: Encoder) -> None:
    task, stream = make_task(n_train=4), LeaveOneOut(encoder, AugmentConfig(), seed=3)
    rows = stream.rows(task, 300)
    ids: list[int] = []
    for _ in range(10):
        row = next(rows)
        assert len(row) == 1 or sum(len(example.input_ids) for example in row) <= 300
        ids += [token for example in row for token in example.input_ids.tolist()]
    expected: list[int] = []
    index = 0
    while len(expected) < len(ids):
        expected += stream.example(task, index).input_ids.tolist()
        index += 1
    assert ids == expected
    assert [len(row) for row in [next(stream.rows(task, 1))]] == [1]


def test_long_views_lose_examples(encoder: Encoder) -> None:
    task = make_task(n_train=5)
    room = encoder.length(replace(task, train=task.train[:2]), 0)
    for i in range(5):
        example = LeaveOneOut(encoder, AugmentConfig(), max_tokens=room).example(task, i)
        assert example is not None
        assert len(example.input_ids) <= room


class Tunes(Callback):
    """Tunes at the start of a validation and remembers what came out."""

    def __init__(self, callback: TestTimeFineTuning, encoder: Encoder) -> None:
        self.callback, self.encoder = callback, encoder
        self.state: dict[str, Tensor] = {}

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        assert not torch.is_grad_enabled()
        (ref,) = self.callback.tune(pl_module, self.encoder, [make_task()])
        self.state = dict(ref.state)


@pytest.fixture
def quiet_trainer() -> Any:
    return partial(
        Trainer,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )


pytestmark = [pytest.mark.filterwarnings(line) for line in LIGHTNING_WARNINGS]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_tunes_inside_lightnings_validation(
    encoder: Encoder, quiet_trainer: Any, precision: str
) -> None:
    module, callback = make_module(), tuner()
    tunes = Tunes(callback, encoder)
    trainer = quiet_trainer(callbacks=[tunes], inference_mode=False, precision=precision)
    trainer.validate(module, dataloaders=[packed()], verbose=False)
    (outside,) = tuner().tune(make_module(), encoder, [make_task()])
    assert equal(tunes.state, dict(outside.state)) == (precision == "32-true")
    for name, tensor in outside.state.items():
        assert torch.allclose(tunes.state[name], tensor, atol=0.03)


def test_refuses_inference_mode(encoder: Encoder, quiet_trainer: Any) -> None:
    message = "needs gradients.*Set --trainer.inference_mode false"
    with torch.inference_mode(), pytest.raises(ConfigError, match=message):
        tuner().tune(make_module(), encoder, [make_task()])
    with pytest.raises(ConfigError, match=message):
        quiet_trainer(callbacks=[tuner()]).validate(
            make_module(), dataloaders=[packed()], verbose=False
        )
    quiet_trainer(callbacks=[tuner(0)]).validate(
        make_module(), dataloaders=[packed()], verbose=False
    )


def test_refuses_what_does_not_suit(encoder: Encoder) -> None:
    def tune(callback: TestTimeFineTuning, module: LightningModule) -> None:
        callback.tune(module, encoder, [make_task()])

    with pytest.raises(ConfigError, match="has no adapters: got 'LightningModule'"):
        tune(tuner(), LightningModule())
    with pytest.raises(ConfigError, match=r"test_time.lora: .* keeps its shape.*'rank': 4"):
        tune(tuner(lora=LoRAConfig(rank=2)), make_module())
    with pytest.raises(ConfigError, match=r"lora.init: pissa.*Set --test_time.mode continue"):
        tune(tuner(mode="fresh"), make_module(LoRAConfig(rank=4, init="pissa"), trained=False))
    for name in ("steps", "tokens_per_step", "leave_out"):
        with pytest.raises(ConfigError, match=f"test_time.{name} is too small: got -1"):
            TestTimeFineTuning(**{name: -1})
