"""YAML before it is read: ids stay text; keys given twice and hostile nesting are refused."""

import re
import time
import tracemalloc

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError
from arcflow.core.yaml_text import MOST_LEVELS, prepare_yaml, quote_ids
from arcflow.sources.arc import SPLITS, load_split

NUMERIC = sorted(
    {
        task.id
        for name in SPLITS
        for task in load_split(name)
        if re.fullmatch(r"[0-9]+(e[0-9]+)?", task.id)
    }
)


def test_published_ids_look_like_numbers() -> None:
    assert {"13e47133", "890034e9", "00576224"} < set(NUMERIC)
    assert len(NUMERIC) == 38


@pytest.mark.parametrize("task_id", NUMERIC)
def test_an_id_stays_text(task_id: str) -> None:
    for text in (
        f"data:\n  val:\n    ids: [{task_id}, abc]\n    stop: 3\n",
        f"data: {{val: {{ids: ['{task_id}', abc], stop: 3}}}}",
        f"data:\n  val:\n    ids:  # ü 🙂\n    - {task_id}\n    - abc\n    stop: 3\n",
    ):
        val = yaml.safe_load(prepare_yaml(text))["data"]["val"]
        assert val == {"ids": [task_id, "abc"], "stop": 3}
    assert yaml.safe_load(quote_ids(f"[{task_id}, abc]")) == [task_id, "abc"]
    one = yaml.safe_load(prepare_yaml(f"fit: {{data.train.exclude+: {task_id}}}"))
    assert one == {"fit": {"data.train.exclude+": task_id}}


def test_numbers_elsewhere_stay_numbers() -> None:
    text = "{ids: [], config: {rope_theta: 10000000, lr: 1.0e-3}, seed: 12345678, tasks: null}"
    assert prepare_yaml(text) == text
    nested = prepare_yaml("ids: {a: 1}\nsources: [{ids: [1], weights: [1, 2]}]")
    assert yaml.safe_load(nested) == {
        "ids": {"a": 1},
        "sources": [{"ids": ["1"], "weights": [1, 2]}],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "x.yaml, line 2, column 1: a key that occurs twice: got 'a'"),
        ("v: {b: {a: 1, c: 2, 'a': 3}}", "line 1, column 21: a key that occurs twice: got 'a'"),
        (
            "- {a: 1}\n- {a: 1}\n- {1: x, 1: y}",
            "line 3, column 10: a key that occurs twice: got '1'",
        ),
        ("[" * 10**6, f"column {MOST_LEVELS + 1}: values nested too deep"),
        ("{a: " * 10**6, "values nested too deep"),
        ("".join(f"{' ' * i}a:\n" for i in range(2000)), "values nested too deep"),
        ("a: &x [*x]", "line 1, column 8: a value that contains itself: got '*x'"),
        ("a: &x {b: [1, {c: *x}]}", "a value that contains itself: got '*x'"),
        ("- &x [1]\n- &x [*x]", "line 2, column 7: a value that contains itself"),
        (
            "\n".join(
                ["a: &a0 [1]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 99))]
            ),
            "too many values, with aliases replaced by what they stand for: got 'over 100000'",
        ),
        (
            "\n".join(
                [
                    "a: &a0 {x: 1}",
                    *(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 99)),
                ]
            ),
            "too many values",
        ),
    ],
)
def test_hostile_text_is_refused_at_once(text: str, message: str) -> None:
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(ConfigError, match=re.escape(message)):
        prepare_yaml(text, "x.yaml")
    assert time.process_time() - start < 5
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()


def test_aliases_and_merges_are_fine() -> None:
    text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\nd: [*a, *a]\n*a : 1"
    assert prepare_yaml(text) == text
    plain = "a: &a {x: 1}\nc: {<<: *a, y: 2}"
    assert yaml.safe_load(prepare_yaml(plain))["c"] == {"x": 1, "y": 2}


def test_what_is_no_yaml_is_left_to_the_loader() -> None:
    for text in ("a: [1", "{]", "a: *nowhere", "\t{", "a: b: c", ""):
        assert prepare_yaml(text) == text
        assert quote_ids(text) == text


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=5) | st.just("ids"), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_only_numbers_under_ids_change(value: object) -> None:
    for flow in (True, False, None):
        text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
        assert _text(yaml.safe_load(prepare_yaml(text))) == _text(yaml.safe_load(text))


def _text(value: object) -> object:
    """The value with every number as text."""
    if isinstance(value, dict):
        return {key: _text(of) for key, of in value.items()}
    if isinstance(value, list):
        return [_text(of) for of in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return yaml.safe_dump(value).split("\n")[0]
