"""The shipped Qwen2.5 config end to end, on a small random-weights model in Qwen's format."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftConfig
from transformers import AutoModelForCausalLM, AutoTokenizer

from arcflow.scoring.submission import input_counts, read_submission
from arcflow.sources.arc import load_split
from tests.helpers.paths import ROOT
from tests.helpers.qwen import save_tiny_qwen
from tests.helpers.runs import logged, run_arcflow


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_qwen(tmp_path_factory.mktemp("model"))


@pytest.mark.slow
def test_fit_validate_and_predict_on_kaggle_files(model_folder: Path, tmp_path: Path) -> None:
    tasks = [t for t in load_split("arc-agi-1/evaluation") if t.id in ("68b67ca3", "6ea4a07e")]
    challenges = {task.id: task.without_answers().to_json() for task in tasks}
    (tmp_path / "arc-agi_test_challenges.json").write_text(json.dumps(challenges))
    small = [
        f"--model.backbone.model={model_folder}",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false",
        "--data.max_tokens=1500",
        "--data.tokens_per_batch=3000",
        "--data.workers=0",
    ]
    configs = [f"--config={ROOT}/configs/{name}.yaml" for name in ("qwen2.5", "test_time")]
    only = [
        '--data.val.ids=["68b67ca3", "6ea4a07e"]',
        "--test_time.steps=20",
        "--test_time.optimizer.lr=0.003",
        "--test_time.tokens_per_step=1000",
        "--pass_n.answer.views=2",
    ]
    fit = ["--data.train.max_side=5", "--trainer.max_steps=8", "--trainer.log_every_n_steps=1"]
    fit.append("--model.optimizer.lr=0.01")
    assert run_arcflow(["fit", configs[0], *small, *fit, only[0]], tmp_path) == 0
    losses = logged(tmp_path, "train_loss")
    assert len(losses) == 8
    assert losses[0] > losses[-1]

    config = PeftConfig.from_pretrained(str(tmp_path / "adapter"))
    assert (config.r, config.use_rslora) == (64, True)
    merge = ["--checkpoint.export=merged", "--ckpt_path=last", "--trainer.max_steps=9", *fit[:1]]
    assert run_arcflow(["fit", configs[0], *small, *merge, only[0]], tmp_path) == 0
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 9
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert len(AutoTokenizer.from_pretrained(tmp_path / "model")) <= merged.config.vocab_size

    last = "--ckpt_path=last"
    assert run_arcflow(["validate", *configs, *small, *only, last], tmp_path) == 0
    for variant in ("baseline", "ttft"):
        assert 0 <= logged(tmp_path, f"{variant}/pass_n")[-1] <= 1
    assert logged(tmp_path, "ttft/loss")[-1] < logged(tmp_path, "baseline/loss")[-1]

    kaggle = [
        f"--config={ROOT}/configs/kaggle.yaml",
        f"--data.predict.tasks={tmp_path}/arc-agi_test_challenges.json",
        f"--pass_n.submission={tmp_path}/kaggle.json",
    ]
    assert run_arcflow(["predict", *configs, *small, *kaggle, *only[1:], last], tmp_path) == 0
    assert read_submission(tmp_path / "kaggle.json", input_counts(tasks)).keys() == set(challenges)
