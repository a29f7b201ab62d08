"""A full disk ends a run in one line that names the file, and what was there before stays."""

import json
from pathlib import Path

import pytest
import torch

from arcflow.core.errors import DataError
from arcflow.scoring.submission import build_submission, write_submission
from arcflow.sources.arc import find_task
from tests.end_to_end.test_resume import fit_arguments
from tests.helpers.disks import mounted
from tests.helpers.runs import run_arcflow


@pytest.mark.slow
def test_fit_on_a_disk_that_fills_up(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "free").mkdir()
    arguments = fit_arguments(tmp_path / "free", 0, 1, "step")
    assert run_arcflow([*arguments, "--trainer.max_steps=2"], tmp_path) == 0
    size = (tmp_path / "free" / "checkpoints" / "last.ckpt").stat().st_size
    capfd.readouterr()
    with mounted(tmp_path / "disk", f"{size * 3 // 2 // 1024}k") as disk:
        assert run_arcflow(fit_arguments(disk, 0, 1, "step"), tmp_path) == 2
        last = disk / "checkpoints" / "last.ckpt"
        assert torch.load(last, weights_only=True)["global_step"] == 2
        assert [path.name for path in last.parent.iterdir()] == ["last.ckpt"]
    output = capfd.readouterr().out
    [line] = [line for line in output.splitlines() if line.startswith("arcflow: ")]
    assert f"the checkpoint cannot be written (No space left on device): got '{last}'." in line
    assert "Traceback" not in output


def test_a_submission_on_a_full_disk(tmp_path: Path) -> None:
    task = find_task("25ff71a9")
    assert task is not None
    submission = build_submission([task], [])
    with mounted(tmp_path / "disk", "16k") as disk:
        path = disk / "submission.json"
        write_submission(path, submission)
        before = path.read_bytes()
        (disk / "ballast").write_bytes(b"x" * 8192)
        with pytest.raises(DataError) as error:
            write_submission(path, {f"{i}": submission[task.id] for i in range(400)})
        assert path.read_bytes() == before
        assert json.loads(before).keys() == {task.id}
    assert str(error.value).startswith(
        f"the submission cannot be written (No space left on device): got '{path}'. "
    )
