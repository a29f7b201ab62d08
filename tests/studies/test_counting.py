"""Counting for people: its guide, `arcflow show`, the two stages and their study."""

import re
from pathlib import Path

import pytest

from arcflow.core.task import Task
from arcflow.sources.counting import FAMILIES, Counting
from arcflow.studies.plan import plan
from arcflow.studies.spec import read_study
from tests.cli.test_main import call
from tests.helpers.paths import ROOT
from tests.helpers.runs import logged, run_arcflow
from tests.sources.test_counting import check, family_of

GUIDE = (ROOT / "docs" / "counting.md").read_text()
TINY = [
    "--trainer.max_steps=4",
    "--trainer.val_check_interval=2",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
    "--data.val.max_side=3",
]


def test_the_guide_lists_all_families_with_their_rules() -> None:
    listed = re.findall(r"^\| \w* \| `([\w-]+)` \| (.+) \|$", GUIDE, re.MULTILINE)
    assert dict(listed) == {name: family.rule for name, family in FAMILIES.items()}
    assert f"without end from {len(FAMILIES)} simple rules" in GUIDE


def test_the_guide_s_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture, own = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    exec(compile(picture, "docs/counting.md", "exec"), {})
    assert (tmp_path / "counting.png").read_bytes()[1:4] == b"PNG"
    assert (ROOT / "docs" / "counting.png").is_file()
    names: dict[str, Task] = {}
    try:
        exec(compile(own, "docs/counting.md", "exec"), names)
        check(names["task"])
    finally:
        FAMILIES.pop("count-black", None)


def test_show_draws_a_task_by_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    task = next(t for i in range(60) if family_of(t := Counting().task(0, i)) == "sort-bars")
    assert call(["show", task.id, "--no-color", "--width", "200"]) == 0
    out = capsys.readouterr().out
    assert task.id in out
    first = " ".join(map(str, task.train[0].input[0].tolist()))
    assert first in out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("counting/sort-bar/1", ["'sort-bar'", "sort-bars"]),
        ("counting/sort-bars/one", ["counting/sort-bars/one", "counting/<family>/<number>"]),
    ],
)
def test_show_refuses_other_ids(
    name: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["show", name]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words)


def test_the_study_compares_at_equal_total_steps(tmp_path: Path) -> None:
    study = read_study(ROOT / "configs" / "studies" / "counting.yaml")
    runs = plan(study, tmp_path, [0])
    stage_one = (ROOT / "configs" / "counting.yaml").read_text()
    [steps] = re.findall(r"^  max_steps: (\d+)$", stage_one, re.MULTILINE)

    def fit(row: str) -> dict[str, object]:
        parent = runs[row, 0].parent
        assert parent is not None
        return dict(parent.arguments)

    whole, second = fit("scratch"), fit("from-counting")
    assert whole["trainer.max_steps"] == int(steps) + int(str(second["trainer.max_steps"]))
    assert fit("half")["trainer.max_steps"] == second["trainer.max_steps"]
    started = runs["from-counting", 0].parent
    assert started is not None
    assert started.parent is not None
    assert started.parent.arguments["trainer.max_steps"] == int(steps)
    assert any(word.startswith("--model.start_from=") for word in started.words())
    assert started.parent.arguments["data.parts.counting.source.class_path"] == "Counting"


@pytest.mark.slow
def test_two_stages_as_the_guide_says(tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    commands = [line.split()[1:] for line in GUIDE.splitlines() if line.startswith("arcflow fit ")]
    assert len(commands) == 2
    for words in commands:
        assert run_arcflow([*words, *TINY], tmp_path) == 0
    first, second = (tmp_path / "runs" / name for name in ("counting", "from_counting"))
    assert (first / "model" / "arcflow.json").is_file()
    assert len(logged(first, "train_loss")) == len(logged(second, "train_loss")) == 4
    again = [word for word in commands[1] if word != "runs/from_counting"]
    scratch = [*again[: again.index("--model.start_from")], *TINY]
    scratch.append("--trainer.default_root_dir=runs/scratch")
    assert run_arcflow(["fit", *scratch[1:]], tmp_path) == 0
    # It starts from what stage one learned.
    assert logged(second, "train_loss")[0] < logged(tmp_path / "runs" / "scratch", "train_loss")[0]
