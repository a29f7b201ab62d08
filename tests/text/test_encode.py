"""Encoder: look-up equals tokenising whole texts; labels, lengths, answers read back."""

import functools
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair, Task
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder, FastPathWarning, TextConfig
from arcflow.text.grid_text import GridText
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.tokenizers import llama3_like, qwen_like, sentencepiece_like, word_level

OTHER = "ñò÷ûąćďęĚĞ"
PLAIN, CODE, SPACED = GridText(), GridText(frame="code"), GridText(separator=" ")
FULL = GridText(OTHER, 1, "", True, "shape")

TOKENIZERS = {
    "characters": lambda: load_tokenizer("characters"),
    "qwen": qwen_like,
    "llama3": llama3_like,
    "llama3, cells joined": llama3_like,
    "sentencepiece": sentencepiece_like,
    "words": functools.partial(word_level, keeps_space=True),
}

# Every format and grid text that a tokenizer looks up, and some that it cannot.
FAST = [
    ("characters", "compact", PLAIN),
    ("characters", "compact", GridText(repeat=3, separator="|", row_numbers=True, frame="shape")),
    ("characters", "compact", FULL),
    ("qwen", "compact", PLAIN),
    ("qwen", "chat", PLAIN),
    ("qwen", "chat", CODE),
    ("qwen", "chat", GridText(separator="|", frame="code")),
    ("qwen", "chat", GridText(separator=" ", row_numbers=True, frame="shape")),
    ("qwen", "chat", FULL),
    ("qwen", "chat", GridText(repeat=3, frame="code")),
    ("llama3", "chat", GridText(separator=" ", row_numbers=True, frame="shape")),
    ("llama3", "chat", GridText(repeat=3, frame="code")),
    # One token a cell, as the tokenizer would join them.
    ("llama3", "compact", PLAIN),
    ("llama3", "chat", CODE),
    ("llama3", "chat", GridText(row_numbers=True, frame="shape")),
    ("llama3", "compact", GridText(repeat=2)),
    ("words", "compact", PLAIN),
    ("sentencepiece", "compact", PLAIN),
    ("sentencepiece", "chat", PLAIN),
    ("sentencepiece", "chat", FULL),
    ("words", "compact", SPACED),
]
SLOW = [("llama3, cells joined", "compact", PLAIN), ("llama3, cells joined", "chat", CODE)]


@functools.cache
def encoder_of(name: str, form: str, grid: GridText, loss: str, fast: bool = True) -> Encoder:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastPathWarning)
        return Encoder(
            TOKENIZERS[name](),
            TextConfig(
                grid,
                form,  # type: ignore[arg-type]
                loss=loss,  # type: ignore[arg-type]
                fast=fast,
                cells="tokenizer" if "joined" in name else "auto",
            ),
        )


@st.composite
def grids(draw: st.DrawFn, largest: int = 30) -> Grid:
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    colors = random.permutation(10)[: draw(st.integers(1, 10))]
    return make_grid(random.choice(colors, shape))


@st.composite
def tasks(draw: st.DrawFn, largest: int = 30) -> Task:
    n_train, n_test = draw(st.integers(1, 8)), draw(st.integers(1, 2))
    pairs = [Pair(draw(grids(largest)), draw(grids(largest))) for _ in range(n_train + n_test)]
    return Task("drawn", tuple(pairs[:n_train]), tuple(pairs[n_train:]))


def whole_text(encoder: Encoder, tokenizer: Any, task: Task, test_index: int) -> list[int]:
    """The ids of prompt and answer, tokenised in one piece by the tokenizer alone."""
    example = encoder.example(task, test_index)
    answer = tokenizer.decode(example.input_ids.tolist()[len(encoder.prompt(task, test_index)) :])
    text = encoder.text(task, test_index) + answer
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


CASES = [(*case, "outputs") for case in FAST + SLOW]
CASES += [(*case, "completion") for case in (FAST[0], FAST[5], SLOW[1])]


@pytest.mark.parametrize(("name", "form", "grid", "loss"), CASES)
@settings(deadline=None, max_examples=4)
@given(task=tasks(), data=st.data())
def test_laws(
    name: str, form: str, grid: GridText, loss: str, task: Task, data: st.DataObject
) -> None:
    encoder = encoder_of(name, form, grid, loss)
    assert encoder.fast == ((name, form, grid) in FAST)
    test_index = data.draw(st.integers(0, len(task.test) - 1))
    example = encoder.example(task, test_index)
    slow = encoder_of(name, form, grid, loss, fast=False).example(task, test_index)
    assert np.array_equal(example.input_ids, slow.input_ids)
    assert np.array_equal(example.labels, slow.labels)
    assert example.input_ids.dtype == example.labels.dtype == np.int32

    prompt = encoder.prompt(task, test_index)
    assert np.array_equal(prompt, example.input_ids[: len(prompt)])
    assert np.array_equal(prompt, encoder.prompt(task.without_answers(), test_index))
    assert encoder.length(task, test_index) == len(example.input_ids)
    assert encoder.prompt_length(task, test_index) == len(prompt)

    answer = example.input_ids[len(prompt) :]
    assert np.array_equal(example.labels[len(prompt) :], answer)
    assert answer[-1] in encoder.stop_ids
    target = task.test[test_index].output
    assert target is not None
    text, read = encoder.decode(answer)
    assert np.array_equal(read, target)
    assert text.strip() == grid.encode(target)
    assert len(answer) <= encoder.max_answer_tokens(*target.shape)
    scored = example.labels != -100
    assert np.array_equal(example.labels[scored], example.input_ids[scored])
    assert loss == "outputs" or not scored[: len(prompt)].any()
    assert not scored[0]


@pytest.mark.parametrize(
    ("name", "form", "grid"),
    [c for c in FAST if c[0] in ("characters", "qwen") or c == ("words", "compact", SPACED)],
)
@settings(deadline=None, max_examples=4)
@given(task=tasks(largest=12))
def test_ids_are_those_of_the_whole_text(name: str, form: str, grid: GridText, task: Task) -> None:
    encoder, tokenizer = encoder_of(name, form, grid, "outputs"), TOKENIZERS[name]()
    ids = encoder.example(task).input_ids.tolist()
    assert ids == whole_text(encoder, tokenizer, task, 0)


def test_where_pieces_alone_would_be_wrong_the_fast_path_is_right() -> None:
    tokenizer = sentencepiece_like()
    encoder = encoder_of("sentencepiece", "compact", PLAIN, "completion")
    grid = make_grid([[1, 2], [3, 4]])
    task = Task("t", (Pair(grid, grid),), (Pair(grid, grid),))
    pieces = ["<s>I\n", "12\n34", "\nO\n", "12\n34", "\n</s>I\n", "12\n34", "\nO\n"]
    assert "".join(pieces) == encoder.text(task)
    apart = [i for piece in pieces for i in tokenizer(piece, add_special_tokens=False)["input_ids"]]
    ids = encoder.prompt(task).tolist()
    assert encoder.fast
    assert ids != apart
    assert ids == tokenizer(encoder.text(task), add_special_tokens=False)["input_ids"]


def test_exact_ids_and_labels_of_a_small_sample() -> None:
    task = Task(
        "t",
        (Pair(make_grid([[1], [2]]), make_grid([[3]])),),
        (Pair(make_grid([[4]]), make_grid([[5, 6]])),),
    )
    encoder = encoder_of("characters", "compact", PLAIN, "completion")
    example = encoder.example(task)
    # bos, input, 1, newline, 2, output, 3, eos, input, 4, output | 5, 6, eos
    assert example.input_ids.tolist() == [1, 4, 7, 101, 8, 5, 9, 2, 4, 10, 5, 11, 12, 2]
    assert example.labels.tolist() == [-100] * 11 + [11, 12, 2]
    labels = encoder_of("characters", "compact", PLAIN, "outputs").example(task).labels
    assert labels.tolist() == [-100] * 6 + [9, 2] + [-100] * 3 + [11, 12, 2]


def test_the_loss_on_outputs_scores_their_frames_and_what_ends_them() -> None:
    grid = make_grid([[1, 2], [3, 4]])
    task = Task("t", (Pair(grid, grid), Pair(grid, grid)), (Pair(grid, grid),))
    labels = encoder_of("qwen", "chat", CODE, "outputs").example(task).labels
    text = qwen_like().decode(labels[labels != -100].tolist())
    block = "```grid\n12\n34\n```"
    assert text == f"{block}\n\n{block}\n\n{block}<|im_end|>"


@pytest.mark.parametrize(("name", "form", "grid"), SLOW)
def test_a_tokenizer_that_joins_digits_warns_and_takes_the_slow_path(
    name: str, form: str, grid: GridText
) -> None:
    config = TextConfig(grid, form, cells="tokenizer")  # type: ignore[arg-type]
    message = r"the fast path is off: one token stands for '\d{3}'.*Whole texts are tokenised"
    with pytest.warns(FastPathWarning, match=message):
        encoder = Encoder(TOKENIZERS[name](), config)
    assert not encoder.fast


def test_the_slow_path_on_request_does_not_warn() -> None:
    assert not Encoder(llama3_like(), TextConfig(fast=False, cells="tokenizer")).fast


def test_a_prompt_that_runs_into_the_answer_is_still_the_examples_beginning(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.jinja"
    path.write_text("{% block prompt %}{{ test.input }} 1{% endblock %}")
    config = TextConfig(GridText(separator="|"), template=str(path))
    with pytest.warns(FastPathWarning, match="one token stands for '1\\d'|runs together"):
        encoder = Encoder(llama3_like(), config)
    task = Task("t", (), (Pair(make_grid([[7]]), make_grid([[2, 3]])),))
    ids, prompt = encoder.example(task).input_ids, encoder.prompt(task)
    assert np.array_equal(ids[: len(prompt)], prompt)
    assert np.array_equal(encoder.decode(ids[len(prompt) :])[1], [[2, 3]])


def test_a_number_of_examples_that_does_not_fit_falls_back_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.jinja"
    path.write_text(
        "{% block prompt %}{% for p in examples %}{{ p.input }}>{{ p.output }};{% endfor %}"
        "{% if examples | length > 7 %}1{% endif %}{{ test.input }}>{% endblock %}"
    )
    config = TextConfig(GridText(separator="|"), template=str(path))
    encoder = Encoder(llama3_like(), config)
    slow = Encoder(llama3_like(), TextConfig(config.grid, template=str(path), fast=False))
    pair = Pair(make_grid([[2, 3]]), make_grid([[4]]))
    with pytest.warns(FastPathWarning, match="one token stands for '1"):
        many = encoder.example(Task("t", (pair,) * 8, (pair,)))
    few = encoder.example(Task("t", (pair,) * 7, (pair,)))
    assert encoder.fast
    for n, example in ((8, many), (7, few)):
        expected = slow.example(Task("t", (pair,) * n, (pair,)))
        assert np.array_equal(example.input_ids, expected.input_ids)


@pytest.mark.parametrize(
    ("tokenizer", "grid"),
    [
        (functools.partial(word_level, keeps_space=False), GridText(separator=" ")),
        (lambda: load_tokenizer("characters"), GridText(symbols="ابتثجحخدذر")),
    ],
)
def test_a_tokenizer_that_cannot_spell_grids_is_refused(tokenizer: Any, grid: GridText) -> None:
    message = r"text: a grid does not survive being written, tokenised and read back \(tokenizer"
    with pytest.raises(ConfigError, match=message):
        Encoder(tokenizer(), TextConfig(grid))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "poem"}, "text option format: got 'poem'. Expected 'chat' or 'compact'"),
        ({"loss": "all"}, "text option loss: got 'all'. Expected 'completion' or 'outputs'"),
    ],
)
def test_options_that_do_not_exist_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Encoder(load_tokenizer("characters"), TextConfig(**options))


def test_tokenizers_that_cannot_say_where_tokens_stand_are_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(ConfigError, match=r"got 'Slow'. Expected a fast tokenizer"):
        Encoder(Slow())


def test_a_hidden_answer_has_a_prompt_but_no_example() -> None:
    encoder = encoder_of("characters", "compact", PLAIN, "completion")
    task = Task("t1", (Pair(make_grid([[1]]), make_grid([[1]])),), (Pair(make_grid([[2]]), None),))
    assert len(encoder.prompt(task)) == encoder.prompt_length(task)
    for ask in (encoder.example, encoder.length):
        with pytest.raises(DataError, match="task t1, test pair 0: the answer is not known"):
            ask(task)


@pytest.mark.parametrize("case", [FAST[0], FAST[5], FAST[13], SLOW[1]], ids=str)
@settings(deadline=None, max_examples=60)
@given(ids=st.lists(st.integers(-5, 3000), max_size=80), numpy=st.booleans())
def test_decode_never_raises(case: tuple, ids: list[int], numpy: bool) -> None:
    encoder = encoder_of(*case, "outputs")
    text, grid = encoder.decode(np.array(ids, dtype=np.int64) if numpy else ids)
    assert isinstance(text, str)
    assert grid is None or grid.dtype == np.int8


def test_decode_stops_at_the_first_stop_token() -> None:
    encoder = encoder_of("characters", "compact", PLAIN, "completion")
    text, grid = encoder.decode([7, 8, encoder.stop_ids[0], 9])
    assert text == "12"
    assert grid is not None
    assert grid.tolist() == [[1, 2]]
    assert encoder.decode([7, 101, 8, 8]) == ("1\n22", None)


def test_identity_tells_apart_what_changes_the_ids() -> None:
    def fingerprint(
        name: str = "qwen", form: str = "chat", grid: GridText = CODE
    ) -> dict[str, str]:
        return encoder_of(name, form, grid, "completion").fingerprint()

    first = fingerprint()
    assert first == Encoder(qwen_like(), TextConfig(CODE, "chat")).fingerprint()
    assert all(type(value) is str for value in first.values())

    def changed(other: dict[str, str]) -> set[str]:
        return {key for key in first if first[key] != other[key]}

    assert changed(fingerprint(grid=FULL)) == {"grid_text"}
    assert changed(fingerprint(form="compact", grid=PLAIN)) == {"grid_text", "format", "template"}
    assert changed(fingerprint("sentencepiece", "chat", PLAIN)) == {"grid_text", "tokenizer"}


def test_identity_does_not_change_with_the_tokenizers_padding() -> None:
    tokenizer = load_tokenizer("characters")
    before = Encoder(tokenizer).fingerprint()
    tokenizer(["1", "22"], padding=True, truncation=True, max_length=8)
    assert Encoder(tokenizer).fingerprint() == before


def test_an_encoder_travels_to_a_worker() -> None:
    grid = make_grid([[1, 2], [3, 4]])
    task = Task("t", (Pair(grid, grid),), (Pair(grid, grid),))
    encoder = encoder_of("qwen", "chat", CODE, "outputs")
    copy = pickle.loads(pickle.dumps(encoder))
    assert copy.fast
    assert np.array_equal(copy.example(task).labels, encoder.example(task).labels)
    assert copy.fingerprint() == encoder.fingerprint()


# Context


def sides(task: Task) -> list[int]:
    return [pair.input.shape[0] for pair in task.train]


def squares(*of: int) -> Task:
    def pair(n: int) -> Pair:
        grid = make_grid(np.full((n, n), 3))
        return Pair(grid, grid)

    return Task("squares", tuple(pair(n) for n in of), (pair(2),))


def test_a_task_that_fits_is_returned_as_it_is() -> None:
    encoder, task = encoder_of("characters", "compact", PLAIN, "completion"), squares(3, 5, 4)
    assert fit_context(encoder, task, encoder.length(task)) is task


def test_the_largest_pairs_go_first_and_the_order_stays() -> None:
    encoder, task = encoder_of("characters", "compact", PLAIN, "completion"), squares(3, 5, 4, 5, 2)
    fitted = fit_context(encoder, task, encoder.length(task) - 1)
    assert fitted is not None
    assert sides(fitted) == [3, 5, 4, 2]
    fitted = fit_context(encoder, task, encoder.length(squares(3, 2)))
    assert fitted is not None
    assert sides(fitted) == [3, 2]


def test_one_pair_stays_or_nothing_does() -> None:
    encoder, task = encoder_of("characters", "compact", PLAIN, "completion"), squares(3, 5)
    least = encoder.length(squares(3))
    fitted = fit_context(encoder, task, least)
    assert fitted is not None
    assert sides(fitted) == [3]
    assert fit_context(encoder, task, least - 1) is None


@settings(deadline=None, max_examples=30)
@given(task=tasks(largest=12), max_tokens=st.integers(1, 2500), answer=st.integers(0, 200))
def test_room_for_the_answer_is_kept(task: Task, max_tokens: int, answer: int) -> None:
    encoder = encoder_of("characters", "compact", PLAIN, "completion")
    fitted = fit_context(encoder, task.without_answers(), max_tokens, 0, answer)
    if fitted is None:
        smallest = min(
            encoder.prompt_length(Task("t", (pair,), task.test[:1])) for pair in task.train
        )
        assert smallest + answer > max_tokens
    else:
        assert encoder.prompt_length(fitted) + answer <= max_tokens
        assert [p for p in task.train if p in fitted.train] == list(fitted.train)
