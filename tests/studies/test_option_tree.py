"""Options by name: what was put is found, also in the arguments of a class."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arcflow.studies.option_tree import copied, flat, get, merge, put

NAMES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map(".".join)


@given(NAMES, st.integers(), NAMES, st.integers())
def test_what_was_put_is_found(first: str, one: int, second: str, two: int) -> None:
    tree: dict[str, Any] = {"a": {"class_path": "C", "init_args": {"b": 0}}}
    put(tree, first, one)
    before = copied(tree)
    put(tree, second, two)
    assert get(tree, second) == two
    assert flat(tree)[second] == two
    if not (first.startswith(second) or second.startswith(first)):
        assert get(tree, first) == one
    again: dict[str, Any] = {}
    merge(again, before)
    assert again == before


def test_options_of_a_class_lie_in_its_arguments() -> None:
    tree: dict[str, Any] = {"data": {"class_path": "D", "init_args": {"val": {"n": 1}}}}
    put(tree, "data.val.n", 2)
    put(tree, "data.seed", 3)
    put(tree, "data", "E")
    assert tree == {"data": {"class_path": "E", "init_args": {"val": {"n": 2}, "seed": 3}}}
    assert flat(tree) == {"data.class_path": "E", "data.val.n": 2, "data.seed": 3}
