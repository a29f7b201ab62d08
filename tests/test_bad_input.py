"""Mistakes as a person makes them: one message that helps, exit code 2, no traceback."""

import copy
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from arcflow.cli import main
from arcflow.modules.adapters import LoRAConfig
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora import LoRAModule
from arcflow.user_errors import option_message, user_message
from tests.tiny import LIGHTNING_WARNINGS

pytestmark = [
    pytest.mark.filterwarnings(warning)
    # Lightning calls what jsonargparse deprecates.
    for warning in (*LIGHTNING_WARNINGS, "ignore::DeprecationWarning")
]

QUICKSTART = str(Path(__file__).parent.parent / "configs" / "quickstart.yaml")
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
TINY = [
    "--trainer.max_steps=2",
    "--trainer.val_check_interval=1000",
    "--trainer.limit_val_batches=1",
    "--trainer.enable_progress_bar=false",
    "--data.max_tokens=300",
    "--data.tokens_per_batch=600",
    "--data.train={tasks: arc-agi-1/training, max_side: 10, max_tokens: 300}",
    "--data.test=null",
    "--data.val.max_tokens=300",
    "--test_time.steps=0",
    "--pass_n.answer.views=1",
    f"--model.backbone.config={json.dumps(SIZES)}",
]
FEW = ["--data.train.max_side=5", "--data.val.max_side=4"]
PART = {"fit": "train", "validate": "val", "predict": "val"}

GRID = [[0, 1], [1, 0]]
TASK: dict[str, Any] = {
    "train": [{"input": GRID, "output": GRID}, {"input": GRID, "output": GRID}],
    "test": [{"input": GRID, "output": GRID}],
}
OTHER = {"train": [{"input": [[3, 2]], "output": [[2]]}], "test": [{"input": [[2, 2]]}]}
CORRECT = "Correct the grid in its file or generator."

Run = Callable[..., str]


@pytest.fixture
def arcflow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``arcflow`` in ``tmp_path / "run"`` and return its one message; it must exit with 2."""

    def run(command: str, *words: str, root: Path | None = None, code: int = 2) -> str:
        folder = f"--trainer.default_root_dir={root or tmp_path / 'run'}"
        with pytest.raises(SystemExit) as stop:
            main([command, "-c", QUICKSTART, folder, *TINY, *words])
        error = capfd.readouterr().err
        assert "Traceback" not in error
        assert stop.value.code == code, error
        messages = [line for line in error.splitlines() if line.startswith("arcflow: ")]
        assert len(messages) == 1, error
        assert error.rstrip().endswith(messages[0])  # whoever reads the end reads the message
        return messages[0].removeprefix("arcflow: ")

    return run


def write(path: Path, obj: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(obj))
    return path


def second_input(grid: object) -> dict[str, Any]:
    task = copy.deepcopy(TASK)
    task["train"][1]["input"] = grid
    return task


BAD_TASKS = {
    "ragged": (
        second_input([[1, 2], [3]]),
        "task t, train pair 1, input: ragged rows, row 1 has another length than row 0: got 1. "
        f"Expected 2 cells, as in row 0. {CORRECT}",
    ),
    "ten": (
        second_input([[1, 10]]),
        "task t, train pair 1, input: bad cell at row 0, column 1: got 10. Expected an integer "
        f"0..9. {CORRECT}",
    ),
    "negative": (second_input([[-1]]), "bad cell at row 0, column 0: got -1. Expected an integer"),
    "true": (second_input([[True]]), "bad cell at row 0, column 0: got True. Expected an integer"),
    "float": (second_input([[1.0]]), "bad cell at row 0, column 0: got 1.0. Expected an integer"),
    "text": (second_input([["1"]]), "bad cell at row 0, column 0: got '1'. Expected an integer"),
    "empty": (
        second_input([]),
        f"train pair 1, input: not a grid: got []. Expected a list of 1 to 30 rows. {CORRECT}",
    ),
    "empty row": (
        second_input([[]]),
        f"train pair 1, input: bad row 0: got 0. Expected a list of 1 to 30 cells. {CORRECT}",
    ),
    "31 rows": (
        second_input([[1]] * 31),
        f"train pair 1, input: too many rows: got 31. Expected 1 to 30 rows. {CORRECT}",
    ),
    "31 columns": (
        second_input([[1] * 31]),
        f"train pair 1, input: bad row 0: got 31. Expected a list of 1 to 30 cells. {CORRECT}",
    ),
    "no train": (
        {"test": TASK["test"]},
        "task t: missing key 'train': got ['test']. Expected keys 'train' and 'test'. Check that "
        "the file holds ARC tasks.",
    ),
    "no output": (
        {"train": [{"input": GRID}], "test": TASK["test"]},
        "task t, train pair 0: incomplete pair: got ['input']. Expected an object with 'input' "
        "and 'output'. Check the task in its file.",
    ),
    "pairs in an object": (
        {"train": {}, "test": TASK["test"]},
        "task t: bad list of train pairs: got {}. Expected a list of at least one pair. Check "
        "the task in its file.",
    ),
    "number for a pair": (
        {"train": [3], "test": TASK["test"]},
        "task t, train pair 0: incomplete pair: got 3. Expected an object with",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD_TASKS)
def test_bad_tasks(arcflow: Run, tmp_path: Path, name: str) -> None:
    task, message = BAD_TASKS[name]
    path = write(tmp_path / "tasks" / "t.json", task)
    good = write(tmp_path / "good" / "g.json", OTHER).parent
    said = arcflow("fit", f"--data.train.tasks={path.parent}", f"--data.val.tasks={good}")
    assert said.startswith(f"data.train: {path}: ")
    assert message in said


@pytest.mark.parametrize("command", ["validate", "predict"])
def test_bad_tasks_are_refused_wherever_they_are_read(
    arcflow: Run, tmp_path: Path, command: str
) -> None:
    task, message = BAD_TASKS["ragged"]
    path = write(tmp_path / "tasks" / "t.json", task)
    said = arcflow(command, f"--data.val.tasks={path.parent}")
    assert said == f"data.val: {path}: {message}"


ONE_RELEASE = "Use the two files of one release, or leave the solutions out."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "solutions", "message"),
    [
        (
            "fit",
            {"b": [GRID]},
            "{s}: lacks 1 of the tasks in {c}: got ['a']. Expected challenges and solutions of "
            "the same tasks.",
        ),
        (
            "validate",
            {"a": [GRID], "b": [GRID]},
            "{c}: lacks 1 of the tasks in {s}: got ['b']. Expected",
        ),
        (
            "predict",
            {"a": [GRID, GRID]},
            "{s}: task a: another number of outputs than test inputs: got 2. Expected a list of "
            "1, as {c} has test inputs.",
        ),
        (
            "validate",
            {"a": [[[5]]]},
            "{s}: task a, test output 0: not the output in {c}: got [[5]]. Expected "
            "[[0, 1], [1, 0]].",
        ),
    ],
)
def test_challenges_and_solutions_that_disagree(
    arcflow: Run, tmp_path: Path, command: str, solutions: dict[str, Any], message: str
) -> None:
    challenges = write(tmp_path / "x_challenges.json", {"a": TASK})
    solved = write(tmp_path / "x_solutions.json", solutions)
    good = write(tmp_path / "good" / "g.json", OTHER).parent
    words = [f"--data.val.tasks={good}"] if command == "fit" else []
    said = arcflow(command, *words, f"--data.{PART[command]}.tasks={challenges}")
    assert message.format(c=challenges, s=solved) in said
    assert said.endswith(ONE_RELEASE)


def test_duplicate_ids(arcflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "x_challenges.json"
    task = json.dumps(TASK)
    path.write_text(f'{{"a": {task}, "a": {task}}}')
    assert arcflow("validate", f"--data.val.tasks={path}") == (
        f"data.val: {path}: a key occurs twice in one object: got 'a'. Expected every task id, "
        "and every other key, once. Rename or remove one of the two."
    )
    write(path, {"a": TASK})
    twice = json.dumps([str(path)] * 2)
    assert arcflow("validate", f"--data.val.tasks={twice}") == (
        f"data.val: duplicate task ids: 1 in {path} and {path}: got ['a']. Expected every id "
        "once. Name one of the sources only, or set duplicates to 'first' to take each id from "
        "the first source that has it."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ', "not JSON, at line 1, column 7: got ''. Expected valid JSON (Expecting value)"),
        ("[1]", "no tasks: got 'list'. Expected an object"),
        ("", "not JSON, at line 1, column 1: got ''"),
    ],
)
def test_files_that_hold_no_tasks(arcflow: Run, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x_challenges.json"
    path.write_text(text)
    said = arcflow("predict", f"--data.val.tasks={path}")
    assert said.startswith(f"data.val: {path}: {message}")


def test_tasks_that_are_not_there(arcflow: Run, tmp_path: Path) -> None:
    assert arcflow("validate", f"--data.val.tasks={tmp_path}/no.json") == (
        f"data.val: unknown tasks: got '{tmp_path}/no.json'. Expected arc-agi-1/training, "
        "arc-agi-1/evaluation, arc-agi-2/training, arc-agi-2/evaluation, or the path of a JSON "
        "file or a folder that exists. Check the name or the path."
    )
    said = arcflow("fit", "--data.train.max_tokens=5")
    assert said.startswith("data.train: no task is left of 400: got 'max_side=10 removed 2")
    assert said.endswith("Expected at least one task. Loosen max_side=10 or max_tokens=5.")


# A context too small for any task.

SHORT = ["--data.train={max_tokens: null, max_side: 5}", "--data.val={max_tokens: null}"]


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_context_too_small_to_learn_any_task(arcflow: Run, tmp_path: Path, part: str) -> None:
    good = write(
        tmp_path / "small" / "g.json", {"train": [TASK["train"][0]], "test": OTHER["train"]}
    )
    words = [f"--data.val.tasks={good}"] if part == "train" else [f"--data.train.tasks={good}"]
    said = arcflow("fit", *SHORT, *words, "--data.max_tokens=20")
    assert said.startswith("data.max_tokens is too small for any of the ")
    assert f" {part} tasks: got 20. Expected room for one train pair and the answer; the " in said
    assert said.endswith(" tokens. Raise --data.max_tokens, or choose a shorter text.")


@pytest.mark.parametrize("command", ["validate", "predict"])
def test_a_context_too_small_to_answer_any_task(arcflow: Run, command: str) -> None:
    said = arcflow(command, *SHORT, "--data.max_tokens=20")
    assert said.startswith("data.max_tokens is too small to answer any of the ")
    assert " tasks: got 20. Expected room for one train pair and the largest answer; the " in said
    assert said.endswith(" tokens. Raise --data.max_tokens, or choose a shorter text.")


# Models and adapters.


@pytest.mark.parametrize("command", PART)
def test_an_unknown_model_folder(arcflow: Run, command: str) -> None:
    words = ["--model.backbone.model=./nowhere", "--model.backbone.config={}"]
    assert arcflow(command, *words) == (
        "tokenizer: no such folder: got './nowhere'. Expected 'characters', a folder with "
        "tokenizer.json, or a name on the hub. Correct model.tokenizer; where it is empty, the "
        "tokenizer is looked for in model.backbone.model."
    )
    assert arcflow(command, *words, "--model.tokenizer=characters") == (
        "backbone.model: no model loads from here (no such folder): got './nowhere'. Expected "
        "tiny-qwen2, a config.json, a folder saved by transformers, or a name on the hub. Check "
        "the spelling; without a network, give the folder of a downloaded model."
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", PART)
def test_an_adapter_for_another_model(arcflow: Run, tmp_path: Path, command: str) -> None:
    other = LoRAModule(
        BackboneConfig(config=SIZES | {"hidden_size": 64}), LoRAConfig(rank=4, alpha=8)
    )
    other.configure_model()
    folder = other.export(tmp_path / "adapter")
    lora = "--model.lora={rank: 4, alpha: 8}"
    said = arcflow(command, lora, f"--model.adapter={folder}")
    assert said.startswith(f"adapter {folder}: trained on another base model (sizes): got ")
    assert "'hidden_size': 64" in said
    assert "as of tiny-qwen2. Set backbone.model to the model it was trained on" in said
    assert arcflow(command, lora, f"--model.adapter={tmp_path}/none") == (
        f"adapter {tmp_path}/none: not an adapter folder: got 'no adapter_config.json'. Expected "
        "adapter_config.json and adapter_model.safetensors, as PEFT writes them. Check "
        "model.adapter."
    )


# Checkpoints.


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.raises(SystemExit) as stop:
        main(["fit", "-c", QUICKSTART, *TINY, *FEW, f"--trainer.default_root_dir={root}"])
    assert stop.value.code == 0
    return root


def changed(trained: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """``--ckpt_path`` of the run's checkpoint with something changed."""
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    torch.save(change(checkpoint) or checkpoint, folder / "changed.ckpt")
    return f"--ckpt_path={folder / 'changed.ckpt'}"


@pytest.mark.slow
@pytest.mark.parametrize("command", PART)
def test_a_checkpoint_of_another_format(
    arcflow: Run, trained: Path, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "changed.ckpt"
    newer = changed(trained, tmp_path, lambda c: c["arcflow"].update(format=99))
    assert arcflow(command, *FEW, newer) == (
        "checkpoint: written in another format: got 99. Expected arcflow format 1. Use a file "
        "written by this version of arcflow."
    )
    foreign = changed(trained, tmp_path, lambda c: c.pop("arcflow") and None)
    assert arcflow(command, *FEW, foreign).startswith("checkpoint: not written by arcflow: got [")
    bare = changed(trained, tmp_path, lambda c: {"weight": torch.zeros(2)})
    assert arcflow(command, *FEW, bare) == (
        f"{path}: written in another format: got ['weight']. Expected a checkpoint of arcflow "
        "fit. Use a checkpoint of arcflow fit; an adapter goes to --model.adapter, a model folder "
        "to --model.backbone.model."
    )


@pytest.mark.slow
@pytest.mark.parametrize(("command", "size"), [("fit", 5000), ("validate", 100), ("predict", 0)])
def test_a_checkpoint_cut_short(
    arcflow: Run, trained: Path, tmp_path: Path, command: str, size: int
) -> None:
    path = tmp_path / "cut.ckpt"
    path.write_bytes((trained / "checkpoints" / "last.ckpt").read_bytes()[:size])
    said = arcflow(command, *FEW, f"--ckpt_path={path}")
    assert said.startswith(f"{path}: not a checkpoint, or damaged: got '")
    assert said.endswith(
        f"{size} bytes'. Expected a whole checkpoint of arcflow fit. Use another checkpoint of "
        "the run, or start it again."
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", PART)
def test_a_checkpoint_of_something_else(arcflow: Run, trained: Path, command: str) -> None:
    last = f"--ckpt_path={trained}/checkpoints/last.ckpt"
    wide = json.dumps(SIZES | {"hidden_size": 64})
    said = arcflow(command, *FEW, last, f"--model.backbone.config={wide}")
    assert said.startswith("checkpoint: trained on another base model (sizes): got {'vocab_size'")
    assert "Set backbone.model to the model it was trained on (tiny-qwen2)" in said
    said = arcflow(command, *FEW, last, "--data.text.grid.separator= ")
    assert said.startswith("checkpoint: trained on another text (grid_text): got ")
    assert "separator=' '" in said
    assert said.endswith("as configured. Set the data's grid_text to what it was trained with.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data.train.max_side=4"], "number of tasks differs: got '"),
        (["--seed_everything=3"], "seed differs: got '0'. Expected '3'."),
        (["--data.augment.reorder=false"], "augment.reorder differs: got 'True'. Expected 'False'"),
        (["--data.tokens_per_batch=700"], "tokens_per_batch differs: got '600'. Expected '700'."),
        (["--data.packing=padded"], "packing differs: got 'packed'. Expected 'padded'."),
    ],
)
def test_a_stream_changed_on_resume(
    arcflow: Run, trained: Path, words: list[str], message: str
) -> None:
    said = arcflow("fit", *FEW, *words, "--ckpt_path=last", root=trained)
    assert said.startswith(f"checkpoint of another training stream: {message}")
    assert said.endswith(
        "Resume with the options and tasks the run was started with, or start a new run."
    )


@pytest.mark.slow
def test_a_new_run_over_an_old_one(arcflow: Run, trained: Path) -> None:
    said = arcflow("fit", *FEW, root=trained)
    assert said.startswith("this folder holds the checkpoints of another run: got ")
    assert "--ckpt_path last" in said


# Options, files and folders.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data.train.fraction=2"], "selection of tasks: bad fraction: got 2.0. Expected over 0"),
        (
            ["--data.tokens_per_batch=100"],
            "data.tokens_per_batch is too small: got 100. Expected at least 300 (data.max_tokens)",
        ),
        (
            ["--model.backbone.quantization=nf5"],
            "option model.backbone.quantization: Expected a Literal['none', 'nf4', 'fp4', "
            "'int8']. Got value: nf5. See `arcflow fit --help`.",
        ),
        (
            ["--data.train.max_side=many"],
            "option data.train.max_side: Expected a int. Given value: many. See `arcflow fit",
        ),
        (["--test_time.steps=many"], "option test_time.steps: Expected a int. Got value: many."),
        (["--seed_everything=-3"], "seed_everything is out of range: got -3. Expected 0 to 42949"),
        (["--trainer.max_stepz=3"], "unrecognized arguments: --trainer.max_stepz=3. See"),
        (["--data=my_data.Nope"], "option data: Problem with given class_path 'my_data.Nope'"),
        (["--trainer.max_steps=-3"], "the trainer cannot work so: `max_steps` must be"),
        (["--trainer.val_check_interval=0.5"], "the trainer cannot work so: `val_check_interval`"),
    ],
)
def test_options_that_cannot_be(arcflow: Run, words: list[str], message: str) -> None:
    assert arcflow("fit", *words).startswith(message)


def test_config_files_that_cannot_be_read(arcflow: Run, tmp_path: Path) -> None:
    none, binary, broken = (tmp_path / name for name in ("none.yaml", "binary.yaml", "b.yaml"))
    binary.write_bytes(b"\xff\xfe\x00a")
    broken.write_text("a: [1,\n b: }")
    assert arcflow("fit", "-c", str(none)) == (
        f"option config: File does not exist: '{none}'. See `arcflow fit --help`."
    )
    assert arcflow("fit", "-c", str(tmp_path)).startswith("option config: Path is not a file: ")
    assert arcflow("fit", "-c", str(binary)).startswith("a config file is not text: got b'\\xff")
    assert arcflow("fit", "-c", str(broken)).startswith("Problems parsing config: while parsing")


@pytest.mark.parametrize("command", PART)
def test_a_run_folder_that_cannot_be(arcflow: Run, tmp_path: Path, command: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert arcflow(command, root=file) == (
        "trainer.default_root_dir: the run's folder cannot be used (not a folder): got "
        f"'{file}'. Expected a folder that can be made and written to. Choose another "
        "--trainer.default_root_dir."
    )
    said = arcflow(command, root=file / "below")
    assert "the run's folder cannot be used (Not a directory): got " in said


@pytest.mark.parametrize("below", ["", "file/s.json"])
def test_a_submission_that_cannot_be_written(arcflow: Run, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / below
    said = arcflow("predict", *FEW, f"--submission.path={path}")
    assert said.startswith("the submission cannot be written (")
    assert f"got '{path}'. Expected a path to a file in a folder" in said


def test_null_on_the_command_line_takes_a_limit_away(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fit", "-c", QUICKSTART, "--data.train.max_side=null", "--print_config"])
    assert stop.value.code == 0
    assert "max_side: 10" not in capsys.readouterr().out


class Interrupt(Callback):
    """Presses Ctrl-C after the first batch."""

    def on_train_batch_end(self, *_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def keep_sigint() -> Iterator[None]:
    """Lightning ignores SIGINT from the first one on; shells let background jobs ignore it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.slow
@pytest.mark.usefixtures("keep_sigint")
def test_an_interrupt_is_one_line(arcflow: Run) -> None:
    words = [*FEW, "--trainer.callbacks+=tests.test_bad_input.Interrupt"]
    assert arcflow("fit", *words, code=130) == (
        "interrupted. Continue with --ckpt_path last, where a checkpoint was saved."
    )


def test_a_bug_keeps_its_traceback() -> None:
    assert user_message(ValueError("a bug")) is None
    assert user_message(OSError("a bug without a file")) is None
    assert user_message(PermissionError(13, "Permission denied", "/a/b")) == (
        "Permission denied: got '/a/b'. Expected a path that can be used so. Check the path, its "
        "permissions and the space there."
    )


def test_an_option_message_gives_a_value_and_where_it_stands() -> None:
    inner, outer = "{'pairs': 'x'}", "{'parts': {'mine': {'pairs': 'x'}}}"
    text = """Parser key "data":
  Problem with given class_path 'a.B':
    Parser key "parts":
      - Expected a <class 'int'>. Got value: x
        Given value: {inner}
        Given value: {inner}
      Given value: {outer}""".replace("{inner}", inner).replace("{outer}", outer)
    assert option_message(text) == (
        f"option data.parts: Expected a int. Got value: x. Given value: {outer}."
    )
    assert option_message(text.replace(" Got value: x", "")) == (
        f"option data.parts: Expected a int. Given value: {outer}."
    )


def test_an_option_message_is_never_empty() -> None:
    assert option_message("Expected a <class 'NoneType'>") == "Expected a NoneType."
    assert option_message('Parser key "a":\n  Parser key "b.c":\n  no') == "option a.b.c: no."
