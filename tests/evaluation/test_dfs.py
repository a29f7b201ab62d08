"""Evaluations whose answers are searched: options, journal, votes, and what is refused."""

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import arcflow
from arcflow.cli.main import main
from arcflow.core.errors import ConfigError
from arcflow.engines.base import Request
from arcflow.engines.transformers import TransformersEngine
from arcflow.engines.vllm import VLLMEngine
from arcflow.evaluation.dfs_config import DFSConfig
from arcflow.evaluation.grid_requests import AnswerConfig, GridRequests
from arcflow.scoring.journal import read_journal
from arcflow.scoring.voting import read_candidates
from arcflow.sources.arc import find_task
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer
from tests.engines.test_depth_first import assert_exactly, every_completion
from tests.helpers.mistakes import Run, runner
from tests.helpers.paths import ROOT
from tests.helpers.runs import kept, run_arcflow
from tests.helpers.tiny import LIGHTNING_WARNINGS, SIZES

pytestmark = [
    pytest.mark.filterwarnings(warning)
    # Lightning calls what jsonargparse deprecates.
    for warning in (*LIGHTNING_WARNINGS, "ignore::DeprecationWarning")
]
DFS = "--pass_n.answer.method=dfs"
BOUND = "--pass_n.answer.dfs.min_probability"


@pytest.fixture
def refusal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(tmp_path, capfd)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([f"{BOUND}=0"], "pass_n.answer.dfs: search: bad min_probability: got 0.0. Expected"),
        ([f"{BOUND}=1"], "pass_n.answer.dfs: search: bad min_probability: got 1.0. Expected"),
        ([f"{BOUND}=-0.5"], "pass_n.answer.dfs: search: bad min_probability: got -0.5. Expected"),
        ([f"{BOUND}=.nan"], "pass_n.answer.dfs: search: bad min_probability: got nan. Expected"),
        (
            ["--pass_n.answer.dfs.max_forwards=0"],
            "pass_n.answer.dfs: search: bad max_forwards: got",
        ),
        (
            ["--pass_n.answer.samples=2", "--pass_n.answer.temperature=1"],
            "pass_n.answer.method: a search does not sample: got {'method': 'dfs', 'samples': 2,",
        ),
        (["--pass_n.answer.temperature=0.5"], "pass_n.answer.method: a search does not sample"),
        (["--pass_n.answer.top_p=0.5"], "pass_n.answer.method: a search does not sample"),
        (
            ["--pass_n.engine=vllm"],
            "pass_n.answer.method: this engine cannot search: got {'method': 'dfs', 'engine': "
            "'vllm'}. Expected method sampling, or the transformers engine. Set --pass_n.engine",
        ),
        (
            ["--pass_n.engine=examples.custom_engine.GreedyEngine"],
            "pass_n.answer.method: this engine cannot search",
        ),
        (
            ["--pass_n.code.kind=code-from-examples"],
            "pass_n.answer.method: programs are sampled, not searched",
        ),
    ],
)
def test_refusals(refusal: Run, words: list[str], message: str) -> None:
    assert refusal("fit", DFS, *words).startswith(message)


def test_an_evaluation_refuses_what_a_training_refuses(refusal: Run) -> None:
    said = refusal("validate", DFS, "--pass_n.engine=vllm")
    assert said.startswith("pass_n.answer.method: this engine cannot search")


def test_a_model_that_forgets_is_refused_before_it_is_trained(refusal: Run) -> None:
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "use_sliding_window": True,
        "sliding_window": 64,
        "layer_types": ["full_attention", "sliding_attention"],
    }
    said = refusal("fit", DFS, f"--model.backbone.config={json.dumps(sizes)}")
    assert said.startswith("search: the model forgets tokens (sliding windows or linear attention)")


def test_vllm_itself_refuses_to_search(tmp_path: Path) -> None:
    engine = object.__new__(VLLMEngine)  # refused before there is a process
    encoder: Encoder = Encoder(load_tokenizer("characters"))
    sampling = AnswerConfig(method="dfs").sampling(encoder)
    with pytest.raises(ConfigError, match="this engine cannot search"):
        engine.submit([Request((3,))], sampling)


def test_what_is_asked_of_the_engine() -> None:
    encoder: Encoder = Encoder(load_tokenizer("characters"))
    config = AnswerConfig(2, method="dfs", dfs=DFSConfig(0.2, False, 50, False))
    task = find_task("6ea4a07e")
    assert task is not None
    requests = GridRequests(encoder, config, 2048, 0)
    requests.ask((task.id, "baseline"), task, None)
    search = requests.sampling.search
    assert search is not None
    assert (search.min_probability, search.max_forwards, search.best_guess) == (0.2, 50, False)
    assert search.grammar is None
    assert AnswerConfig(method="dfs").sampling(encoder).search.grammar is not None  # type: ignore[union-attr]
    assert AnswerConfig().sampling(encoder).search is None


ARGUMENTS = [
    f"--config={ROOT}/configs/quickstart.yaml",
    "--trainer.enable_progress_bar=false",
    "--data.val.max_side=5",
    "--data.task_batch_size=2",
    "--test_time.steps=2",
    "--pass_n.answer.views=2",
    DFS,
    # So small that even random weights find much; so few forward passes that all end in time.
    f"{BOUND}=1e-9",
    "--pass_n.answer.dfs.max_forwards=80",
]


@pytest.mark.slow
def test_a_killed_evaluation_ends_as_one_that_was_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def arguments(folder: Path) -> list[str]:
        folder.mkdir(exist_ok=True)
        return ["validate", *ARGUMENTS, f"--trainer.default_root_dir={folder}"]

    assert run_arcflow(arguments(whole), tmp_path) == 0
    kill = [
        "--trainer.callbacks+=tests.helpers.runs.KillAfterTaskBatches",
        "--trainer.callbacks.task_batches=2",
    ]
    assert run_arcflow([*arguments(killed), *kill], tmp_path) == -9
    assert run_arcflow(arguments(killed), tmp_path) == 0
    assert kept(killed) == kept(whole)
    journal = whole / "validate.journal.jsonl"
    check_candidates(journal)
    header = read_journal(journal)[0]
    assert "pass_n.answer.dfs.min_probability" in json.dumps(header)
    for tool in (["vote", str(journal), "-o", str(tmp_path / "submission.json")],
                 ["curve", str(journal), "--tasks", "arc-agi-1/evaluation"],
                 ["report", str(journal), "--tasks", "arc-agi-1/evaluation",
                  "-o", str(tmp_path / "report.html")]):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            main(tool)
        assert stop.value.code == 0
    voted = json.loads((tmp_path / "submission.json").read_text())
    assert voted == json.loads((whole / "submission.json").read_text())
    changed = [*arguments(killed), f"{BOUND}=1e-8"]
    assert run_arcflow(changed, tmp_path) == 2
    assert "pass_n.answer.dfs.min_probability differs" in capsys.readouterr().out


def check_candidates(journal: Path) -> None:
    counts: dict[Any, int] = {}
    answered = 0
    for candidate in read_candidates(journal):
        place = (candidate.task_id, candidate.test_index, candidate.view)
        counts[place] = counts.get(place, 0) + 1
        if candidate.grid is None:
            assert candidate.reason
            continue
        answered += 1
        assert candidate.weight == min(1.0, math.exp(candidate.log_prob))
    assert answered
    assert len(set(counts.values())) > 1, "views have as many candidates as were found in them"


def test_a_lora_adapter_is_searched_as_enumeration_says() -> None:
    [task] = arcflow.load_tasks("arc-agi-1/training", ids=["25ff71a9"])
    model = arcflow.load_model(arcflow.BackboneConfig(config=SIZES), device="cpu")
    adapter = arcflow.fine_tune(
        model, task, mode="fresh", lora=arcflow.LoRAConfig(rank=2), steps=3, tokens_per_step=300
    )
    use = partial(adapter.tuner.use_adapter, model.module)
    prompt = tuple(model.encoder.prompt(task.without_answers()).tolist())
    # A completion of at most two tokens: all can be written down.
    requests = [Request(prompt, ref, max_tokens=2) for ref in (adapter.ref, None)]
    sampling = AnswerConfig(
        method="dfs", dfs=DFSConfig(1e-5, grammar=False, best_guess=False)
    ).sampling(model.encoder)
    answers = TransformersEngine(model.module.model, model.pad_id, use).generate(requests, sampling)
    for request, found in zip(requests, answers, strict=True):
        with use(request.adapter):
            every = every_completion(model.module.model.eval(), prompt, sampling.stop_ids, 2)
        assert len(found) > 3
        assert_exactly(found, every, 1e-5)
    assert answers[0] != answers[1]


def test_from_python_answers_have_their_probability_as_weight() -> None:
    [task] = arcflow.load_tasks("arc-agi-1/training", ids=["25ff71a9"])
    model = arcflow.load_model(arcflow.BackboneConfig(config=SIZES), device="cpu")
    options = DFSConfig(1e-6, max_forwards=40)
    found = arcflow.answer(model, task, views=2, method="dfs", dfs=options)
    answered = [candidate for candidate in found if candidate.grid is not None]
    assert len(answered) > 2
    assert all(c.weight == min(1.0, math.exp(c.log_prob)) for c in answered)
    with pytest.raises(ConfigError, match="a search does not sample"):
        arcflow.answer(model, task, method="dfs", temperature=1.0)
