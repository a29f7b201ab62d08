"""``arcflow generate inputs``: what is kept, what is counted, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from arcflow.callbacks.input_generation import (
    KIND,
    GenerateConfig,
    InputGenerator,
    inputs_alone,
)
from arcflow.cli.main import main
from arcflow.core.augment import IDENTITY, Dihedral
from arcflow.core.errors import ConfigError
from arcflow.core.grid import Grid, make_grid
from arcflow.engines.base import Completion
from arcflow.sources.arc import load_split
from arcflow.sources.generated import GeneratedInputs, read_generated
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.kinds import get_kind
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow

CONFIGS = [f"--config={ROOT}/configs/{name}.yaml" for name in ("quickstart", "mixture")]
TASK = load_split("arc-agi-1/training")[0]
ENCODER = Encoder(load_tokenizer("characters"), TextConfig(), get_kind(KIND))


def completion(grid: Grid, finished: bool = True) -> Completion:
    text = ENCODER.config.grid.encode(grid)
    ids = load_tokenizer("characters")(text, add_special_tokens=False)["input_ids"]
    return Completion(tuple(ids), -1.0, len(ids) + 1, finished)


def test_valid_and_new_inputs_are_kept_once() -> None:
    generator = InputGenerator(GenerateConfig())
    generator._encoder = ENCODER
    generator.found[TASK.id] = []
    own = TASK.train[0].input
    known = {bytes(own.shape) + own.tobytes()}
    new = make_grid([[1, 2, 3], [4, 5, 6]])
    turn = Dihedral(False, 1)
    for view, answer in (
        (IDENTITY, completion(new)),
        (IDENTITY, completion(new)),  # the second time it is known
        (turn, completion(turn.apply_grid(new))),  # and in another view too
        (turn, completion(turn.apply_grid(own))),
        (IDENTITY, completion(new, finished=False)),
        (IDENTITY, Completion((1, 2), -1.0, 3, True)),
    ):
        generator._keep(TASK, view, answer, known)
    assert [entry["input"] for entry in generator.found[TASK.id]] == [new.tolist()]
    assert dict(generator.counts) == {"new": 1, "known": 3, "unfinished": 1, "malformed": 1}


def test_the_prompt_shows_all_inputs_and_no_output() -> None:
    shown = inputs_alone(TASK)
    assert all(pair.output is None for pair in shown.test)
    text = ENCODER.text(shown)
    for pair in (*TASK.train, *TASK.test):
        assert f"{ENCODER.config.grid.encode(pair.input)}<|eos|>" in text
        assert pair.output is not None
        assert ENCODER.config.grid.encode(pair.output) not in text


def arguments(root: Path, output: Path) -> list[str]:
    return [
        "generate",
        "inputs",
        *CONFIGS,
        f"--trainer.default_root_dir={root}",
        "--trainer.enable_progress_bar=false",
        "--generate.tasks=val",
        "--generate.n=3",
        f"--generate.output={output}",
        "--data.val.stop=3",
        '--model.backbone.config={"hidden_size": 32, "intermediate_size": 64, '
        '"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}',
    ]


@pytest.mark.slow
def test_a_run_writes_what_a_source_reads_and_repeats_exactly(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("first.json", "second.json")]
    for file in files:
        assert run_arcflow(arguments(tmp_path / "run", file), tmp_path) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    found = read_generated(files[0])
    assert len(found) == 3
    if any(found.values()):
        source = GeneratedInputs(str(files[0]), "arc-agi-1/evaluation")
        assert len(source) == sum(map(bool, found.values()))
    # Such a file is not written over unasked.
    assert run_arcflow(arguments(tmp_path / "run", files[0]), tmp_path) == 2
    again = [*arguments(tmp_path / "run", files[0]), "--generate.overwrite=true"]
    assert run_arcflow(again, tmp_path) == 0
    assert json.loads(files[0].read_text()) == json.loads(files[1].read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "generate.n: out of range: got 0. Expected at least 1"),
        ({"temperature": 0.0}, "generate.temperature: out of range: got 0.0. Expected more than 0"),
        ({"top_p": 1.5}, "generate.top_p: out of range: got 1.5"),
    ],
)
def test_options_that_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GenerateConfig(**options)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_there_is_one_thing_to_generate(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["generate"], ["generate", "outputs"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert "Expected: inputs" in capsys.readouterr().err


def test_inputs_are_those_of_the_task() -> None:
    shown = inputs_alone(TASK)
    wanted = [pair.input for pair in (*TASK.train, *TASK.test)]
    assert all(np.array_equal(a.input, b) for a, b in zip(shown.train, wanted, strict=True))


def test_help_has_the_words_that_a_user_types(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["generate", "inputs", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: arcflow generate inputs [")
    assert "Sample new inputs of tasks from a model" in shown.split("Options:")[0]
