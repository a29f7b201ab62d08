"""``arcflow show``: views of a task, and the exact prompt with its scored tokens."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from arcflow.api.prompts import _TINY, mark_prompt, read_settings
from arcflow.cli.main import main
from arcflow.core.grid import grid_key
from arcflow.evaluation.views import evaluation_views
from arcflow.sources.arc import find_task
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer

ID = "0d3d703e"
QUICK = ["-c", "quickstart"]


def show(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        main(["show", *words])
    assert end.value.code == code
    said = capsys.readouterr()
    return said.err if code else said.out


def test_views_are_those_of_an_evaluation(capsys: pytest.CaptureFixture[str]) -> None:
    task = find_task(ID)
    assert task is not None
    said = show(capsys, ID, "--views", "5", "--no-color", "--width", "200")
    parts = re.split(r"^view \d: (.*)$", said, flags=re.M)[1:]
    views = evaluation_views(task, 5)
    assert parts[::2] == [view.name for view in views]
    for view, drawn in zip(views, parts[1::2], strict=True):
        rows = [" ".join(map(str, row)) for row in view.apply(task).train[0].input.tolist()]
        assert all(row in drawn for row in rows)


def test_a_picture_of_views_has_a_column_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in ("svg", "png"):
        show(capsys, ID, "--views", "3", "-o", str(tmp_path / f"v.{ending}"))
    text = (tmp_path / "v.svg").read_text()
    assert [word for word in re.findall(r"<text[^>]*>([^<]*)<", text) if "view" in word] == [
        f"view {i}" for i in range(3)
    ]
    with Image.open(tmp_path / "v.png") as picture:
        assert picture.width > picture.height


@pytest.mark.parametrize("loss", ["outputs", "completion"])
def test_the_prompt_is_the_models_own_text(loss: str, tmp_path: Path) -> None:
    from tests.helpers.tokenizers import qwen_like  # it imports transformers

    qwen_like().save_pretrained(tmp_path / "tokenizer")
    config = tmp_path / "run.yaml"
    config.write_text(
        f"data: {{init_args: {{text: {{format: chat, loss: {loss}}}, max_tokens: 900}}}}\n"
        f"model: {{init_args: {{backbone: {{model: {tmp_path}/tokenizer}}}}}}\n"
    )
    settings = read_settings([str(config)])
    task = find_task(ID)
    assert task is not None
    marked = mark_prompt(settings, task)
    encoder = Encoder(load_tokenizer(str(tmp_path / "tokenizer")), settings.text)
    example = encoder.example(task)
    assert marked.tokens == len(example.input_ids)
    assert marked.scored == int((example.labels != -100).sum())
    whole = load_tokenizer(str(tmp_path / "tokenizer")).decode(example.input_ids.tolist())
    assert "".join(text for text, _ in marked.pieces) == whole
    # Each output is scored, or the one that is asked for alone.
    scored = [text for text, is_scored in marked.pieces if is_scored]
    assert len(scored) == (5 if loss == "outputs" else 1)
    grids = [encoder.decode(encoder._tokenizer.encode(text))[1] for text in scored]
    asked = [*task.train, *task.test][-len(grids) :]
    for grid, pair in zip(grids, asked, strict=True):
        assert grid is not None
        assert grid_key(grid) == grid_key(pair.output)


def test_marks_in_the_terminal_and_in_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = show(capsys, ID, "--prompt", *QUICK, "--no-color")
    assert "126 tokens, 60 scored, 4 train pairs (between ⟦ and ⟧)" in said
    assert "312<|output|>⟦456↵⟧\n⟦456↵⟧\n⟦456<|eos|>⟧<|input|>238↵" in said
    colored = show(capsys, ID, "--prompt", *QUICK, "--color")
    assert "\x1b[30;42m456↵\x1b[0m" in colored
    hidden = show(capsys, ID, "--prompt", *QUICK, "--hide-answers", "--no-color")
    assert ", 48 scored" not in hidden
    assert ", 0 scored" in hidden
    for ending in ("svg", "png"):
        show(capsys, ID, "--prompt", *QUICK, "-o", str(tmp_path / f"p.{ending}"))
    tree = ElementTree.fromstring((tmp_path / "p.svg").read_text())
    marks = [one for one in tree if one.get("fill") == "#bfe8c9"]
    assert sum(int(one.get("width", "0")) for one in marks) == 8 * 5 * (4 + 4 + 3 + len("<|eos|>"))
    with Image.open(tmp_path / "p.png") as picture:
        pixels = np.asarray(picture)
    assert (pixels == (0xBF, 0xE8, 0xC9)).all(-1).sum() > 9_000


def test_a_runs_folder_is_a_config_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "run" / "logs" / "version_0"
    saved.mkdir(parents=True)
    (saved / "config.yaml").write_text("seed_everything: 7\ndata: {max_tokens: 100}\n")
    settings = read_settings([str(tmp_path / "run")], "characters")
    assert (settings.seed, settings.max_tokens) == (7, 100)
    said = show(capsys, ID, "--prompt", "-c", str(tmp_path / "run"), "--no-color")
    assert "2 train pairs" in said  # two do not fit


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text("data: {text: {gridd: 3}}\n")
    for words, message in (
        (["--prompt"], "the tokenizer is not given"),
        (["--prompt", *QUICK, "--view", "99999"], "--view is out of range"),
        (["--prompt", *QUICK, "--view", "-1"], "--view is out of range"),
        (["--prompt", *QUICK, "--test", "3"], "--test is out of range"),
        (["--prompt", "--views", "2"], "only one of them can be shown"),
        (["--view", "1"], "--view: it chooses what --prompt shows"),
        (["--views", "2", "--test", "0"], "--test: it chooses what --prompt shows"),
        (["--views", "0"], "--views is out of range: got 0. Expected 1 or more"),
        (["--prompt", "-c", "nothing"], "no such config"),
        (["--prompt", "-c", str(tmp_path)], "options of the text cannot be read"),
        (["--prompt", "--tokenizer", str(tmp_path)], "tokenizer"),
        (["--prompt", *QUICK, "-o", str(tmp_path / "p.gif")], "unknown kind of picture"),
        (["--prompt", *QUICK, "-o", str(tmp_path / "no" / "p.png")], "cannot be written"),
    ):
        if message.startswith("options"):
            (tmp_path / "bad.yaml").rename(tmp_path / "config.yaml")
        said = show(capsys, ID, *words, code=2)
        assert message in said
        assert said.count("\n") == 1


def test_the_name_of_random_weights_is_the_backbones() -> None:
    from arcflow.modules.backbone import TINY

    assert _TINY == TINY
