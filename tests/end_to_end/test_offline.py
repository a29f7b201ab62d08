"""No network at all: from a folder and challenges to a submission, and what is said on mistakes.

The folder is a competitor's (docs/kaggle.md): arcflow installed from its own wheel, a base model
with its tokenizer, an adapter, a config, challenges. Heavy packages are the test environment's.
"""

import importlib.util
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.scoring.journal import read_journal
from arcflow.scoring.submission import PLACEHOLDER, read_submission
from arcflow.text import hub
from tests.helpers.offline import make_folder, run_python, why_no_namespace

CHALLENGES = "arc-agi_test_challenges.json"
PREDICT = ["predict", "-c", "config.yaml"]
VLLM = ["--pass_n.engine=vllm", "--pass_n.vllm.kv_cache_gb=0.1"]
HAS_VLLM = importlib.util.find_spec("vllm") is not None
HUB_NAME = "nobody/has-this-model"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("competitor"))


@pytest.fixture(scope="module")
def no_network() -> None:
    """Skips where the kernel refuses network namespaces."""
    why = why_no_namespace()
    if why:
        pytest.skip(f"no empty network namespace here: {why}")


def counts(folder: Path) -> dict[str, int]:
    """Test inputs of each challenge."""
    challenges = json.loads((folder / CHALLENGES).read_text())
    return {task_id: len(task["test"]) for task_id, task in challenges.items()}


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file that a run must not touch."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for part in ("base", "adapter", "wheels")
        for path in (folder / part).rglob("*")
    }


def predicts(folder: Path, words: list[str], *, network: bool) -> None:
    shutil.rmtree(folder / "run", ignore_errors=True)
    before = files(folder)
    ended = run_python(folder, ["-m", "arcflow", *PREDICT, *words], network=network)
    assert ended.code == 0, ended.said
    assert ended.outside() == []
    worker = any("arcflow.engines.vllm_worker" in words for words in ended.processes)
    assert worker == ("--pass_n.engine=vllm" in words)  # it was watched, too
    submission = read_submission(folder / "run" / "submission.json", counts(folder))
    assert list(submission) == list(counts(folder))
    _, entries = read_journal(folder / "run" / "predict.journal.jsonl")
    assert [(e["variant"], e["steps"]) for e in entries] == [("ttft", 2)] * len(submission)
    assert all(c["n_tokens"] > 0 for entry in entries for c in entry["candidates"])
    assert files(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="transformers"),
        pytest.param(
            VLLM,
            id="vllm",
            marks=pytest.mark.skipif(not HAS_VLLM, reason="vLLM is not installed"),
        ),
    ],
)
class TestFromChallengesToSubmission:
    def test_without_a_network(self, folder: Path, no_network: None, words: list[str]) -> None:
        predicts(folder, words, network=False)

    def test_with_one_nobody_is_asked(self, folder: Path, words: list[str]) -> None:
        predicts(folder, words, network=True)


@pytest.mark.slow
def test_what_runs_is_what_was_installed(folder: Path) -> None:
    code = "import arcflow; print(arcflow.__file__)"
    ended = run_python(folder, ["-c", code], network=True)
    assert ended.said.strip() == str(folder / "site" / "arcflow" / "__init__.py")


@pytest.mark.slow
def test_the_watch_sees_a_look_outside(folder: Path, no_network: None) -> None:
    code = (
        "import socket\n"
        "for host in ('192.0.2.1', '127.0.0.1', 'example.invalid'):\n"
        "    try:\n        socket.create_connection((host, 9), 0.1)\n"
        "    except OSError as error:\n        print(host, type(error).__name__)\n"
    )
    ended = run_python(folder, ["-c", code], network=False)
    # The loopback is up, and there is no way to another machine.
    assert "127.0.0.1 ConnectionRefusedError" in ended.said
    assert "192.0.2.1 OSError" in ended.said
    assert ("socket.connect", ["192.0.2.1", 9]) in ended.outside()
    assert ("socket.getaddrinfo", "example.invalid") in ended.outside()
    assert not any("127.0.0.1" in str(value) for _, value in ended.outside())


@pytest.mark.slow
def test_mistakes_without_a_network(folder: Path, no_network: None) -> None:
    shutil.rmtree(folder / "run", ignore_errors=True)
    cases = {
        "hub model": [f"--model.backbone.model={HUB_NAME}"],
        "hub model, own tokenizer": [
            f"--model.backbone.model={HUB_NAME}",
            "--model.tokenizer=base",
        ],
        "challenges": ["--data.predict.tasks=challenges.json"],
        "adapter": ["--model.adapter=adaptor"],
        "deadline": ["--pass_n.deadline=2026-01-01T00:00"],
    }
    runs = json.dumps([[*PREDICT, *words] for words in cases.values()])
    ended = run_python(folder, ["watch/several.py", runs], network=False)
    assert ended.code == 0, ended.said
    ends = [json.loads(line[4:]) for line in ended.said.splitlines() if line.startswith("END ")]
    said = dict(zip(cases, ends, strict=True))
    for code, seconds, message in said.values():
        assert code == 2, message
        assert "Traceback" not in message
        assert seconds < 20

    for case in ("hub model", "hub model, own tokenizer"):
        message = said[case][2]
        assert "the hub cannot be reached, and no earlier download is on this machine" in message
        assert f"got '{HUB_NAME}'" in message
        assert "without a network, give the folder of a downloaded model" in message
    names = {value for event, value in ended.outside() if event == "socket.getaddrinfo"}
    assert names <= {"huggingface.co"}

    assert "unknown tasks: got 'challenges.json'" in said["challenges"][2]
    assert "Check the name or the path." in said["challenges"][2]
    assert (
        "adapter adaptor: not an adapter folder: got 'no adapter_config.json'"
        in (said["adapter"][2])
    )
    assert "Check model.adapter." in said["adapter"][2]

    assert "pass_n.deadline has passed: got '2026-01-01T00:00'" in said["deadline"][2]
    assert "submission.json is valid, with 0 of 2 tasks answered" in said["deadline"][2]
    submission = read_submission(folder / "run" / "submission.json", counts(folder))
    grids = [grid for inputs in submission.values() for attempts in inputs for grid in attempts]
    assert all(grid.tolist() == PLACEHOLDER.tolist() for grid in grids)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that the hub was asked for; it cannot be reached."""
    names: list[str] = []

    def unreachable(url: str, **_: Any) -> None:
        names.append(url)
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    hub._answers.cache_clear()
    return names


def test_the_hub_is_asked_once(asked: list[str]) -> None:
    assert hub.is_local(HUB_NAME)
    assert hub.is_local(HUB_NAME)
    assert asked == [f"https://huggingface.co/{HUB_NAME}/resolve/main/config.json"]


def test_a_folder_is_no_question_for_the_hub(asked: list[str], tmp_path: Path) -> None:
    assert hub.is_local(str(tmp_path))
    assert asked == []


@pytest.mark.parametrize(("status", "local"), [(401, False), (404, False), (502, True)])
def test_a_hub_that_answers_is_left_to_transformers(
    monkeypatch: pytest.MonkeyPatch, status: int, local: bool
) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    def answers(url: str, **_: Any) -> None:
        error = HfHubHTTPError.__new__(HfHubHTTPError)
        error.response = SimpleNamespace(status_code=status)  # type: ignore[assignment]
        raise error

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", answers)
    hub._answers.cache_clear()
    assert hub.is_local(HUB_NAME) is local
    hub._answers.cache_clear()


def test_a_download_of_earlier_loads_without_the_hub(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the layout of the hub's cache, as a download leaves it."""
    from tests.helpers.tiny import VOCABULARY, save_tiny

    repository = tmp_path / "models--nobody--has-this-model"
    save_tiny(repository / "snapshots" / "0")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = load_backbone(BackboneConfig(model=HUB_NAME), VOCABULARY)
    assert model.get_input_embeddings().weight.shape[0] == VOCABULARY
    assert len(asked) == 1
