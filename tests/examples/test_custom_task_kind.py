"""examples/custom_task_kind.py: a kind by class path, with a prompt of its own."""

import json
from pathlib import Path

import numpy as np
import pytest

from arcflow.core.errors import ConfigError
from arcflow.core.task import Pair, Task
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.kinds import get_kind, needs_program
from arcflow.text.tokenizer import CHARACTERS, load_tokenizer
from tests.helpers.examples import SIZES
from tests.helpers.paths import ROOT
from tests.helpers.runs import logged, run_arcflow
from tests.helpers.tokenizers import qwen_like

PATH = "examples.custom_task_kind.InputFromOutput"


def task() -> Task:
    a, b, c, d = (np.full((1, 2), color, np.int8) for color in (1, 2, 3, 4))
    return Task("t", (Pair(a, b),), (Pair(c, d),))


@pytest.mark.parametrize("fast", [True, False])
def test_it_writes_its_own_prompt(fast: bool) -> None:
    encoder = Encoder(load_tokenizer(CHARACTERS), TextConfig(fast=fast), get_kind(PATH))
    text = encoder.text(task())
    assert [digit for digit in text if digit.isdigit()] == list("221144")
    example = encoder.example(task())
    answer = example.input_ids[len(encoder.prompt(task())) :]
    _, grid = encoder.decode(answer)
    assert grid is not None
    np.testing.assert_array_equal(grid, [[3, 3]])
    assert encoder.fingerprint()["kind"] == "input-from-output"


def test_it_has_words_for_the_chat_format(tmp_path: Path) -> None:
    config = TextConfig(format="chat", template="chat-short")
    encoder = Encoder(qwen_like(), config, get_kind(PATH))
    assert "Output:\n44" in encoder.text(task())


def test_a_template_of_the_users_own_goes_first(tmp_path: Path) -> None:
    path = tmp_path / "own.jinja"
    path.write_text("{% block prompt %}<{{ test.input }}>{% endblock %}")
    encoder = Encoder(load_tokenizer(CHARACTERS), TextConfig(template=str(path)), get_kind(PATH))
    assert encoder.text(task()).startswith("<")


def test_mistakes_are_told() -> None:
    assert not needs_program(PATH)
    assert needs_program("code-from-examples")
    assert needs_program("output-from-code")
    with pytest.raises(ConfigError, match="did you mean 'code-from-examples'"):
        get_kind("code-from-example")
    with pytest.raises(ConfigError, match="did you mean 'InputFromOutput'"):
        get_kind("examples.custom_task_kind.InputFromOutputs")
    with pytest.raises(ConfigError, match="not a subclass of TaskKind"):
        get_kind("examples.custom_loss.FocalLoss")
    with pytest.raises(ConfigError, match="not complete"):
        get_kind("arcflow.text.kinds.base.GridKind")


@pytest.mark.slow
def test_the_command_line_trains_on_it(tmp_path: Path) -> None:
    tasks = json.dumps({"tasks": "arc-agi-1/training", "max_side": 5, "stop": 20})
    words = [
        "fit",
        f"--config={ROOT / 'configs' / 'mixture.yaml'}",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.enable_progress_bar=false",
        "--trainer.log_every_n_steps=1",
        "--trainer.max_steps=2",
        "--trainer.limit_val_batches=1",
        "--trainer.val_check_interval=2",
        "--checkpoint.every_n_steps=0",
        "--data.val.stop=1",
        f'--data.parts={{"back": {{"tasks": {tasks}, "kinds": {{"{PATH}": 1}}}}}}',
        SIZES,
    ]
    assert run_arcflow(words, tmp_path) == 0
    assert len(logged(tmp_path, "train_loss")) == 2
