"""Options, config files and folders that cannot be: one message that helps."""

from pathlib import Path

import pytest

from arcflow.cli.config_names import run_configs
from arcflow.cli.main import main
from tests.helpers.mistakes import FEW, PART, QUICKSTART, Run, runner
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [
    pytest.mark.filterwarnings(warning)
    # Lightning calls what jsonargparse deprecates.
    for warning in (*LIGHTNING_WARNINGS, "ignore::DeprecationWarning")
]


@pytest.fixture
def arcflow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(tmp_path, capfd)


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
            "option model.backbone.quantization: got 'nf5'. Expected one of none, nf4, fp4, int8. "
            "Did you mean nf4? See `arcflow fit --help`.",
        ),
        (
            ["--data.train.max_side=many"],
            "option data.train.max_side: got 'many'. Expected a whole number. See `arcflow fit",
        ),
        (
            ["--data.tokens_per_batch=1.5"],
            "option data.tokens_per_batch: Expected a int. Got value: 1.5. See `arcflow fit",
        ),
        (["--test_time.steps=many"], "option test_time.steps: got 'many'. Expected a whole number"),
        (["--seed_everything=-3"], "seed_everything is out of range: got -3. Expected 0 to 42949"),
        (
            ["--trainer.max_stepz=3"],
            "no such option: got '--trainer.max_stepz'. Expected an option of `arcflow fit`. Did "
            "you mean --trainer.max_steps? See",
        ),
        (["--data=my_data.Nope"], "data: no module my_data: got 'my_data.Nope'."),
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
        f"-c: no such config: got '{none}'. Expected a YAML file, or a config that comes with "
        f"arcflow ({', '.join(run_configs())}). `arcflow init DIR` copies the shipped ones."
    )
    assert arcflow("fit", "-c", str(tmp_path)) == (
        f"-c: the config cannot be read (Is a directory): got '{tmp_path}'. Expected a YAML file. "
        "Check the path and its permissions."
    )
    assert arcflow("fit", "-c", str(binary)).startswith(
        f"{binary}: a config file is not text: got b'\\xff"
    )
    assert arcflow("fit", "-c", str(broken)).startswith(
        f"{broken}: a config file is not YAML (line 2, column "
    )


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
    said = arcflow("predict", *FEW, f"--pass_n.submission={path}")
    assert said.startswith("the submission cannot be written (")
    assert f"got '{path}'. Expected a path to a file in a folder" in said


def test_null_on_the_command_line_takes_a_limit_away(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fit", "-c", QUICKSTART, "--data.train.max_side=null", "--print_config"])
    assert stop.value.code == 0
    assert "max_side: 10" not in capsys.readouterr().out
