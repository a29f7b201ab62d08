"""The shipped configs compose: one that stands on another says only what is different."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.paths import ROOT

CONFIGS = ROOT / "configs"
STANDING = {
    path.stem: path
    for path in sorted(CONFIGS.glob("*.yaml"))
    if re.search(rf"-c configs/quickstart.yaml -c configs/{path.stem}.yaml", path.read_text())
}


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every option with its value; a list is one value."""
    if isinstance(value, dict) and value:
        return {k: v for name, of in value.items() for k, v in leaves(of, (*path, name)).items()}
    return {path: value}


def read(path: Path) -> dict[tuple[str, ...], Any]:
    return leaves(yaml.safe_load(path.read_text()))


def test_these_stand_on_the_quickstart() -> None:
    assert set(STANDING) == {"counting", "mixture", "omniarc", "rearc", "together"}


@pytest.mark.parametrize("name", sorted(STANDING))
def test_nothing_is_said_twice(name: str) -> None:
    base, own = read(CONFIGS / "quickstart.yaml"), read(STANDING[name])
    repeated = [".".join(path) for path, value in own.items() if base.get(path, own) == value]
    assert not repeated
